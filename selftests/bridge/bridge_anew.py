# SPDX-License-Identifier: GPL-2.0-only
"""
More tests of bridge.py: a consumer that is made anew, for it may have left something out.
"""
import os
import re
import threading
import time

from bridge_faults import Job
from bridge_util import LONG, TOP, Bridge, Server, Wire, another, consumers, crc32c, drain, ipcx, receiver, sender, test, topic, wait

BEFORE = {
    "js_GetStreamInfo": ("jsStreamInfo **i, jsCtx *js, const char *stream, jsOptions *o, jsErrCode *e",
                         "i, js, stream, o, e"),
    "js_GetConsumerInfo": ("jsConsumerInfo **i, jsCtx *js, const char *stream, const char *name, jsOptions *o, jsErrCode *e",
                           "i, js, stream, name, o, e"),
    "js_DeleteConsumer": ("jsCtx *js, const char *stream, const char *name, jsOptions *o, jsErrCode *e",
                          "js, stream, name, o, e"),
    "js_ConsumerNames": ("jsConsumerNamesList **l, jsCtx *js, const char *stream, jsOptions *o, jsErrCode *e",
                         "l, js, stream, o, e"),
}


def before(name, first="", then=""):
    """What stands before a function of the library: @first before the call, and @then when it went well"""
    takes, gives = BEFORE[name]
    return f"""
        natsStatus __real_{name}({takes});
        natsStatus __wrap_{name}({takes})
        {{
            natsStatus s;

            {first}
            s = __real_{name}({gives});
            if (s != NATS_OK)
                return s;
            {then}
            return s;
        }}"""


def doubting(dir, *parts, settle=30):
    """A bridge with these before the library, that purges what a cluster has that was in step for so long"""
    with open(dir + "/wraps.c", "w", encoding="utf-8") as f:
        f.write(f"""
        #define SETTLE_S {settle}
        #include "{TOP}/libuser/bridge/nats_tidy.c"
        #include <errno.h>
        #include <signal.h>
        #include <unistd.h>
        static int __attribute__((unused)) deleted; /* consumers, but no keepers */
        static bool __attribute__((unused)) doubt(void)
        {{
            return !access("{dir}/doubt", F_OK);
        }}
        static bool __attribute__((unused)) doubt_of(const char *name)
        {{
            char text[64] = "";
            FILE *f = fopen("{dir}/doubt", "r");

            if (f && fgets(text, sizeof(text), f))
                fclose(f);
            return !strcmp(text, name);
        }}
        """ + "".join(parts))
    names = set(re.findall(r"\b__wrap_(\w+)", "".join(parts)))
    return another(dir, f.name, *(f"-Wl,--wrap={name}" for name in sorted(names)), without="tidy")


def cluster(change="", leader='"s1"', more="", first=""):
    """What makes a server look like a cluster of three, and its consumers as if @leader led them"""
    return (before("js_GetStreamInfo", first, "(*i)->Config->Replicas = 3;" + change)
            + before("js_GetConsumerInfo", then=f"""
            {more}
            (*i)->Cluster = calloc(1, sizeof(*(*i)->Cluster));
            (*i)->Cluster->Leader = strdup({leader});"""))


ANOTHER = cluster(leader='doubt() ? "s2" : "s1"')


def deletes(first="", then=""):
    return before("js_DeleteConsumer", f"bool keeper = strstr(name, \"keeper\");\n{first}",
                  f"deleted += !keeper;\n{then}")


def begin_doubt(dir, of=""):
    with open(dir + "/doubt.new", "w", encoding="utf-8") as f:
        f.write(of)
    os.rename(f.name, dir + "/doubt")


def fanout(dir, program):
    """One that sends, and one that takes"""
    s = Server(dir + "/s")
    a = Bridge(dir, "a", s, "queue q fanout out local shm:aq")
    b = Bridge(dir, "b", s, "queue q fanout in local shm:bq", program=program)
    return s, a, b


ALONE = [b"%-17000d" % i for i in range(6)]  # they go in no packs


def doubted(dir, copies, *parts, hosts="b"):
    """All comes again to b, and is known, when there is doubt; other @hosts take, too."""
    program = doubting(dir, *parts)
    s, _, b = fanout(dir, program)
    [own] = consumers(s)
    all_in = [b] + [Bridge(dir, h, s, f"queue q fanout in local shm:{h}q", program=program) for h in hosts[1:]]
    with sender("aq") as out, receiver("bq") as q:
        for data in ALONE[:3]:
            out.send(data, LONG)
        assert drain(q, 3, pause=8) == ALONE[:3]
        assert b.rule("q")["copies"] == 0
        wait(lambda: all(h.rule("q")["in"] == 3 for h in all_in))
        begin_doubt(dir, own)
        wait(lambda: b.rule("q")["copies"] == copies, 2 * LONG)
        wait(lambda: len(consumers(s)) == len(hosts))  # no keeper is left
        b.end()
        b.again()
        out.send(ALONE[3], LONG)
        assert drain(q, 1) == ALONE[3:4]
    for words in ("left out", "the consumer"):  # nor is it told that one is gone
        assert words not in b.said(), b.said()


