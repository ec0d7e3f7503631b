# SPDX-License-Identifier: GPL-2.0-only
"""
More tests of bridge.py: what must not go round, hold others up, get lost or stay for ever.
"""
import json
import os
import signal
import socket
import threading
import time

from bridge_util import (LONG, SCHEME, TOP, Bridge, Server, Wire, another, crc32c, drain, ipcx, receiver, sender, test, topic,
                         two, wait, wrapping)


def exact(dir, hosts):
    """Each host sends 60; each gets the 60 of each other one once, and none else comes."""
    _, *bridges = two(dir, "queue ev fanout both local shm:{}ev", hosts=hosts)
    ins, outs = {h: receiver(h + "ev") for h in hosts}, {h: sender(h + "ev.out") for h in hosts}
    for i in range(60):
        for h in hosts:
            outs[h].send(b"%s%d" % (h.encode(), i), LONG)
    for h in hosts:
        want = [b"%s%d" % (o.encode(), i) for o in hosts if o != h for i in range(60)]
        assert sorted(drain(ins[h], len(want))) == sorted(want), h
    for b in bridges:
        r = b.rule("ev")
        assert r["out"] == r["own"] == 60 and r["in"] == 60 * (len(hosts) - 1), r
        assert r["copies"] == r["perhaps"] == 0, r
    for q in [*ins.values(), *outs.values()]:
        q.close()


@test
def mirror_two(dir):
    """Two bridges with the same queue both ways: counts are exact, nothing comes back."""
    exact(dir, "ab")


@test
def mirror_three(dir):
    """And three"""
    exact(dir, "abc")


@test
def kinds(dir):
    """A queue of each kind and a topic at once, both ways between two bridges"""
    _, a, b = two(dir, "queue jobs work both local shm:{}k.jobs", "queue ev fanout both local shm:{}k.ev",
                  "topic news reliable both local shm:{}k.news")
    with sender("ak.jobs.out") as jobs, sender("ak.ev.out") as ev, sender("bk.ev.out") as back, \
            receiver("ak.jobs") as a_jobs, receiver("bk.jobs") as b_jobs, receiver("ak.ev") as a_ev, receiver("bk.ev") as b_ev, \
            topic("ak.news", ipcx.PUBLISH | ipcx.SUBSCRIBE) as a_news, topic("bk.news", ipcx.SUBSCRIBE) as b_news:
        sent = [b"%d" % i for i in range(20)]
        for data in sent:
            for q in jobs, ev, a_news:
                q.send(data, LONG)
            back.send(b"back" + data, LONG)
        assert drain(b_ev, 20) == drain(a_news, 20) == drain(b_news, 20) == sent
        assert drain(a_ev, 20) == [b"back" + data for data in sent]
        wait(lambda: a.rule("jobs")["in"] + b.rule("jobs")["in"] == 20)
        assert sorted(drain(a_jobs, 0) + drain(b_jobs, 0)) == sorted(sent)
    assert a.rule("news")["out"] == b.rule("news")["in"] == 20 and b.rule("news")["out"] == 0


@test
def loop(dir):
    """A loop over two local queues that have other names in each rule ends where it began."""
    os.environ["IPCX_TRANSPORT"] = "shm"
    s = Server(dir + "/s")
    a = Bridge(dir, "a", s, "queue one fanout in local amid", "queue two fanout out local shm:amid")
    b = Bridge(dir, "b", s, "queue two fanout in local shm:bmid", "queue one fanout out local bmid")
    c = Bridge(dir, "c", s, "queue one fanout out local shm:c")
    with sender("c") as out:
        for i in range(20):
            out.send(b"%d" % i, LONG)
        wait(lambda: b.rule("one")["out"] >= 20)
        time.sleep(0.5)
    assert a.rule("one")["in"] == b.rule("two")["in"] == c.rule("one")["out"] == 20, a.rule("one")


@test
def unanswered(dir):
    """Requests that nobody answers do not hold up messages of the same queue."""
    s, a, _ = two(dir, "queue rpc work out local shm:{}rpc in_flight 2")
    with sender("arpc") as q, receiver("crpc") as server:
        callers = [threading.Thread(target=lambda: q.call(b"request", 3 * LONG), daemon=True) for _ in range(2)]
        threading.excepthook = lambda args: None  # they are told that there is no answer
        for caller in callers:
            caller.start()
        wait(lambda: a.rule("rpc")["out"] == 2)
        for i in range(10):
            q.send(b"%d" % i, LONG)
        wait(lambda: a.rule("rpc")["out"] == 12)
        assert a.rule("rpc")["in_flight"] == 2, a.rule("rpc")
        Bridge(dir, "c", s, "queue rpc work in local shm:crpc")
        assert len(drain(server, 12)) == 12
        for caller in callers:
            caller.join()


