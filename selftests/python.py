#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""
The Python binding, over each transport that is here; the kernel's too if there is /dev/ipcx.
TAP on stdout. usage: python.py [WORD...], tests in whose names these words are
"""
import asyncio
import ctypes
import errno
import gc
import os
import signal
import subprocess
import sys
import threading
import time
import weakref

import python_layout
import python_topic  # noqa: F401, its tests come first
import python_util
from python_util import (FRESH, KERNEL, LIB, LONG, PYTHON, TOP, Alarm, Interrupted, ended, fork, pair,
                         put, raises, shut, test)

import ipcx
from ipcx import _memory, _object

QUEUES = ["shm", "unix", "mq", "fifo"] + KERNEL


test()(python_layout.functions)
if not KERNEL:  # a guest would compile for long
    test()(python_layout.layout)


@test(*QUEUES)
def ping_pong(uri):
    a, b = pair(uri)
    sizes = [n for n in (0, 1, 64, 65, 4000, 100000) if n <= a.attr().msg_max]

    def child():
        with ipcx.Queue.open(uri, ipcx.SEND) as sender:
            for i in range(20 * len(sizes)):
                n = sizes[i % len(sizes)]
                put(sender, bytes([i & 255]) * n, tag=i)
    pid = fork(child)
    message = None
    for i in range(20 * len(sizes)):
        n = sizes[i % len(sizes)]
        if message and i % 3 == 0:
            a.release(message)
        message = a.next(message, LONG) if i % 3 else a.take(LONG)
        assert message.len == n == len(message.data) and message.tag == i, (i, message)
        assert bytes(message.data) == bytes([i & 255]) * n
        assert message.pid == (pid if a.caps() & ipcx.CAP_IDENTITY else -1), message.pid
        assert message.uid == (os.getuid() if a.caps() & ipcx.CAP_IDENTITY else -1), message.uid
    a.release(message)
    for data in b"", b"x", bytearray(b"yy"), memoryview(b"abc")[1:]:
        b.send(data, LONG)
        assert a.recv(LONG) == bytes(data)
    assert ended(pid) == 0
    shut(uri, a, b)


@test(*[t for t in QUEUES if t in ("shm", "kernel")])
def a_worker_is_killed(uri):
    sender = ipcx.Queue.open(uri, FRESH | ipcx.SEND)
    assert sender.caps() & ipcx.CAP_REDELIVERY
    for i in range(5):
        put(sender, b"%d" % i)

    def work():
        with ipcx.Queue.open(uri, ipcx.RECV) as jobs:
            while True:
                with jobs.take(LONG) as job:
                    if bytes(job.data) == b"3" and job.deliveries < 3:
                        os.kill(os.getpid(), signal.SIGKILL)
                    assert job.deliveries == (3 if bytes(job.data) == b"3" else 0), job
                    if bytes(job.data) == b"4":
                        return
    for _ in range(3):
        assert ended(fork(work)) == -signal.SIGKILL
    assert ended(fork(work)) == 0
    shut(uri, sender)


@test(*QUEUES)
def batches(uri):
    a, b = pair(uri)
    loans = b.loan_n(10, 4, LONG)
    assert len(loans) == 4
    for i, loan in enumerate(loans):
        loan.data[:] = b"%010d" % i
        loan.len = 10 - i
    part = loans[2].data[1:]
    raises(BufferError, b.commit_n, loans)
    del part
    raises(PermissionError, b.commit_n, [loans[0], loans[0]], code=errno.EPERM)
    raises(PermissionError, b.release_n, loans, code=errno.EPERM)
    for some in loans[:2], loans[2:]:
        assert b.commit_n(some) == 2
    raises(PermissionError, b.commit_n, loans, code=errno.EPERM)
    got = []
    while len(got) < 4:
        got += a.take_n(4, LONG)
    assert [bytes(m.data) for m in got] == [(b"%010d" % i)[:10 - i] for i in range(4)]
    raises(BlockingIOError, a.take_n, 4, 0)
    raises(OSError, a.take_n, 65, code=errno.EINVAL, words="65")
    assert a.release_n(got) == 4
    raises(ValueError, lambda: got[0].data)
    assert a.stat().released == 4 and a.stat().leased == 0
    shut(uri, a, b)


@test(*QUEUES)
def views(uri):
    a, b = pair(uri)
    loan = b.loan(8, LONG)
    assert not loan.data.readonly and loan.data.format == "B"
    loan.data[:] = b"abcdefgh"
    view, part = loan.data, loan.data[2:4]
    raises(BufferError, b.commit, loan, words="take data anew")
    raises(ValueError, lambda: view[0])
    assert bytes(loan.data) == b"abcdefgh" and loan.data is loan.data
    raises(BufferError, b.cancel, loan)
    raises(BufferError, b.close)
    assert bytes(part) == b"cd" and bytes(loan.data) == b"abcdefgh"
    part.release()
    b.commit(loan)
    for gone in view, part:
        raises(ValueError, lambda: gone[0])
    raises(ValueError, lambda: loan.data)
    raises(PermissionError, b.commit, loan, code=errno.EPERM)

    message = a.take(LONG)
    view = message.data
    assert view.readonly
    raises(TypeError, view.__setitem__, 0, 1)
    with message.data as again:
        assert bytes(again) == b"abcdefgh"
    words = message.data.cast("H")
    array = (ctypes.c_char * 8).from_buffer_copy(words)
    raises(BufferError, a.release, message)
    raises(BufferError, a.next, message, 0)
    raises(BufferError, a.nack, message)
    raises(PermissionError, a.cancel, message, code=errno.EPERM, words="taken")
    raises(PermissionError, b.release, message, code=errno.EPERM, words="another")
    assert words[0] == int.from_bytes(b"ab", sys.byteorder) and array.raw == b"abcdefgh"
    del words
    a.release(message)
    raises(PermissionError, a.release, message, code=errno.EPERM)
    assert not _memory.kept

    # a handle that is let go while somebody looks stays as long as he does
    put(b, b"12345678")
    part = a.take(LONG).data[3:]
    raises(BufferError, a.close)
    try:
        with a:
            raise Interrupted
    except Interrupted:
        pass
    assert bytes(part) == b"45678"
    raises(OSError, a.stat, code=errno.EBADF)
    del part
    assert not _memory.kept
    shut(uri, b, a)


@test(*QUEUES)
def ends_of_with(uri):
    a, b = pair(uri)
    free = b.stat().loaned
    with b.loan(100, LONG):
        assert b.stat().loaned == free + 1
    assert b.stat().loaned == free
    b.loan(100, LONG)  # dropped
    assert b.stat().loaned == free
    b.send(b"job", LONG)
    try:
        with a.take(LONG) as message:
            raise Interrupted
    except Interrupted:
        pass
    raises(ValueError, lambda: message.data)
    assert a.take(LONG).deliveries == 1  # and is dropped
    a.nack(a.take(LONG))
    with a.take(LONG) as message:
        assert message.deliveries == 3
    raises(BlockingIOError, a.take, 0)
    b.send(b"1", LONG)
    with a.take(LONG) as message:
        a.release(message)
        put(b, b"12", tag=5)
        assert a.next(message, LONG).tag == 5
    assert a.stat().leased == 0 and not _memory.kept
    shut(uri, a, b)


@test(*QUEUES)
def timeouts_and_signals(uri):
    a, b = pair(uri)
    for timeout, kind in ((0, BlockingIOError), (0.2, TimeoutError), (1e-12, TimeoutError)):
        start = time.monotonic()
        raises(kind, a.take, timeout)
        assert time.monotonic() - start >= timeout
    for timeout in -1, float("nan"):
        raises(ValueError, a.take, timeout)
    with Alarm(0.2) as alarm:  # the wait goes on until its deadline
        start = time.monotonic()
        raises(TimeoutError, a.take, 0.5)
        assert time.monotonic() - start >= 0.5 and alarm.seen == 1
    for timeout in None, LONG, float("inf"):
        with Alarm(0.2, Interrupted):
            raises(Interrupted, a.take, timeout)
    b.send(b"after", LONG)
    assert a.recv(LONG) == b"after"

    def once(*arguments):
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.default_int_handler(*arguments)

    def wait():
        signal.signal(signal.SIGINT, once)
        with ipcx.Queue.open(uri, ipcx.SEND) as q:
            raises(KeyboardInterrupt, lambda: (os.write(w, b"x"), q.call(b"nobody answers")))
    r, w = os.pipe()
    pid = fork(wait)
    assert os.read(r, 1) == b"x"
    status = 0, 0
    while not status[0]:  # see Alarm
        time.sleep(0.5)
        os.kill(pid, signal.SIGINT)
        status = os.waitpid(pid, os.WNOHANG)
    assert status[1] == 0
    shut(uri, a, b)


@test(*QUEUES)
def a_handler_that_raises_too_late(uri):
    """The library has done it, and Python does not have it yet: it is given back, or closed"""
    a, b = pair(uri)
    gc.collect()  # nobody else closes descriptors meanwhile
    there, handle = len(os.listdir("/proc/self/fd")), _object.Handle

    def raise_it(*_):
        raise Interrupted
    _object.Handle = raise_it
    raises(Interrupted, ipcx.Queue.open, uri, ipcx.SEND)
    _object.Handle = handle
    assert len(os.listdir("/proc/self/fd")) == there
    hold, loaned = ipcx.Message._hold, b.stat().loaned
    m = b.loan(1, LONG)
    b.commit(m)

    def interrupted(function, *arguments):
        ipcx.Message._hold = raise_it
        raises(Interrupted, function, *arguments)
        ipcx.Message._hold = hold
    interrupted(b.loan, 1, LONG)
    interrupted(b.loan_n, 1, 1, LONG)
    assert b.stat().loaned == loaned
    interrupted(a.take, LONG)
    interrupted(a.take_n, 1, LONG)
    interrupted(a.next, None, LONG)
    assert a.recv(LONG) is not None and a.stat().leased == 0 and a.stat().redelivered == 3

    # Python has it, and nobody is told
    def hold_and_raise(*arguments):
        hold(*arguments)
        raise Interrupted
    for _ in range(2):
        b.send(b"next", LONG)
    m = a.take(LONG)
    ipcx.Message._hold = hold_and_raise
    raises(Interrupted, a.next, m, LONG)
    ipcx.Message._hold = hold
    raises(ValueError, lambda: m.data)
    raises(PermissionError, a.release, m, code=errno.EPERM, words="ended")
    assert not _memory.kept
    m = a.next(m, LONG)
    assert m.deliveries == 1 and bytes(m.data) == b"next"
    a.release(m)
    shut(uri, a, b)


@test(*[t for t in QUEUES if t in ("shm", "kernel")])
def handlers_that_raise_anywhere(uri):
    """No message is lost: one that was not given back at once comes when the handle is closed"""
    a, b = pair(uri, depth=2048)
    for i in range(1520):
        put(b, b"%d" % i, tag=max(i - 20, 0))
    seen, hits, turn = set(), 0, 0
    start, took = time.monotonic(), []
    for _ in range(20):
        began = time.monotonic()
        a.recv(0)
        took.append(time.monotonic() - began)
    one = min(took)
    while time.monotonic() < start + 20:
        turn += 1
        try:
            with Alarm(one * (4 + turn % 50 / 4), Interrupted):
                for _ in range(30):
                    with a.take(0) as m:
                        seen.add(m.tag)
        except Interrupted:
            hits += 1
        except BlockingIOError:
            break
    a.close()
    a = ipcx.Queue.open(uri, ipcx.RECV)
    again = 0
    try:
        while True:
            with a.take(0) as m:
                again += m.tag not in seen
                seen.add(m.tag)
    except BlockingIOError:
        pass
    print(f"# {hits} signals, {again} only after close", flush=True)
    assert hits > 10 and seen == set(range(1500)), (hits, len(seen))
    shut(uri, a, b)


@test(*QUEUES)
def requests(uri):
    a, b = pair(uri)

    def serve():
        for _ in range(5):
            m = a.take(LONG)
            what = bytes(m.data)
            if what == b"loan":
                reply = a.loan_reply(m, 1000)
                reply.data[:4] = b"LOAN"
                reply.len = 4
                a.reply(m, reply)
            elif what == b"refuse":
                a.release(m)
            else:
                part = m.data[1:]
                raises(BufferError, a.reply, m, b"")
                del part
                a.reply(m, m.data)
            raises(PermissionError, a.reply, m, b"", code=errno.EPERM)
    server = threading.Thread(target=serve)
    server.start()
    with b.call(b"bytes", LONG) as answer:
        assert bytes(answer.data) == b"bytes" and answer.data.readonly
    with b.loan(4, LONG) as request:
        request.data[:] = b"loan"
        request.tag = 77
        request.prio = 99
        raises(OSError, b.call, request, LONG, code=errno.EINVAL)
        request.prio = 0
        assert bytes(request.data) == b"loan"  # it was not sent
        answer = b.call(request, LONG)
        assert bytes(answer.data) == b"LOAN" and answer.tag == 77
        b.release(answer)
    raises(OSError, b.call, b"refuse", LONG, code=errno.ECANCELED)
    with b.loan(2, LONG) as request:
        request.data[:] = b"go"
        try:
            answer = b.call(request, 0)
        except BlockingIOError:
            raises(ValueError, lambda: request.data)
            answer = b.call(request, LONG)
        assert bytes(answer.data) == b"go"
    put(b, b"later", flags=ipcx.REQUEST, tag=78)
    server.join()
    with b.answer(LONG) as answer:
        assert bytes(answer.data) == b"later" and answer.tag == 78
    # nobody answers these; both are given up, and a late reply goes nowhere
    raises(TimeoutError, b.call, b"slow", 0.3)
    with Alarm(0.3, Interrupted):
        raises(Interrupted, b.call, b"interrupted")
    raises(BlockingIOError, b.answer, 0)
    given_up = b.loan(4, LONG)
    raises(BlockingIOError, b.call, given_up, 0)
    b.cancel(given_up)
    raises(PermissionError, b.cancel, given_up, code=errno.EPERM, words="ended")
    gone = b.loan(4, LONG)
    raises(TimeoutError, b.call, gone, 1e-12)
    raises(PermissionError, b.cancel, gone, code=errno.EPERM, words="ended")
    try:
        while True:
            a.reply(a.take(0), b"late")
    except BlockingIOError:
        pass
    raises(BlockingIOError, b.answer, 0)
    del answer
    assert not _memory.kept, _memory.kept
    shut(uri, a, b)


@test(*QUEUES)
def a_reply_that_fails(uri):
    """The request is held as before, and so is a loan for the reply"""
    both = ipcx.SEND | ipcx.RECV
    a, b = ipcx.Queue.open(uri, FRESH | both), ipcx.Queue.open(uri, ipcx.SEND)
    put(b, b"what?", flags=ipcx.REQUEST)
    m = a.take(LONG)
    if uri.startswith("kernel"):
        loan = a.loan_reply(m, 4)
        failing = b"x" * 100  # needs another
    else:
        loan = failing = a.loan(4, LONG)
    for _ in range(2):
        raises(PermissionError, a.reply, m, failing, code=errno.EPERM)
        assert bytes(m.data) == b"what?" and len(loan.data) == 4
    assert a.stat().redelivered == 0 and a.stat().leased == 1
    a.cancel(loan)
    a.reply(m, b"x" * 100)
    with b.answer(LONG) as answer:
        assert bytes(answer.data) == b"x" * 100
    assert not _memory.kept
    shut(uri, a, b)


@test(*QUEUES)
def errors(uri):
    name = uri.split(":", 1)[1]
    raises(FileNotFoundError, ipcx.Queue.open, uri, ipcx.RECV, code=errno.ENOENT, words=name)
    raises(OSError, ipcx.Queue.open, uri, 0, code=errno.EINVAL, words="IPCX_SEND")
    for wrong in dict(depth=-1), dict(depth=2**32 + 5), dict(msg_max=2**64):
        raises(OverflowError, ipcx.Queue.open, uri, FRESH | ipcx.RECV, **wrong)
    raises(OverflowError, ipcx.Queue.open, uri, 2**32 | ipcx.RECV)
    raises(ValueError, ipcx.Queue.open, uri + "\0x", FRESH | ipcx.RECV)
    raises(TypeError, ipcx.Queue)
    a, b = pair(uri)
    raises(FileExistsError, ipcx.Queue.open, uri, FRESH | ipcx.RECV, code=errno.EEXIST, words=name)
    raises(PermissionError, b.take, 0, code=errno.EPERM)
    raises(OSError, b.loan, a.attr().msg_max + 1, 0, code=errno.EMSGSIZE, words=str(a.attr().msg_max))
    raises(OverflowError, b.loan, -1, 0)
    raises(TypeError, b.send, "text")
    with b.loan(4, LONG) as loan:
        loan.data[:] = b"kept"
        loan.len = 5
        raises(OSError, b.commit, loan, code=errno.EMSGSIZE)
        raises(OverflowError, setattr, loan, "prio", -1)
        raises(AttributeError, setattr, loan, "seq", 1)
        loan.len = 4
        b.commit(loan)
    assert a.recv(LONG) == b"kept"
    if not uri.startswith(("unix", "fifo")):
        assert a.attr().mode == 0o600 and a.attr().uid == os.getuid()
    b.close()
    b.close()
    raises(OSError, b.send, b"", 0, code=errno.EBADF, words="closed")
    raises(OSError, b.fileno, code=errno.EBADF)
    shut(uri, a, b)


@test(*QUEUES)
def threads(uri):
    a, b = pair(uri)
    got, lock = [], threading.Lock()

    def work():
        try:
            while True:
                with a.take(LONG) as m:
                    with lock:
                        got.append(bytes(m.data))
                    if not m.len:
                        return
        except OSError as error:
            got.append(error)
    workers = [threading.Thread(target=work) for _ in range(3)]
    for w in workers:
        w.start()
    for i in range(200):
        b.send(b"%d" % i, LONG)
    for _ in workers:
        b.send(b"", LONG)
    for w in workers:
        w.join()
    assert sorted(got) == sorted([b"%d" % i for i in range(200)] + 3 * [b""])

    # closed while another thread is in a call: that ends well, and then the handle is closed
    in_call = threading.Event()
    opened = weakref.ref(a._handle.open)

    def late():
        in_call.set()
        raises(TimeoutError, a.take, 2)
    w = threading.Thread(target=late)
    w.start()
    in_call.wait()
    time.sleep(0.5)
    a.close()
    raises(OSError, a.take, 0, code=errno.EBADF)
    assert opened()
    w.join()
    assert not opened()
    shut(uri, b, a)


@test(*QUEUES)
def forked_children(uri):
    a, b = pair(uri)
    b.send(b"mine", LONG)
    m = a.take(LONG)
    view = m.data

    def child():
        raises(ValueError, lambda: view[0])
        raises(ValueError, lambda: m.data)
        raises(OSError, a.take, 0, code=errno.EBADF)
        a.close()
        gc.collect()
    assert ended(fork(child)) == 0
    assert bytes(view) == b"mine"
    a.release(m)
    shut(uri, a, b)


def children_that_inherit(uri):
    """Each gives back what it has taken, and nothing of the other's"""
    both = ipcx.SEND | ipcx.RECV
    q = ipcx.Queue.open(uri, FRESH | both | ipcx.INHERIT)
    q.send(b"parent's", LONG)
    q.send(b"child's", LONG)
    mine = q.take(LONG)

    def child():
        nonlocal mine
        m = q.take(LONG)
        assert bytes(m.data) == b"child's" and bytes(mine.data) == b"parent's"
        assert q.stat().leased == 2
        del m, mine
        assert q.stat().leased == 1
    assert ended(fork(child)) == 0
    with q.take(0) as m:
        assert bytes(m.data) == b"child's" and m.deliveries == 1
    q.release(mine)
    shut(uri, q)