@test
def doubted_leader(dir):
    """A consumer that another server leads gives all again: the last one may have left some out."""
    doubted(dir, 3, ANOTHER)


@test
def doubted_behind(dir):
    """And one that rests before the last message"""
    doubted(dir, 3, cluster("(*i)->State.LastSeq += doubt() && !deleted;", 'deleted ? "s2" : "s1"'), deletes())


@test
def doubted_told(dir):
    """And one that rests before what another one was given, where the stream has as little"""
    doubted(dir, 3, cluster("(*i)->State.LastSeq -= doubt();", 'deleted ? "s2" : "s1"',
                            more="(*i)->Delivered.Stream -= !deleted && doubt_of(name);"), deletes(), hosts="bc")


@test
def doubted_twice(dir):
    """If the same server leads the new one, that is made anew, too."""
    doubted(dir, 6, cluster(leader='!doubt() || deleted == 1 ? "s1" : deleted ? "s3" : "s2"'), deletes())


@test
def doubted_mute(dir):
    """If the server does not say that the old one was deleted, that is done again."""
    doubted(dir, 3, ANOTHER, deletes(first="""
            static int n;

            if (!keeper && !n++) {
                __real_js_DeleteConsumer(js, stream, name, o, e);
                return NATS_TIMEOUT;
            }"""))


@test
def doubted_seven(dir):
    """It is done up to eight times; that no keeper is wanted any more counts for none."""
    doubted(dir, 21, cluster(leader='!doubt() ? "s1" : !deleted ? "s2" : deleted < 7 ? "s1" : "s3"'), deletes())


@test
def doubted_between(dir):
    """A leader that is there only while not all is told is one, too."""
    doubted(dir, 3, "static int looked, blind;", cluster(
        first="if (looked && !blind++)\nreturn NATS_TIMEOUT;",
        leader='!doubt() ? "s1" : !blind ? (looked = 1, "s2") : deleted ? "s3" : "s1"'), deletes())


@test
def doubted_unnamed(dir):
    """A keeper stays until the new consumer is seen, which is made again."""
    doubted(dir, 6, ANOTHER, deletes(), before("js_ConsumerNames", then="""
            static int n;

            for (int i = 0; deleted && !n && i < (*l)->Count; i++)
                if (!strstr((*l)->List[i], "keeper")) {
                    (*l)->List[i] = (*l)->List[--(*l)->Count];
                    n++;
                }"""))


@test
def doubted_kept(dir):
    """A keeper that cannot be deleted is told of, and deleted when it can."""
    s, _, b = fanout(dir, doubting(dir, ANOTHER, deletes(first="""
            static int n;

            if (keeper && deleted && n++ < 8)
                return NATS_TIMEOUT;""")))
    with sender("aq") as out, receiver("bq") as q:
        out.send(ALONE[0], LONG)
        assert drain(q, 1, pause=3) == ALONE[:1]
        begin_doubt(dir)
        wait(lambda: "nobody purges while there is a keeper" in b.said(), 2 * LONG)
        wait(lambda: len(consumers(s)) == 1)
        assert b.rule("q")["copies"] == 1


@test
def doubted_expired(dir):
    """What comes again when its time is over was had, and is not counted as late."""
    _, a, b = fanout(dir, doubting(dir, ANOTHER))
    sent = [b"%d" % i for i in range(8)] + ALONE[:1]  # in packs, or not
    a.end()
    with sender("aq") as out, receiver("bq") as q:
        for data in sent:
            with out.loan(len(data), LONG) as m:
                m.data[:] = data
                m.expires = time.monotonic_ns() + 3 * 10 ** 9
                out.commit(m)
        a.again()
        assert drain(q, 9, pause=4) == sent
        begin_doubt(dir)
        wait(lambda: b.rule("q")["copies"] == 9)
        assert not sum(b.rule("q")["dropped"].values()), b.rule("q")