@test
def requests_settled(dir):
    """Requests are acknowledged after the answer, or before it if that takes long: no second host gets one."""
    s, a = two(dir, "queue rpc work out local shm:{}rpc", hosts="a")
    takers = [Bridge(dir, h, s, "queue rpc work in local shm:%srpc" % h) for h in "cd"]

    def serve(queue):
        while not done.is_set():
            try:
                with queue.take(0.2) as request:
                    time.sleep(7 if bytes(request.data) == b"slow" else 0)
                    queue.reply(request, bytes(request.data).upper())
            except TimeoutError:
                pass
    done = threading.Event()
    with receiver("crpc") as c, receiver("drpc") as d, sender("arpc") as caller:
        threads = [threading.Thread(target=serve, args=(queue,)) for queue in (c, d)]
        for thread in threads:
            thread.start()
        for data in b"one", b"two", b"slow", b"three":
            with caller.call(data, LONG) as reply:
                assert bytes(reply.data) == data.upper()
        wait(lambda: s.monitor("jsz?consumers=1")["account_details"][0]["stream_detail"][0]
             ["consumer_detail"][0]["num_ack_pending"] == 0)
        done.set()
        for thread in threads:
            thread.join()
        rules = [t.rule("rpc") for t in takers]
        assert sum(r["in"] for r in rules) == 4 and not any(r["copies"] for r in rules), rules


@test
def lost_at_end(dir):
    """SIGTERM while the server is mute: what its transport cannot give back is told to be lost."""
    s, a, _ = two(dir, "queue q work out local unix:{}q", "queue r work out local shm:{}r")
    with ipcx.Queue.open("unix:aq", ipcx.CREATE | ipcx.SEND) as q, sender("ar") as r:
        s.child.send_signal(signal.SIGSTOP)
        os.waitpid(s.child.pid, os.WUNTRACED)  # all of its threads
        for i in range(3):
            q.send(b"%d" % i, LONG)
            r.send(b"%d" % i, LONG)
        wait(lambda: [r["in_flight"] for r in a.status()["rules"]] == [3, 3], 2 * LONG)
        assert a.end() == 0
        s.child.send_signal(signal.SIGCONT)
    assert "q out: 3 messages are lost" in a.said() and "r out: " not in a.said(), a.said()


@test
def small_queue(dir):
    """A job too long for the queue of one host is done by another."""
    s, a, _ = two(dir, "queue jobs work out local shm:{}j")
    with ipcx.Queue.open("shm:bj2", ipcx.CREATE | ipcx.RECV, msg_max=1000), receiver("cj") as at_c, sender("aj") as out:
        b = Bridge(dir, "d", s, "queue jobs work in local shm:bj2")
        for i in range(3):
            out.send(bytes(5000 + i), LONG)
        wait(lambda: b.rule("jobs")["returned"] >= 3)
        Bridge(dir, "c", s, "queue jobs work in local shm:cj")
        assert sorted(map(len, drain(at_c, 3))) == [5000, 5001, 5002]
        assert b.rule("jobs")["dropped"]["oversized"] == 0
    assert a.rule("jobs")["out"] == 3


@test
def late_latest(dir):
    """Who comes late gets the last long message of each host, not parts of both."""
    s, a, b = two(dir, "topic p latest both local shm:{}p", payload="64KB")
    with topic("ap", ipcx.PUBLISH) as at_a, \
            topic("bp", ipcx.PUBLISH) as at_b, \
            topic("cp", ipcx.SUBSCRIBE) as at_c:
        at_a.send(b"a" * 200000, LONG)
        wait(lambda: a.rule("p")["out"] == 1)
        at_b.send(b"b" * 200000, LONG)
        wait(lambda: b.rule("p")["out"] == 1)
        Bridge(dir, "c", s, "topic p latest in local shm:cp")
        assert drain(at_c, 2) == [b"a" * 200000, b"b" * 200000]