if KERNEL:  # no other transport has it
    test(*KERNEL)(children_that_inherit)


@test(*QUEUES)
def asyncio_queue(uri):
    a, b = pair(uri)

    async def one():
        with await a.take_async() as m:
            return bytes(m.data)

    async def main():
        waiting = [asyncio.ensure_future(one()) for _ in range(3)]
        await asyncio.sleep(0.1)
        waiting.pop().cancel()
        for i in range(2):
            b.send(b"%d" % i)
            await asyncio.sleep(0.05)
        assert sorted(await asyncio.gather(*waiting)) == [b"0", b"1"]
        by_hand = asyncio.get_running_loop().create_future()

        def ready():
            try:
                m = a.take(0)
            except BlockingIOError:
                return
            if not by_hand.done():
                by_hand.set_result(bytes(m.data))
            a.release(m)
        asyncio.get_running_loop().add_reader(a, ready)
        b.send(b"by hand")
        assert await by_hand == b"by hand"
        asyncio.get_running_loop().remove_reader(a)
        waiting = [asyncio.ensure_future(one())]
        await asyncio.sleep(0.1)
        a.close()
        try:
            await asyncio.wait_for(waiting[0], 5)
            raise AssertionError("there was nothing to take")
        except OSError as error:
            assert error.errno == errno.EBADF
    asyncio.run(asyncio.wait_for(main(), LONG))
    assert not a._turns
    shut(uri, a, b)


