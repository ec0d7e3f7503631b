# SPDX-License-Identifier: GPL-2.0-only
"""Tests of the Python binding: topics, regions, and views of memory."""
import asyncio
import ctypes
import errno
import gc
import os
import selectors

from python_util import FRESH, KERNEL, LONG, Alarm, Interrupted, ended, fork, put, raises, shut, test

import ipcx
from ipcx import _memory

TOPICS = ["shm", "unix"] + KERNEL
# the file system of a guest has no files without a name
REGIONS = ["shm"] + (KERNEL or ["file"])


@test(*TOPICS)
def topic(uri):
    pub = ipcx.Topic.open(uri, FRESH | ipcx.PUBLISH, depth=64)
    assert pub.caps() & ipcx.CAP_FAN_OUT and pub.attr().depth == 64

    def subscribe(ready):
        with ipcx.Topic.open(uri, ipcx.SUBSCRIBE) as sub:
            os.write(ready, b"x")
            message = None
            for i in range(300):
                message = sub.next(message, LONG)
                assert message.data.readonly and bytes(message.data) == b"%d" % i * (i % 50), (i, message)
                assert message.tag == i
            sub.release(message)
            raises(ValueError, lambda: message.data)
            assert sub.missed() == 0 and not _memory.kept
    r, w = os.pipe()
    pids = [fork(subscribe, w) for _ in range(2)]
    for _ in pids:
        assert os.read(r, 1) == b"x"
    for i in range(300):
        put(pub, b"%d" % i * (i % 50), tag=i)
        with pub.loan(10, LONG):
            pass  # cancelled
    assert [ended(pid) for pid in pids] == [0, 0]
    with ipcx.Topic.open(uri, ipcx.SUBSCRIBE | ipcx.LOSSY) as sub:
        raises(BlockingIOError, sub.take, 0)
        raises(TimeoutError, sub.take, 0.1)
        with Alarm(0.2, Interrupted):
            raises(Interrupted, sub.take)
        selector = selectors.DefaultSelector()
        selector.register(sub, selectors.EVENT_READ)
        pub.send(b"first", LONG)
        assert selector.select(LONG)
        m = sub.take(LONG)
        part = m.data[1:]
        raises(BufferError, sub.release, m)
        raises(BufferError, sub.close)
        assert bytes(part) == b"irst"
        del part
        sub.release(m)

        async def main():
            waiting = asyncio.ensure_future(sub.take_async())
            await asyncio.sleep(0.1)
            pub.send(b"second")
            with await waiting as m:
                assert bytes(m.data) == b"second"
        asyncio.run(asyncio.wait_for(main(), LONG))
        raises(PermissionError, sub.loan, 1, 0, code=errno.EPERM)
    with ipcx.Topic.open(uri, ipcx.SUBSCRIBE) as sub:
        for _ in range(200):  # more than the depth: what is dropped is released
            pub.send(b"x" * 100, 5)
            sub.take(LONG)
    raises(OSError, pub.loan, pub.attr().msg_max + 1, 0, code=errno.EMSGSIZE)
    shut(uri, pub)
    raises(FileNotFoundError, ipcx.Topic.open, uri, ipcx.PUBLISH, words=uri.split(":", 1)[1])
    assert not _memory.kept