def parcel_hash(text):
    """As parcel.c has it"""
    a, b = 0xcbf29ce484222325, 0x9ae16a3b2f90404f
    for c in text.encode():
        a = (a ^ c) * 0x100000001b3 % 2**64
        b = (b + c) * 0xff51afd7ed558ccd % 2**64
        b ^= b >> 32
    a ^= a >> 29
    return f"{a % 2**32:08x}{b % 2**32:08x}{(a >> 32 ^ b >> 32) % 2**32:08x}"


class Job:
    """A long job, which is b"onetwo", by hand: chunks, and then its head"""

    def __init__(self, server, chunks=2, size=0, rule="jobs"):
        self.count, self.size, self.rule = chunks, size or 6 // chunks, rule
        self.ident = "01234567-89ab-cdef-0123-456789abcdef:0:0:1"
        self.line = f"v=2 realm=test host=x id={self.ident} hops=0 len=6 crc={crc32c(b'onetwo'):08x} chunks={chunks}"
        self.wire = Wire(server)

    def chunk(self, i):
        at = i * self.size
        self.wire.put(f"ipcx.test.{self.rule}.c.{parcel_hash(self.ident)}.{i}", b"onetwo"[at:at + self.size],
                      f"{self.line} chunk={i} at={at}")
        self.wire.done()

    def chunks(self):
        for i in range(self.count):
            self.chunk(i)

    def head(self):
        self.wire.put(f"ipcx.test.{self.rule}.m", b"", self.line + " head=1")
        self.wire.done()


@test
def beside(dir):
    """What is purged of short jobs takes no chunk along of a long one whose head comes later."""
    s, a, b = two(dir, "queue jobs work both local shm:{}j")
    b.end()
    job = Job(s)
    with sender("aj.out") as out, receiver("aj") as q:
        job.chunks()
        for i in range(20):
            out.send(b"%d" % i, LONG)
        assert drain(q, 20) == [b"%d" % i for i in range(20)]
        time.sleep(3)  # each 2 seconds a purge
        assert a.status()["server"]["messages"] == a.rule("jobs")["acked"] + 2
        job.head()
        assert q.recv(LONG) == b"onetwo"
    wait(lambda: a.status()["server"]["messages"] == 0)


@test
def cut_anew(dir):
    """A job that goes again in other chunks, to a server with another limit, is not lost with the head of before."""
    s = Server(dir + "/s")
    Bridge(dir, "a", s, "queue jobs work out local shm:aj")
    Job(s, 2).head()
    job = Job(s, 3)
    job.chunks()
    job.head()
    with receiver("bj") as q:
        b = Bridge(dir, "b", s, "queue jobs work in local shm:bj")
        assert q.recv(LONG) == b"onetwo"
        wait(lambda: b.status()["server"]["messages"] == 0)
    assert not sum(b.rule("jobs")["dropped"].values()), b.rule("jobs")


def one_by_one(queue, count, bridge):
    """So many jobs, each after the one before is in the bridge's local queue"""
    for i in range(count):
        queue.send(b"first", LONG)
        wait(lambda i=i: bridge.rule("jobs").get("in") == i + 1)


@test
def beside_late(dir):
    """Nor the first one, when nothing else is left there and the second comes late."""
    s = Server(dir + "/s")
    with receiver("aj", 4) as q, sender("aj.out") as out:
        a = Bridge(dir, "a", s, "queue jobs work both local shm:aj")
        job = Job(s)
        one_by_one(out, 4, a)
        out.send(b"last", LONG)
        wait(lambda: "full" in a.rule("jobs")["state_in"])
        job.chunk(0)  # after a job that is not had yet
        wait(lambda: a.rule("jobs")["returned"])  # what comes next the server looks for behind the chunk
        assert drain(q, 5)[-1] == b"last"
        wait(lambda: a.status()["server"]["messages"] <= 1)
        time.sleep(2.5)  # each 2 seconds a purge
        job.chunk(1)
        job.head()
        assert q.recv(LONG) == b"onetwo"
    wait(lambda: a.status()["server"]["messages"] == 0)


@test
def store_mute(dir):
    """What the server has stored without a word is not put into the local queue, too."""
    s = Server(dir + "/s")
    with sender("aj") as out, receiver("bj", 4) as q:
        a, b = Bridge(dir, "a", s, "queue jobs work out local shm:aj"), Bridge(dir, "b", s, "queue jobs work in local shm:bj")
        one_by_one(out, 2, b)
        a.end()
        for i in range(20):
            out.send(b"%d" % i, LONG)
        a.start()  # a pack, for two of which there is room
        wait(lambda: "full" in b.rule("jobs")["state_in"])
        s.child.send_signal(signal.SIGSTOP)
        os.waitpid(s.child.pid, os.WUNTRACED)  # all of its threads
        got = drain(q, 2, pause=0)
        time.sleep(2.5)
        s.child.send_signal(signal.SIGCONT)
        got += drain(q, 22 - len(got))
        assert sorted(got) == sorted([b"first"] * 2 + [b"%d" % i for i in range(20)]), got
        assert b.rule("jobs")["copies"] == 0, b.rule("jobs")  # of what another host could have got
    assert a.rule("jobs")["acked"] < 20 and b.rule("jobs")["returned"], a.rule("jobs")