@test(*QUEUES)
def asyncio_queue_closes(uri):
    """Who waits is woken, and the descriptor can be that of the next queue at once"""
    async def woken(waiting):
        began = time.monotonic()
        (error,) = await asyncio.wait_for(asyncio.gather(waiting, return_exceptions=True), 10)
        assert time.monotonic() - began < 9  # not only by the end of the 10 seconds
        assert isinstance(error, OSError) and error.errno == errno.EBADF, error

    async def main():
        loop = asyncio.get_running_loop()
        gc.collect()  # nobody else closes descriptors meanwhile
        a, b = pair(uri)
        waiting = asyncio.ensure_future(a.take_async())
        await asyncio.sleep(0.05)
        fd = a.fileno()
        shut(uri, a)
        c, d = pair(uri)
        assert c.fileno() == fd
        loop.call_later(0.1, d.send, b"next")
        with await c.take_async() as m:
            assert bytes(m.data) == b"next"
        await woken(waiting)
        b.close()

        # a view is there: it closes behind that, but nobody gets any more
        d.send(b"view")
        part = c.take(LONG).data[1:]
        waiting = asyncio.ensure_future(c.take_async())
        await asyncio.sleep(0.05)
        try:
            with c:
                raise Interrupted
        except Interrupted:
            pass
        await woken(waiting)
        del part
        shut(uri, d)

        # another thread closes
        a, b = pair(uri)
        waiting = asyncio.ensure_future(a.take_async())
        await asyncio.sleep(0.05)
        opened = weakref.ref(a._handle.open)
        closer = threading.Thread(target=a.close)
        loop.call_later(0.1, closer.start)
        await woken(waiting)
        closer.join()
        assert not opened()
        shut(uri, b)
    asyncio.run(asyncio.wait_for(main(), LONG))


