# SPDX-License-Identifier: GPL-2.0-only
"""
More tests of bridge.py: hosts that stand still, or are slow, while the server gives what they hold to others.
"""
import signal

from bridge_util import LONG, Bridge, Server, drain, receiver, sender, test, wait


@test
def stood_still(dir):
    """A host that stood still in the middle of a batch does not do what others got meanwhile."""
    s = Server(dir + "/s")
    with sender("aj") as out, receiver("bj", 16) as at_b, receiver("cj") as at_c:
        Bridge(dir, "a", s, "queue jobs work out local shm:aj")
        b = Bridge(dir, "b", s, "queue jobs work in local shm:bj", start=False)
        w = Bridge(dir, "w", s, "queue other work in local shm:wj")
        for i in range(32):
            out.send(b"%-17000d" % i, LONG)  # no packs
        wait(lambda: w.status().get("server", {}).get("messages", 0) == 32)
        b.start()
        wait(lambda: b.rule("jobs").get("in") == 16)
        b.child.send_signal(signal.SIGSTOP)
        Bridge(dir, "c", s, "queue jobs work in local shm:cj")
        got = drain(at_c, 16)
        got += drain(at_b, 16)
        b.child.send_signal(signal.SIGCONT)
        got += drain(at_b, 0, pause=2)
        numbers = [int(m) for m in got]
        assert set(numbers) == set(range(32)), sorted(set(range(32)) - set(numbers))
        # the one that was in work
        assert len(numbers) - 32 <= 1, sorted(n for n in numbers if numbers.count(n) > 1)