def two_users(dir):
    """A server with user all, and b, who may not store jobs"""
    with open(dir + "/password", "w", encoding="utf-8", opener=lambda p, f: os.open(p, f, 0o600)) as f:
        f.write("secret\n")
    return Server(dir + "/s", more="""
        authorization: { users: [
            { user: b, password: secret, permissions: { publish: { deny: "ipcx.test.jobs.m" } } }
            { user: all, password: secret }
        ] }""")


@test
def pack_back(dir):
    """Of a pack for which there is no room, and that the server does not store again, nothing is done twice."""
    s = two_users(dir)
    with sender("aj") as out, receiver("bj", 16) as at_b, receiver("cj", 100) as at_c:
        a = Bridge(dir, "a", s, f"user all {dir}/password", "queue jobs work out local shm:aj")
        b = Bridge(dir, "b", s, f"user b {dir}/password", "queue jobs work in local shm:bj")
        one_by_one(out, 8, b)
        a.end()
        with sender("aj") as one:  # its numbers begin anew
            for i in range(16):
                one.send(b"%d" % i, LONG)
        a.again()  # a pack, for half of which there is room
        wait(lambda: a.rule("jobs")["out"] == 16 and b.rule("jobs")["returned"])
        Bridge(dir, "c", s, f"user all {dir}/password", "queue jobs work in local shm:cj")
        got = drain(at_c, 16) + drain(at_b, 8)
        assert sorted(got) == sorted([b"first"] * 8 + [b"%d" % i for i in range(16)]), got


@test
def room_anew(dir):
    """A queue waits for the room of a pack for a while only, and one that is made anew not at all."""
    patient = another(dir, f"{TOP}/libuser/bridge/in_pack.c", "-DROOM_TIME=(600*NS_PER_S)", without="in_pack")
    s = two_users(dir)
    with sender("aj") as out, receiver("bj", 16) as q:
        a = Bridge(dir, "a", s, f"user all {dir}/password", "queue jobs work out local shm:aj")
        b = Bridge(dir, "b", s, f"user b {dir}/password", "queue jobs work in local shm:bj")

        def pack():
            """That has too little room at b, and is late when it comes again. Return: what b returned before"""
            a.end()
            with sender("aj") as one:  # one pack: its numbers begin anew
                for _ in range(16):
                    with one.loan(4, LONG) as m:
                        m.data[:] = b"late"
                        m.expires = time.monotonic_ns() + 3 * 10 ** 9
                        one.commit(m)
            returned = b.rule("jobs")["returned"]
            a.again()
            wait(lambda: "full" in b.rule("jobs")["state_in"])
            return returned
        one_by_one(out, 1, b)
        pack()
        out.send(b"second", LONG)
        wait(lambda: b.rule("jobs")["in"] == 2)
        assert drain(q, 2) == [b"first", b"second"]
        b.end()
        b.command = patient, *b.command[-2:]
        b.again()
        out.send(b"third", LONG)
        wait(lambda: b.rule("jobs")["in"] == 1)
        returned = pack()
        ipcx.Queue.unlink(SCHEME + "bj")
        with receiver("bj", 8) as anew:
            wait(lambda: b.rule("jobs")["returned"] > returned)
            out.send(b"anew", LONG)
            while anew.recv(LONG) != b"anew":
                pass