EXAMPLES = {
    "worker.py": "sum 1, delivery 1|sum 3, delivery 1|a worker has died, here is the next|"
                 "sum 6, delivery 2|sum 10, delivery 1",
    "ask.py": "HELLO|WORLD",
    "news.py": "one|one|two|two",
    "loop.py": "job 1|job 2|news 1|news 2",
}


@test(*[t for t in QUEUES if t in ("shm", "kernel")])
def examples(uri):
    """They do what they say, and Documentation/python.rst shows them as they are"""
    with open(os.path.join(TOP, "Documentation", "python.rst")) as f:
        page = f.read()
    for name, want in EXAMPLES.items():
        file = os.path.join(TOP, "Documentation", "examples", name)
        arguments = [uri + "-" + name] + ([uri + "-topic"] if name == "loop.py" else [])
        env = dict(os.environ, LD_LIBRARY_PATH=LIB, PYTHONPATH=PYTHON, PYTHONDONTWRITEBYTECODE="1")
        env.pop("PYTHONUNBUFFERED", None)  # it would make two writes of a line
        done = subprocess.run([sys.executable, file] + arguments, env=env, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=LONG)
        lines = done.stdout.splitlines()
        if name == "ask.py":
            assert "without a reply" in lines.pop(), done.stdout
        lines = lines if name == "worker.py" else sorted(lines)
        assert lines == want.split("|"), (name, done.stdout)
        with open(file) as f:
            code = f.read().split('"""\n', 1)[1]
        shown = "".join("    " + line if line.strip() else line for line in code.splitlines(True))
        assert shown in page, f"{name} is not in Documentation/python.rst as it is"


python_util.main()