@test(*REGIONS)
def region(uri):
    page = os.sysconf("SC_PAGESIZE")

    r = ipcx.Region.open(uri, FRESH | ipcx.READ | ipcx.WRITE, size=3 * page)
    view = r.map(write=True)
    address = "%x-" % ctypes.addressof(ctypes.c_char.from_buffer(view))

    def mapped():
        with open("/proc/self/maps") as f:
            return any(line.startswith(address) for line in f)
    assert len(view) == r.size() == 3 * page and not view.readonly

    def child():
        with ipcx.Region.open(uri, ipcx.READ | ipcx.WRITE) as mine:
            with mine.map(page, page, write=True) as there:
                assert bytes(there[:5]) == b"hello"
                there[:5] = b"world"
            with mine.map() as there:
                raises(TypeError, there.__setitem__, 0, 1)
    view[page:page + 5] = b"hello"
    assert ended(fork(child)) == 0
    assert bytes(view[page:page + 5]) == b"world"
    raises(OSError, r.map, 1, code=errno.EINVAL)
    raises(OSError, r.map, 3 * page, code=errno.EINVAL)
    with ipcx.Region.open(uri, ipcx.READ) as reader:
        raises(OSError, reader.map, write=True, code=errno.EACCES, words="IPCX_WRITE")
    for bad in dict(offset=-page), dict(len=-1):
        raises(OverflowError, r.map, **bad)
    r.resize(4 * page)
    assert r.size() == 4 * page
    r.size = lambda: 3 * page  # as it was a moment ago
    for offset in 3 * page, 4 * page:
        raises(OSError, r.map, offset, code=errno.EINVAL)
    assert len(r.map()) == 3 * page
    del r.size
    if r.caps() & ipcx.CAP_SEALS:
        r.seal(ipcx.SEAL_SHRINK)
        raises(PermissionError, r.resize, page)
    else:
        raises(OSError, r.seal, ipcx.SEAL_SHRINK, code=errno.EOPNOTSUPP, words="seals")
    if uri.startswith("shm"):
        name = os.fsencode(uri[4:])
        listed = [o for o in ipcx.list() if o.name == name]
        assert [(o.kind, o.bytes_max) for o in listed] == [(ipcx.LISTED_REGION, 4 * page)], listed
    shut(uri, r)
    part = view[page:page + 5]  # the mapping goes with the last view, not with the region
    view.release()
    assert bytes(part) == b"world" and mapped()
    del part
    assert not mapped()


def regions_in_messages(uri):
    q = ipcx.Queue.open(uri, FRESH | ipcx.SEND | ipcx.RECV, require=ipcx.CAP_REGIONS)
    r = ipcx.Region.open(None, ipcx.CREATE | ipcx.READ | ipcx.WRITE, size=os.sysconf("SC_PAGESIZE"))
    r.map(write=True)[:5] = b"hello"
    loan = q.loan(8)
    raises(OSError, q.attach, loan, r, 0, code=errno.EINVAL)
    raises(PermissionError, q.fetch, loan)
    q.attach(loan, r, ipcx.READ)
    r.close()
    raises(OSError, q.attach, loan, r, ipcx.READ, code=errno.EBADF)
    q.commit(loan)
    message = q.take()
    assert message.flags == ipcx.REGIONS
    raises(FileNotFoundError, q.fetch, message, 1, words="index 1")
    got = q.fetch(message)
    q.release(message)
    raises(PermissionError, q.fetch, message)
    assert bytes(got.map()[:5]) == b"hello"
    raises(OSError, got.map, write=True, code=errno.EACCES)
    got.close()
    shut(uri, q)


if KERNEL:  # no other transport has it
    test(*KERNEL)(regions_in_messages)


@test()
def all_views_keep_their_base(_):
    """Slices of slices, casts, iterators, what ctypes makes of it"""
    buffer, told = ctypes.create_string_buffer(b"0123456789", 10), []
    for make in (lambda v: v[2:][1:], lambda v: v.cast("H"), memoryview, lambda v: v.toreadonly(),
                 lambda v: (ctypes.c_char * 4).from_buffer(v), lambda v: iter(v[1:])):
        memory = _memory.Memory(ctypes.addressof(buffer), 10, True, lambda: told.append(1))
        made = make(memory.data())
        raises(BufferError, memory.leave)
        del memory
        gc.collect()
        assert not told
        del made
        gc.collect()
        assert told.pop() == 1 and not told and not _memory.kept
    memory = _memory.Memory(ctypes.addressof(buffer), 10, True, lambda: told.append(1))
    made = iter(memory.data())
    next(made)
    memory.leave()
    raises(ValueError, next, made)
    assert not told