@test
def pack_too_long(dir):
    """A job of a pack too long for one host's queue is not dropped when the server takes nothing."""
    s = Server(dir + "/s")
    w = Wire(s)
    stream = {"name": "ipcx_test_jobs", "subjects": ["ipcx.test.jobs.>"], "retention": "limits", "storage": "file",
              "discard": "new", "duplicate_window": 7200 * 10 ** 9}

    def ask(what, **more):
        w.put(f"$JS.API.STREAM.{what}.ipcx_test_jobs", json.dumps(dict(stream, **more)).encode())
        w.done()
    with sender("aj") as out, receiver("cj") as at_c, \
            ipcx.Queue.open(SCHEME + "bj", ipcx.CREATE | ipcx.RECV, msg_max=1000) as at_b:
        for n in range(16):
            out.send(bytes(5000 if n == 1 else n), LONG)
        ask("CREATE")
        a = Bridge(dir, "a", s, "queue jobs work out local shm:aj")
        wait(lambda: a.rule("jobs")["out"] == 16)
        ask("UPDATE", max_msg_size=100)
        b = Bridge(dir, "b", s, "queue jobs work in local shm:bj", start=False)
        b.start()
        wait(lambda: b.rule("jobs").get("returned"))
        ask("UPDATE", max_msg_size=-1)
        assert at_b.recv(LONG) == bytes(0)
        Bridge(dir, "c", s, "queue jobs work in local shm:cj")
        assert at_c.recv(LONG) == bytes(5000)
    assert a.rule("jobs")["acked"] == 1 and b.rule("jobs")["dropped"]["oversized"] == 0, b.rule("jobs")


@test
def taker_full(dir):
    """A host that may not publish and is full holds back only what is in its queue."""
    s = two_users(dir)
    with sender("aj") as out, receiver("bj", 4) as at_b, receiver("cj", 100) as at_c:
        for i in range(60):
            out.send(b"%d" % i, LONG)
        b = Bridge(dir, "b", s, f"user b {dir}/password", "queue jobs work in local shm:bj")
        Bridge(dir, "a", s, f"user all {dir}/password", "queue jobs work out local shm:aj")
        wait(lambda: b.rule("jobs")["in"] == 4)
        Bridge(dir, "c", s, f"user all {dir}/password", "queue jobs work in local shm:cj")
        got = set(drain(at_c, 56))
        assert len(got) >= 56 and len(got | set(drain(at_b, 4))) == 60, len(got)
    assert b.rule("jobs")["returned"] > 0


@test
def commit_fails(dir):
    """A commit that fails in a pack whose rest is stored again is told, and nothing is lost."""
    program = wrapping(dir, """
        #include <errno.h>
        int __real_local_commit(void *local, void *m);
        int __wrap_local_commit(void *local, void *m)
        {
            static int n;

            return ++n == 3 ? -EIDRM : __real_local_commit(local, m);
        }""")
    s = Server(dir + "/s")
    with sender("aj") as out, receiver("bj") as q:
        for i in range(16):
            out.send(b"%d" % i, LONG)
        a = Bridge(dir, "a", s, "queue jobs work out local shm:aj")
        wait(lambda: a.rule("jobs")["out"] == 16)
        b = Bridge(dir, "b", s, "queue jobs work in local shm:bj", program=program)
        assert sorted(map(int, drain(q, 16))) == list(range(16))
    assert a.rule("jobs")["acked"] == 1 and b.rule("jobs")["returned"] == 14, b.rule("jobs")
    assert f"jobs in: {SCHEME}bj: " in b.said(), b.said()


@test
def orphans(dir):
    """Chunks whose message never came go, and those that are waited for do not."""
    program = another(dir, f"{TOP}/libuser/bridge/nats_tidy.c", "-DSWEEP_S=1", without="tidy")
    s = Server(dir + "/s", payload="64KB")
    a = Bridge(dir, "a", s, "queue jobs work out local shm:aj")
    w = Wire(s)
    with sender("aj") as out, receiver("bj") as q:
        for i in range(100):  # more than the queue holds
            out.send(b"%d" % i, LONG)
        out.send(b"x" * 200000, LONG)
        wait(lambda: a.rule("jobs")["out"] == 101)
        for i in range(3):
            w.put(f"ipcx.test.jobs.c.0123456789.{i}", b"orphan", "v=2")
        w.done()
        b = Bridge(dir, "b", s, "queue jobs work in local shm:bj", program=program)
        time.sleep(5)  # several sweeps
        assert sorted(map(len, drain(q, 101)))[-1] == 200000
        wait(lambda: b.status()["server"]["messages"] == 0)
        assert b.rule("jobs")["in"] == 101


@test
def mute_readers(dir):
    """Who asks for the status and says no more holds up neither others for long nor the end."""
    _, a, _ = two(dir, "queue q work out local shm:{}q")
    mute = [socket.socket(socket.AF_UNIX) for _ in range(3)]
    for m in mute:
        m.connect(dir + "/a.state/status.sock")
    assert a.end() == 0


