# SPDX-License-Identifier: GPL-2.0-only
"""
More tests of bridge.py: what a server knows the ids of, because it was stored, or was meant to be;
and what it has lost.
"""
import json
import os
import shutil
import signal
import socket
import threading
import time

from bridge_faults import Job
from bridge_util import LONG, SCHEME, Bridge, Server, Wire, consumers, drain, ipcx, receiver, sender, test, wait, wrapping


class Mute:
    """A way to a server, that brings nothing back while it is mute but that the server lives"""

    def __init__(self, server):
        self.server, self.http, self.mute = server, server.http, False
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            here = self.listener.accept()[0]
            there = socket.create_connection(("127.0.0.1", self.server.port))
            threading.Thread(target=self.carry, args=(here, there, False), daemon=True).start()
            threading.Thread(target=self.carry, args=(there, here, True), daemon=True).start()

    def carry(self, source, to, back):
        try:
            while data := source.recv(65536):
                if not (back and self.mute):
                    to.sendall(data)
                elif b"PONG" in data:
                    to.sendall(b"PONG\r\n")
        except OSError:
            pass
        to.close()


@test
def same_packs(dir):
    """What a bridge that is killed has not heard of is in the same packs again: the server knows them."""
    s = Server(dir + "/s")
    way = Mute(s)
    with sender("aj", 256) as out, receiver("bj", 256) as q:
        a = Bridge(dir, "a", way, "queue jobs work out local shm:aj")
        w = Bridge(dir, "w", s, "queue other work in local shm:wj")

        def stored():
            return w.status().get("server", {}).get("messages", 0)
        way.mute = True
        for i in range(5):
            out.send(b"%d" % i, LONG)
            wait(lambda i=i: stored() == i + 1)
        a.child.send_signal(signal.SIGSTOP)
        os.waitpid(a.child.pid, os.WUNTRACED)
        for i in range(5, 208):
            out.send(b"%d" % i, LONG)
        a.child.send_signal(signal.SIGCONT)
        wait(lambda: stored() >= 18)
        time.sleep(0.3)  # for what there is more
        a.end(signal.SIGKILL)
        way.mute = False
        a.again()
        wait(lambda: a.rule("jobs")["out"] == 208)
        b = Bridge(dir, "b", s, "queue jobs work in local shm:bj")
        assert sorted(map(int, drain(q, 208))) == list(range(208))
        wait(lambda: b.rule("jobs")["in"] == 208)
    assert b.rule("jobs")["copies"] <= 16, b.rule("jobs")


@test
def known_not_there(dir):
    """A cluster that knows the id of a message, and lost it before it was stored: it goes once more."""
    program = wrapping(dir, """
        #include <errno.h>
        #include <stdint.h>
        #include <nats/nats.h>
        natsStatus __real_natsConnection_PublishMsg(natsConnection *nc, natsMsg *m);
        natsStatus __wrap_natsConnection_PublishMsg(natsConnection *nc, natsMsg *m)
        {
            static int n;

            return n++ ? __real_natsConnection_PublishMsg(nc, m) :
                         natsConnection_PublishString(nc, natsMsg_GetReply(m), "{}");
        }
        void __real_out_stored(void *l, uint64_t cookie, int err, const char *why);
        void __wrap_out_stored(void *l, uint64_t cookie, int err, const char *why)
        {
            static int n;

            __real_out_stored(l, cookie, n++ ? err : -EEXIST, why);
        }""")
    s = Server(dir + "/s")
    a = Bridge(dir, "a", s, "queue jobs work out local shm:aj", program=program)
    with sender("aj") as out, receiver("bj") as q:
        out.send(b"alone", LONG)
        wait(lambda: a.rule("jobs")["out"] == 1)
        Bridge(dir, "b", s, "queue jobs work in local shm:bj")
        assert drain(q, 1) == [b"alone"]
    assert a.rule("jobs")["retried"] >= 1, a.rule("jobs")


@test
def chunks_gone(dir):
    """Chunks of a bridge that was killed, and that are gone since, are stored once more though the server knows them."""
    s = Server(dir + "/s")
    way = Mute(s)
    long = os.urandom(3 << 20)
    with ipcx.Queue.open(SCHEME + "aj", ipcx.CREATE | ipcx.SEND, msg_max=len(long)) as out, \
            ipcx.Queue.open(SCHEME + "bj", ipcx.CREATE | ipcx.RECV, msg_max=len(long)) as q:
        a = Bridge(dir, "a", way, "queue jobs work out local shm:aj")
        w = Bridge(dir, "w", s, "queue other work in local shm:wj")
        way.mute = True
        out.send(long, LONG)
        wait(lambda: w.status().get("server", {}).get("messages", 0) >= 3)
        a.end(signal.SIGKILL)
        wire = Wire(s)
        wire.put("$JS.API.STREAM.PURGE.ipcx_test_jobs", b"")
        wire.done()
        way.mute = False
        a.again()
        Bridge(dir, "b", s, "queue jobs work in local shm:bj")
        assert q.recv(LONG) == long


