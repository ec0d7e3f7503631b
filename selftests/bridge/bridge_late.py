# SPDX-License-Identifier: GPL-2.0-only
"""
More tests of bridge.py: hosts that stand still, or are slow, while the server gives what they hold to others; and what
may go wrong where the library of NATS begins and ends.
"""
import os
import re
import signal
import threading
import time

from bridge_util import LONG, Bridge, Server, Wire, drain, receiver, sender, test, wait, wrapping


def alone(out, count):
    """Sends jobs that go in no packs."""
    for i in range(count):
        out.send(b"%-17000d" % i, LONG)


def stored(dir, s, out, count):
    """Return: the bridge whose server has stored so many"""
    a = Bridge(dir, "a", s, "queue jobs work out local shm:aj")
    alone(out, count)
    wait(lambda: a.rule("jobs")["out"] == count)
    return a


def stands_still(dir, program=None):
    """A host does so in the middle of a batch, another one gets the rest: none is lost, and that is not done twice"""
    s = Server(dir + "/s")
    with sender("aj") as out, receiver("bj", 16) as at_b, receiver("cj") as at_c:
        Bridge(dir, "a", s, "queue jobs work out local shm:aj")
        b = Bridge(dir, "b", s, "queue jobs work in local shm:bj", start=False, program=program)
        w = Bridge(dir, "w", s, "queue other work in local shm:wj")
        alone(out, 32)
        wait(lambda: w.status().get("server", {}).get("messages", 0) == 32)
        b.start()
        wait(lambda: b.rule("jobs").get("in") == 16)
        b.child.send_signal(signal.SIGSTOP)
        start = time.monotonic()
        Bridge(dir, "c", s, "queue jobs work in local shm:cj")
        got = drain(at_c, 16)
        got += drain(at_b, 16)
        with open(dir + "/slept", "wb") as f:
            f.truncate(int(time.monotonic() - start))
        b.child.send_signal(signal.SIGCONT)
        got += drain(at_b, 0, pause=2)
        numbers = [int(m) for m in got]
        assert set(numbers) == set(range(32)), sorted(set(range(32)) - set(numbers))
        # the one that was in work
        assert len(numbers) - 32 <= 1, sorted(n for n in numbers if numbers.count(n) > 1)


@test
def stood_still(dir):
    """A host that stood still in the middle of a batch does not do what others got meanwhile."""
    stands_still(dir)


@test
def suspended(dir):
    """Nor one that was suspended, which only the clock of the boot has seen."""
    stands_still(dir, wrapping(dir, f"""
        #include <sys/stat.h>
        #include <time.h>
        int __real_clock_gettime(clockid_t clock, struct timespec *t);
        int __wrap_clock_gettime(clockid_t clock, struct timespec *t)
        {{
            struct stat s;
            int r = __real_clock_gettime(clock, t);

            if (clock == CLOCK_MONOTONIC && !stat("{dir}/slept", &s))
                t->tv_sec -= s.st_size;
            return r;
        }}"""))


@test
def late_back(dir):
    """Nor does it give that back, for others hold it."""
    program = wrapping(dir, """
        #include <signal.h>
        #include <stddef.h>
        #include <stdint.h>
        int __real_local_loan(void *local, size_t len, void *m, int64_t until);
        int __wrap_local_loan(void *local, size_t len, void *m, int64_t until)
        {
            static int n;

            if (++n == 5)
                raise(SIGSTOP);
            return __real_local_loan(local, len, m, until);
        }""")
    s = Server(dir + "/s")
    w = Wire(s)
    with sender("aj") as out, receiver("bj", 4) as at_b, receiver("cj") as at_c:
        a = stored(dir, s, out, 8)
        b = Bridge(dir, "b", s, "queue jobs work in local shm:bj", start=False, program=program)
        b.start()
        os.waitpid(b.child.pid, os.WUNTRACED)  # all of its threads
        w.hear("$JS.ACK.>")
        c = Bridge(dir, "c", s, "queue jobs work in local shm:cj")
        assert len(drain(at_c, 4)) == 4
        c.end()
        said = w.done()
        assert b"+ACK" in said and b"-NAK" not in said, said
        b.child.send_signal(signal.SIGCONT)
        said = b""

        def says():
            nonlocal said
            said += w.done()
            return b"+WPI" in said
        wait(says)  # no room for what is in work
        assert len(drain(at_b, 4)) == 4
        out.send(b"last", LONG)
        assert at_b.recv(LONG) == b"last"
        assert b.rule("jobs")["returned"] == 0, b.rule("jobs")
        b.end()
        said += w.done()
        assert b"-NAK" not in said, said