def killed(dir, **when):
    """Who is killed while its consumer is made anew loses nothing: others remove nothing meanwhile."""
    program = doubting(dir, before("js_GetStreamInfo", then="if (doubt())\n(*i)->State.LastSeq = 1;"), deletes(**when))
    s, _, b = fanout(dir, program)
    with sender("aq") as out, receiver("bq") as q, receiver("cq") as other:
        for data in ALONE[:3]:
            out.send(data, LONG)
        assert drain(q, 3) == ALONE[:3]
        begin_doubt(dir)
        b.child.wait(LONG)
        os.unlink(dir + "/doubt")
        for data in ALONE[3:]:
            out.send(data, LONG)
        Bridge(dir, "c", s, "queue q fanout in local shm:cq")
        drain(other, 3, pause=6)
        b = Bridge(dir, "b", s, "queue q fanout in local shm:bq")
        assert drain(q, 3) == ALONE[3:]
        return wait(lambda: len(consumers(s)) == 2) and b.rule("q")["copies"]


@test
def doubted_killed(dir):
    """Also when the old consumer is gone, and there is no new one"""
    killed(dir, then="if (!keeper)\nraise(SIGKILL);")


@test
def doubted_killed_early(dir):
    """And when it is still there, which is made anew then."""
    assert killed(dir, first="if (!keeper)\nraise(SIGKILL);")


@test
def doubted_forbidden(dir):
    """A host that may delete no consumer is told so once, and all goes on, but that what was left out does not come."""
    s = Server(dir + "/s", more="authorization { users: [ { user: a, password: secret }\n{ user: b, password: secret, "
               'permissions: { publish: { deny: "$JS.API.CONSUMER.DELETE.>" } } } ] }')
    with open(dir + "/password", "w", encoding="utf-8", opener=lambda p, f: os.open(p, f, 0o600)) as f:
        f.write("secret\n")
    a, b = [Bridge(dir, h, s, f"user {h} {dir}/password", f"queue q fanout {way} local shm:{h}q", program=program)
            for h, way, program in (("a", "out", None),
                                    ("b", "in", doubting(dir, ANOTHER, settle=1)))]
    words = 'what a server may have left out does not come: Permissions Violation for Publish to "$JS.API.CONSUMER.DELETE.'
    with sender("aq") as out, receiver("bq") as q:
        out.send(b"1", LONG)
        assert drain(q, 1) == [b"1"]
        begin_doubt(dir)
        wait(lambda: words in b.said())
        for data in ALONE:
            out.send(data, LONG)
        assert drain(q, 6) == ALONE
        wait(lambda: a.status()["server"]["messages"] == 1)
        assert len(consumers(s)) == 1 and b.said().count("left out") == 1, b.said()


def purges(dir, *parts):
    """What all have goes, in a cluster that is in step."""
    _, a, b = fanout(dir, doubting(dir, *parts, settle=1))
    with sender("aq") as out, receiver("bq") as q:
        for data in ALONE:
            out.send(data, LONG)
        assert drain(q, 6) == ALONE
        wait(lambda: 0 < a.status()["server"]["messages"] < 6)
        assert b.rule("q")["copies"] == 0


@test
def doubted_putter(dir):
    """Who puts, and looks for what may go, makes nothing anew: that is of the thread that takes."""
    s = Server(dir + "/s")
    a = Bridge(dir, "a", s, "queue q fanout out local shm:aq")
    b = Bridge(dir, "b", s, "queue q fanout both local shm:bq", program=doubting(dir, """
        static __thread bool sends;
        static bool asked, wrong;
        struct lane;
        natsStatus __real_natsConnection_PublishMsg(natsConnection *nc, natsMsg *m);
        natsStatus __wrap_natsConnection_PublishMsg(natsConnection *nc, natsMsg *m)
        {
            sends = true;
            return __real_natsConnection_PublishMsg(nc, m);
        }
        void __real_out_stored(struct lane *l, uint64_t cookie, int err, const char *why);
        void __wrap_out_stored(struct lane *l, uint64_t cookie, int err, const char *why)
        {
            bool refuses = doubt() && !asked;

            __real_out_stored(l, cookie, refuses ? -ENOSPC : err, refuses ? "no room" : why);
        }
        int __real_nats_tidy(struct engine *e, unsigned int rule, struct anew *anew);
        int __wrap_nats_tidy(struct engine *e, unsigned int rule, struct anew *anew)
        {
            int r = __real_nats_tidy(e, rule, doubt() && !sends && !asked ? NULL : anew);

            asked |= doubt() && sends;
            return r;
        }""", ANOTHER, deletes(first="wrong |= sends;\nif (wrong)\nreturn NATS_ERR;")))
    with sender("aq") as out, sender("bq.out") as mine, receiver("bq") as q:
        out.send(ALONE[0], LONG)
        assert drain(q, 1, pause=3) == ALONE[:1]
        begin_doubt(dir)
        time.sleep(5)
        assert b.rule("q")["copies"] == 0  # who takes does not look
        mine.send(ALONE[1], LONG)
        wait(lambda: b.rule("q")["copies"] == 1)  # but when who puts has looked
    assert a.rule("q")["out"] == 1