def lost_tail(dir, kind, hosts):
    """The server loses the last of twelve messages, and not that they were given: more come."""
    s = Server(dir + "/s")
    a = Bridge(dir, "a", s, f"queue q {kind} out local shm:aq")
    queues = [receiver(h + "q") for h in hosts]
    for h in hosts:
        Bridge(dir, h, s, f"queue q {kind} in local shm:{h}q")
    messages, kept = f"{dir}/s/store/jetstream/$G/streams/ipcx_test_q/msgs", dir + "/kept"
    with sender("aq") as out:
        for first, last in ((0, 4), (4, 12), (12, 15)):
            sent = [b"%-17000d" % i for i in range(first, last)]  # in no packs
            for data in sent:
                out.send(data, LONG)
            for q in queues:
                assert drain(q, len(sent)) == sent, first
            wait(lambda last=last: a.rule("q")["out"] == last)
            s.end()
            if last == 4:
                shutil.copytree(messages, kept)
            elif last == 12:
                shutil.rmtree(messages)
                shutil.copytree(kept, messages)
            s.again()
    for q in queues:
        q.close()


@test
def lost_tail_fanout(dir):
    """Where a server has lost what was stored last, each host gets what is stored next."""
    lost_tail(dir, "fanout", "bc")


class Tail:
    """A server that has stored many, and loses the last ones, but not that they were given"""

    def __init__(self, dir):
        self.server, self.kept = Server(dir + "/s"), dir + "/kept"
        self.messages = f"{dir}/s/store/jetstream/$G/streams/ipcx_test_q/msgs"
        self.out = Bridge(dir, "a", self.server, "queue q fanout out local shm:aq")
        self.taker = Bridge(dir, "b", self.server, "queue q fanout in local shm:bq")
        self.junk = 0

    def store(self, count, taken=True):
        """What a bridge takes, and drops: it is not of ipcx"""
        wire = Wire(self.server)
        for _ in range(count):
            wire.put("ipcx.test.q.m", b"x")
        wire.done()
        self.junk += count
        if taken:
            wait(lambda: self.taker.rule("q").get("dropped", {}).get("malformed") == self.junk)

    def last(self):
        told = self.server.monitor("jsz?accounts=true&streams=true")
        return told["account_details"][0]["stream_detail"][0]["state"]["last_seq"]

    def keep(self):
        self.server.end()
        shutil.copytree(self.messages, self.kept)
        self.server.again()

    def lose(self):
        self.server.end()
        shutil.rmtree(self.messages)
        shutil.copytree(self.kept, self.messages)
        self.server.again()


@test
def lost_tail_held(dir):
    """Also while one that is not settled was before more than a new consumer goes back."""
    t = Tail(dir)
    with sender("aq") as out, receiver("bq") as q:
        Job(t.server, rule="q").chunk(0)
        t.store(100)
        t.keep()
        t.store(3000)
        t.lose()
        out.send(b"where one was lost", LONG)
        assert q.recv(3 * LONG) == b"where one was lost"


@test
def lost_tail_killed(dir):
    """Also if the bridge is killed when it has made the keeper, and more is stored than was lost."""
    t = Tail(dir)
    with sender("aq") as out, receiver("bq") as q:
        t.store(5000)
        t.keep()
        t.store(3000)
        t.taker.end(signal.SIGKILL)
        t.lose()
        wire = Wire(t.server)
        name = consumers(t.server)[0]
        wire.put(f"$JS.API.CONSUMER.DURABLE.CREATE.ipcx_test_q.{name}-keeper", json.dumps({
            "stream_name": "ipcx_test_q", "config": {
                "durable_name": name + "-keeper", "deliver_policy": "by_start_sequence", "opt_start_seq": 2953,
                "ack_policy": "explicit", "max_deliver": -1, "filter_subject": "ipcx.test.q.>"}}).encode())
        wire.done()
        wait(lambda: len(consumers(t.server)) == 2)
        out.send(b"where one was lost", LONG)
        t.store(6000, taken=False)
        wait(lambda: t.last() == 11001)
        t.taker.again()
        assert q.recv(3 * LONG) == b"where one was lost"


@test
def lost_tail_work(dir):
    """And one host each job."""
    lost_tail(dir, "work", "b")