def given_back(dir, seconds, away=False):
    """
    How much lay there for so long, by the clock of a host that was at its first job, and how many jobs it gave back
    unseen: the word that no more come may have lain there too. @away: by then its library says that the link is so
    """
    program = wrapping(dir, f"""
        #include <stdio.h>
        #include <time.h>
        #include <unistd.h>
        #include <nats/nats.h>
        static natsSubscription *sub;
        static time_t now = 1000;
        static int had;
        int __real_clock_gettime(clockid_t clock, struct timespec *t);
        int __wrap_clock_gettime(clockid_t clock, struct timespec *t)
        {{
            if (clock != CLOCK_BOOTTIME)
                return __real_clock_gettime(clock, t);
            *t = (struct timespec){{ .tv_sec = __atomic_load_n(&now, __ATOMIC_RELAXED) }};
            return 0;
        }}
        natsStatus __real_natsSubscription_NextMsg(natsMsg **m, natsSubscription *s, int64_t ms);
        natsStatus __wrap_natsSubscription_NextMsg(natsMsg **m, natsSubscription *s, int64_t ms)
        {{
            sub = s;
            return had || ms ? __real_natsSubscription_NextMsg(m, s, ms) : NATS_TIMEOUT;
        }}
        int __real_local_commit(void *local, void *m);
        int __wrap_local_commit(void *local, void *m)
        {{
            int n = 0, before = -1;

            for (int i = 0; !had && i < 40 && (n < 2 || n != before); i++) {{
                before = n;
                natsSubscription_GetPending(sub, &n, NULL);
                usleep(500000); /* it has asked for less long */
            }}
            if (!had++) {{
                fprintf(stderr, "lie there: %d\\n", n);
                __atomic_add_fetch(&now, {seconds}, __ATOMIC_RELAXED);
            }}
            return __real_local_commit(local, m);
        }}
        natsConnStatus __real_natsConnection_Status(natsConnection *nc);
        natsConnStatus __wrap_natsConnection_Status(natsConnection *nc)
        {{
            return had && {int(away)} ? NATS_CONN_STATUS_RECONNECTING : __real_natsConnection_Status(nc);
        }}""")
    s = Server(dir + "/s")
    w = Wire(s)
    w.hear("$JS.ACK.>")
    with sender("aj") as out, receiver("bj", 128) as q:
        a = stored(dir, s, out, 8)
        b = Bridge(dir, "b", s, "queue jobs work in local shm:bj", start=False, program=program)
        b.start()
        assert sorted(map(int, drain(q, 8))) == list(range(8))
        b.end()
        a.end()
    return int(re.search(r"lie there: (\d+)", b.said())[1]), w.done().count(b"-NAK")


@test
def slow_back(dir):
    """What got old while a host was at another job goes back to the server at once."""
    lay, back = given_back(dir, 2)
    assert back in (lay - 1, lay), (lay, back)


@test
def slow_too_late(dir):
    """But not if the server may have given it to others."""
    lay, back = given_back(dir, 4)
    assert back == 0, (lay, back)


@test
def slow_away(dir):
    """Nor over a link that is away: when it is there again others may have it."""
    lay, back = given_back(dir, 2, away=True)
    assert back == 0, (lay, back)


@test
def away_now(dir):
    """What a host has of a batch while its link is away it does not do: others get it."""
    program = wrapping(dir, f"""
        #include <unistd.h>
        int __real_local_commit(void *local, void *m);
        int __wrap_local_commit(void *local, void *m)
        {{
            static int n;

            for (int i = 0; n == 2 && i < 2000 && access("{dir}/away", F_OK); i++)
                usleep(10000);
            n++;
            return __real_local_commit(local, m);
        }}""")
    s = Server(dir + "/s")
    with sender("aj") as out, receiver("bj", 16) as q:
        stored(dir, s, out, 8)
        b = Bridge(dir, "b", s, "queue jobs work in local shm:bj", start=False, program=program)
        b.start()
        wait(lambda: b.rule("jobs").get("in") == 2)
        s.end()
        wait(lambda: b.status()["link"] == "down")
        with open(dir + "/away", "wb"):
            pass
        assert len(drain(q, 3, pause=1)) == 3
        s.again()
        assert len(drain(q, 5)) == 5