@test
def alerts(dir):
    """What alerts are made of: the metrics say whether the link is up and each direction runs."""
    s = Server(dir + "/s")
    a = Bridge(dir, "a", s, "queue q work in local shm:aq")

    def tells(link, runs, away):
        text = a.ask("metrics").stdout
        return f"ipcx_bridge_link_up {link}\n" in text and f'ipcx_bridge_away{{rule="q"}} {away}\n' in text and \
            f'ipcx_bridge_runs{{rule="q",direction="in"}} {runs}\n' in text
    assert wait(lambda: tells(1, 1, 0))
    s.end()
    wait(lambda: tells(0, 0, 1))
    s.again()
    wait(lambda: tells(1, 1, 0), 2 * LONG)  # it looks seldom if that takes long


@test
def tidy_long(dir):
    """A host that once took long to ask how far all are asks again soon, by a clock where each look for messages is 1 s."""
    program = wrapping(dir, """
        #include <stdbool.h>
        #include <stdint.h>
        #include <stdio.h>
        #include <time.h>
        #include <nats/nats.h>
        static int64_t more;
        static bool asked;
        int __real_clock_gettime(clockid_t clock, struct timespec *t);
        int __wrap_clock_gettime(clockid_t clock, struct timespec *t)
        {
            int r = __real_clock_gettime(clock, t);

            if (clock == CLOCK_MONOTONIC)
                t->tv_sec += __atomic_load_n(&more, __ATOMIC_RELAXED);
            return r;
        }
        natsStatus __real_natsSubscription_NextMsg(natsMsg **m, natsSubscription *s, int64_t ms);
        natsStatus __wrap_natsSubscription_NextMsg(natsMsg **m, natsSubscription *s, int64_t ms)
        {
            __atomic_add_fetch(&more, 1, __ATOMIC_RELAXED);
            return __real_natsSubscription_NextMsg(m, s, ms);
        }
        int __real_nats_tidy(void *e, unsigned int rule, void *anew);
        int __wrap_nats_tidy(void *e, unsigned int rule, void *anew)
        {
            if (asked)
                fprintf(stderr, "asks again\\n");
            else
                __atomic_add_fetch(&more, 60, __ATOMIC_RELAXED);
            asked = true;
            return __real_nats_tidy(e, rule, anew);
        }""")
    b = Bridge(dir, "b", Server(dir + "/s"), "queue jobs work in local shm:bj", program=program)
    wait(lambda: "asks again" in b.said())


@test
def one_kind(dir):
    """A host that gives a name another kind than others do is told so, and runs not."""
    s, *_ = two(dir, "queue q work both local shm:{}q")
    for i, kind in enumerate(("queue q fanout", "topic q reliable", "topic q latest")):
        c = Bridge(dir, f"c{i}", s, f"{kind} both local shm:cq", start=False)
        c.start()
        wait(lambda c=c: 'the stream "ipcx_test_q" is not fit for the kind' in c.said())
        wait(lambda c=c: "runs" not in (c.rule("q")["state_out"], c.rule("q")["state_in"]))


@test
def strict(dir):
    """What a configuration must not say, and a state directory must not be"""
    s, a, _ = two(dir, "queue q work in local shm:{}q")
    a.end()
    os.chmod(dir + "/a.state", 0o777)
    r = a.ask("run")
    assert r.returncode == 1 and "mode 0777" in r.stderr and "chmod 700" in r.stderr, r
    with open(dir + "/creds", "w", encoding="utf-8") as f:
        f.write("x\n")
    os.chmod(dir + "/creds", 0o644)
    good = f"host x\nrealm r\nserver nats://h:1\nstate {dir}/x\nqueue q work out local shm:q\n"
    for line, words in ((f"creds {dir}/creds", "has mode 0644"), (f"creds {dir}/none", "No such file"),
                        ("queue w fanout out local shm:q", "taken from by the rule in line 5"),
                        ("queue q" + "+" * 90 + " work in", "too long for the file")):
        with open(a.conf, "w", encoding="utf-8") as f:
            f.write(good + line + "\n")
        r = a.ask("check")
        assert r.returncode == 1 and words in r.stderr and a.conf + ":" in r.stderr, (line, r.stderr)
    s.end()
    s.set(payload="4KB")
    s.again()
    b = Bridge(dir, "small", s, "queue q work in local shm:sq", start=False)
    b.start()
    wait(lambda: "max_payload is 4096 bytes" in b.said())