@test
def purge_told(dir):
    """Also while the stream's own leader has left one out, so that consumers have given more than there is"""
    purges(dir, cluster(change="(*i)->State.LastSeq--;"))


@test
def purge_traffic(dir):
    """And while something is stored between what is told of consumers and of the stream"""
    purges(dir, cluster(first='js_Publish(NULL, js, "ipcx.test.q.m", "x", 1, NULL, NULL);'))


def flood(out, q, many=70000):
    """More than the window has ids"""
    def send():
        for i in range(many):
            out.send(b"%d" % i, LONG)
    thread = threading.Thread(target=send)
    thread.start()
    assert drain(q, many) == [b"%d" % i for i in range(many)]
    thread.join()


@test
def doubted_backlog(dir):
    """Where more is stored than the window has ids nothing comes twice, either."""
    s, _, b = fanout(dir, doubting(dir, ANOTHER))
    Bridge(dir, "c", s, "queue q fanout in local shm:cq").end()  # what it has not had stays
    with sender("aq", 1024) as out, receiver("bq", 1024) as q:
        flood(out, q)
        begin_doubt(dir)
        wait(lambda: b.rule("q")["copies"] > 2048)
        assert not drain(q, 0, pause=3)


@test
def doubted_backlog_twice(dir):
    """Nor where as much was had since a first new one, which is not the last"""
    s, _, b = fanout(dir, doubting(
        dir, cluster(first=f'if (deleted == 1 && access("{dir}/go", F_OK))\nreturn NATS_TIMEOUT;',
                     leader='!doubt() || deleted == 1 ? "s1" : deleted ? "s3" : "s2"'), deletes()))
    with sender("aq", 1024) as out, receiver("bq", 1024) as q:
        out.send(b"first", LONG)
        assert drain(q, 1, pause=3) == [b"first"]
        begin_doubt(dir)
        wait(lambda: b.rule("q")["copies"] == 1)
        flood(out, q)
        with open(dir + "/go", "w", encoding="utf-8"):
            pass
        wait(lambda: b.rule("q")["copies"] > 2048)
        assert not drain(q, 0, pause=3)
        wait(lambda: len(consumers(s)) == 1)


@test
def doubted_held(dir):
    """Nor where one that is not settled was before as much: it is made anew when that one is"""
    s, _, b = fanout(dir, doubting(dir, ANOTHER))
    job = Job(s, 2, rule="q")
    job.chunk(0)
    wait(lambda: b.rule("q")["waiting"] == 1)
    with sender("aq", 1024) as out, receiver("bq", 1024) as q:
        flood(out, q)
        begin_doubt(dir)
        assert not drain(q, 0, pause=6)
        assert b.rule("q")["copies"] == 0
        job.chunk(1)
        assert q.recv(3 * LONG) == b"onetwo"  # half a minute without a chunk, and it waits for the next
        wait(lambda: b.rule("q")["copies"] > 2048)
        assert not drain(q, 0, pause=3)


@test
def doubted_latest(dir):
    """Of the last one of each host none that was long comes again as if it were new"""
    s = Server(dir + "/s", payload="64KB")
    Bridge(dir, "a", s, "topic p latest out local shm:ap")
    b = Bridge(dir, "b", s, "topic p latest in local shm:bp", program=doubting(dir, ANOTHER))
    wire = Wire(s)
    with topic("ap", ipcx.PUBLISH) as out, topic("bp", ipcx.SUBSCRIBE) as got:
        out.send(b"a" * 200000, LONG)
        assert got.recv(LONG) == b"a" * 200000
        for i in range(2100):
            data = b"%d" % i
            wire.put("ipcx.test.p.m", data, "v=2 realm=test host=x id=01234567-89ab-cdef-0123-456789abcdef:0:0:"
                     f"{i + 1} hops=0 len={len(data)} crc={crc32c(data):08x}")
        wire.done()
        while got.recv(LONG) != b"2099":
            pass
        wait(lambda: b.rule("p")["in_flight"] == 0)
        b.end()
        os.remove(dir + "/b.state/p.window")  # as if much had come since
        b.again()
        time.sleep(6)
        begin_doubt(dir)
        assert got.recv(LONG) == b"2099"
        assert not drain(got, 0, pause=5)