@test
def asks(dir):
    """A slow host asks for no more while some of what it has asked for lies there: that would get old."""
    program = wrapping(dir, """
        #include <stdio.h>
        #include <unistd.h>
        #include <nats/nats.h>
        static natsSubscription *sub;
        natsStatus __real_natsSubscription_NextMsg(natsMsg **m, natsSubscription *s, int64_t ms);
        natsStatus __wrap_natsSubscription_NextMsg(natsMsg **m, natsSubscription *s, int64_t ms)
        {
            sub = s;
            return __real_natsSubscription_NextMsg(m, s, ms);
        }
        natsStatus __real_natsConnection_PublishRequestString(natsConnection *nc, const char *subject,
                                                              const char *reply, const char *text);
        natsStatus __wrap_natsConnection_PublishRequestString(natsConnection *nc, const char *subject,
                                                              const char *reply, const char *text)
        {
            int n = 0;

            if (sub && natsSubscription_GetPending(sub, &n, NULL) == NATS_OK && n)
                fprintf(stderr, "asks while %d lie there\\n", n);
            return __real_natsConnection_PublishRequestString(nc, subject, reply, text);
        }
        int __real_local_commit(void *local, void *m);
        int __wrap_local_commit(void *local, void *m)
        {
            static int n;

            if (n++ % 64 == 0)
                usleep(800000);
            return __real_local_commit(local, m);
        }""")
    s = Server(dir + "/s")
    with sender("aj") as out, receiver("bj", 128) as q:
        stored(dir, s, out, 100)
        b = Bridge(dir, "b", s, "queue jobs work in local shm:bj", program=program)
        assert len(drain(q, 100)) == 100
    assert "lie there" not in b.said(), b.said()


@test
def late_answer(dir):
    """An answer that is worked on while its host ends waits for the messages that are freed, and then goes at once."""
    program = wrapping(dir, """
        #include <stdio.h>
        #include <unistd.h>
        #include <nats/nats.h>
        static natsMsg *last;
        static int ends, ended;
        void __real_nats_answered(natsConnection *nc, natsSubscription *sub, natsMsg *m, void *engine);
        void __wrap_nats_answered(natsConnection *nc, natsSubscription *sub, natsMsg *m, void *engine)
        {
            last = m;
            fprintf(stderr, "it came\\n");
            while (!__atomic_load_n(&ends, __ATOMIC_SEQ_CST))
                usleep(1000);
            __real_nats_answered(nc, sub, m, engine);
            fprintf(stderr, "waited: %d\\n", __atomic_load_n(&ended, __ATOMIC_SEQ_CST));
        }
        void __real_natsMsg_Destroy(natsMsg *m);
        void __wrap_natsMsg_Destroy(natsMsg *m)
        {
            if (m && m == last && __atomic_load_n(&ended, __ATOMIC_SEQ_CST))
                fprintf(stderr, "freed at once\\n");
            __real_natsMsg_Destroy(m);
        }
        void __real_nats_free_gone(void *engine);
        void __wrap_nats_free_gone(void *engine)
        {
            __atomic_store_n(&ends, 1, __ATOMIC_SEQ_CST);
            usleep(300000);
            __real_nats_free_gone(engine);
            __atomic_store_n(&ended, 1, __ATOMIC_SEQ_CST);
        }""")
    s = Server(dir + "/s")
    a = Bridge(dir, "a", s, "queue rpc work out local shm:arpc", program=program)
    b = Bridge(dir, "b", s, "queue rpc work in local shm:brpc")
    with sender("arpc") as q, receiver("brpc") as server:
        threading.excepthook = lambda args: None  # the caller gets no answer
        threading.Thread(target=lambda: q.call(b"request", LONG), daemon=True).start()
        server.reply(server.take(LONG), b"answer")
        wait(lambda: b.rule("rpc")["calls"] == 1)
        wait(lambda: "it came" in a.said())
        assert a.end() == 0
    assert "waited: 1\n" in a.said() and "freed at once" in a.said(), a.said()


@test
def library(dir):
    """A bridge whose library cannot begin says so and ends."""
    program = wrapping(dir, """
        #include <nats/nats.h>
        natsStatus __wrap_nats_Open(int64_t spins)
        {
            return spins ? NATS_OK : NATS_NO_MEMORY;
        }""")
    a = Bridge(dir, "a", Server(dir + "/s"), "queue q work in local shm:aq", start=False, program=program)
    a.start()
    try:
        assert a.child.wait(LONG) == 1
    finally:
        a.end(signal.SIGKILL)
    assert "nats: the library: " in a.said(), a.said()
