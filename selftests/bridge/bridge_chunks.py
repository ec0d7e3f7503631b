# SPDX-License-Identifier: GPL-2.0-only
"""
More tests of bridge.py: long messages that go again in other chunks, to a server with another limit.
"""
import os

from bridge_faults import Job
from bridge_util import LONG, SCHEME, Bridge, Server, drain, ipcx, receiver, test, wait, wrapping


def alike(dir, kind, first, then):
    """A message of which a server gets the first of three chunks, and then one with another limit all three"""
    program = wrapping(dir, """
        #include <nats/nats.h>
        natsStatus __real_natsConnection_PublishMsg(natsConnection *nc, natsMsg *m);
        natsStatus __wrap_natsConnection_PublishMsg(natsConnection *nc, natsMsg *m)
        {
            static int n;

            n++;
            return n == 2 || n == 3 ? NATS_OK : __real_natsConnection_PublishMsg(nc, m);
        }""")
    s = Server(dir + "/s", payload=first)
    a = Bridge(dir, "a", s, f"queue ev {kind} out local shm:ae", program=program)
    b = Bridge(dir, "b", s, f"queue ev {kind} in local shm:be")
    long = os.urandom(3000000)
    with ipcx.Queue.open(SCHEME + "ae", ipcx.CREATE | ipcx.SEND, msg_max=len(long)) as out, \
            ipcx.Queue.open(SCHEME + "be", ipcx.CREATE | ipcx.RECV, msg_max=len(long)) as q:
        out.send(long, LONG)
        wait(lambda: a.rule("ev")["acked"] == 1 and b.rule("ev")["waiting"] == (kind == "fanout"))
        s.end()
        s.set(payload=then)
        s.again()
        assert q.recv(LONG) == long
    assert not sum(b.rule("ev")["dropped"].values()), b.rule("ev")


@test
def cut_alike(dir):
    """A job that goes again in as many chunks of another size is not lost."""
    alike(dir, "work", 1 << 20, 1010000)


@test
def cut_alike_longer(dir):
    """Nor if these are longer"""
    alike(dir, "work", 1010000, 1 << 20)


@test
def cut_alike_fanout(dir):
    """Nor an event, of whose chunks a host has one of before"""
    alike(dir, "fanout", 1010000, 1 << 20)


@test
def cut_between(dir):
    """A job is not lost with the head of before while only some of its chunks are cut anew."""
    s = Server(dir + "/s")
    Bridge(dir, "a", s, "queue jobs work out local shm:aj")
    before, anew = Job(s, 2), Job(s, 2, size=4)
    before.chunk(0)
    before.head()
    anew.chunk(1)
    with receiver("bj") as q:
        b = Bridge(dir, "b", s, "queue jobs work in local shm:bj")
        wait(lambda: b.rule("jobs")["returned"])
        anew.chunk(0)
        anew.head()
        assert drain(q, 1) == [b"onetwo"]
    assert not sum(b.rule("jobs")["dropped"].values()), b.rule("jobs")


@test
def cut_long_ago(dir):
    """Nor with one that is older than an hour"""
    program = wrapping(dir, """
        #include <time.h>
        int __real_clock_gettime(clockid_t clock, struct timespec *t);
        int __wrap_clock_gettime(clockid_t clock, struct timespec *t)
        {
            int r = __real_clock_gettime(clock, t);

            if (clock == CLOCK_REALTIME)
                t->tv_sec += 2 * 3600;
            return r;
        }""")
    s = Server(dir + "/s")
    Bridge(dir, "a", s, "queue jobs work out local shm:aj")
    Job(s, 2).head()
    job = Job(s, 3)
    job.chunks()
    with receiver("bj") as q:
        b = Bridge(dir, "b", s, "queue jobs work in local shm:bj", program=program)
        wait(lambda: b.rule("jobs")["dropped"]["incomplete"] == 1)
        job.head()
        assert drain(q, 1) == [b"onetwo"]
        wait(lambda: b.status()["server"]["messages"] == 0)
