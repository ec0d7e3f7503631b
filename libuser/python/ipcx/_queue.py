# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
"""Queues: each message to one receiver; requests and replies."""
from __future__ import annotations

import ctypes
import errno
from typing import Any, Iterable, List, Optional, Union

from ._constants import BLOCK
from ._lib import (Msg, QueueAttr, QueueOpts, QueueStats, Uri, c, check, failure, name_of, options, patient,
                   told, unsigned, until)
from ._message import GONE, Ending, Message
from ._object import Channel, Data
from ._region import Region

BATCH = 64

# errors of a call that leave its loan as it was
NOT_SENT = (errno.EINVAL, errno.EMSGSIZE, errno.EOPNOTSUPP)


def _give_up(pointer: int, request: Any) -> int:
    """Ends a call that goes on; a request that was not sent is cancelled."""
    answer = Msg()
    if c["queue_cancel"](pointer, request) == 0:
        return 0
    if c["queue_call"](pointer, request, ctypes.byref(answer), 1) == 0:
        c["queue_release"](pointer, ctypes.byref(answer))
    return 0


class Queue(Channel):
    noun = "queue"
    _back = c["queue_nack"]

    @classmethod
    def open(cls, uri: Optional[Uri], flags: int, *, require: int = 0, depth: int = 0, mode: int = 0,
             msg_max: int = 0, bytes_max: int = 0, dead_letter: Optional[Uri] = None,
             max_deliveries: int = 0, lease_ms: int = 0, policy: int = BLOCK, leases_max: int = 0,
             prefetch: int = 0) -> Queue:
        """Opens it: SEND or RECV or both, CREATE, EXCL, EPHEMERAL... None is a queue without a name."""
        opts = options(QueueOpts, dict(
            require=require, depth=depth, mode=mode, msg_max=msg_max, bytes_max=bytes_max,
            dead_letter=name_of(dead_letter), max_deliveries=max_deliveries, lease_ms=lease_ms,
            policy=policy, leases_max=leases_max, prefetch=prefetch))
        return cls._open(uri, flags, opts)

    @classmethod
    def remove(cls, uri: Uri) -> None:
        """Takes the name away, and ends the queue for all who have it open."""
        check(c["queue_remove"](name_of(uri)))

    def attr(self) -> QueueAttr:
        """What the queue is."""
        with self._handle.use() as pointer:
            return told(QueueAttr, c["queue_attr"], pointer)

    def stat(self) -> QueueStats:
        """What is in it, and what became of its messages."""
        with self._handle.use() as pointer:
            return told(QueueStats, c["queue_stat"], pointer)

    def peek(self) -> Message:
        """What is known of the next message, without its data and without taking it."""
        message = Message()
        with self._handle.use() as pointer:
            check(c["queue_peek"](pointer, message._ref()))
        return message

    def nack(self, message: Message) -> None:
        """Puts a message taken back, to be delivered again."""
        self._end(message, "nack", False)

    def _get_n(self, verb: str, n: int, *arguments: Any, write: bool) -> List[Message]:
        msgs = (Msg * max(min(n, BATCH), 0))()
        done = c["queue_cancel" if write else "queue_release"]
        back = done if write else self._back
        length, deadline = arguments[:-1], arguments[-1]
        with self._handle.use() as pointer:
            try:
                n = patient(c[verb], pointer, *length, msgs, unsigned("n", n, 32), deadline)
                messages = [Message(msgs[i])._hold(self._handle, write, done, back) for i in range(n)]
            except BaseException:
                for msg in msgs:
                    back(pointer, ctypes.byref(msg))
                raise
            check(n)
            return messages

    def loan_n(self, len: int, n: int, timeout: Optional[float] = None) -> List[Message]:
        """Up to n empty slots; waits for the first only. n is 1..64."""
        return self._get_n("queue_loan_n", n, unsigned("len", len), until(timeout), write=True)

    def take_n(self, n: int, timeout: Optional[float] = None) -> List[Message]:
        """Up to n messages; waits for the first only. n is 1..64."""
        return self._get_n("queue_take_n", n, until(timeout), write=False)

    def _end_n(self, verb: str, messages: Iterable[Message], loan: bool) -> int:
        messages = list(messages)
        for message in messages:
            message._held(self._handle, loan)
        msgs = (Msg * len(messages))(*(message._msg for message in messages))
        with self._handle.use() as pointer, Ending(messages, pointer) as ending:
            result = patient(c[verb], pointer, msgs, len(messages))
            if result < 0:  # that is of the first
                error = failure(-result)
                ending.keep(1 if error.errno in GONE else 0)
                raise error
            for message, msg in zip(messages[:result], msgs):
                message._msg.seq = msg.seq
            ending.keep(result)
        return result

    def commit_n(self, messages: Iterable[Message]) -> int:
        """Sends 1..64 loans. Return: how many of them were sent, the first ones; the others are kept."""
        return self._end_n("queue_commit_n", messages, True)

    def release_n(self, messages: Iterable[Message]) -> int:
        """Releases 1..64 messages. Return: how many of them, the first ones."""
        return self._end_n("queue_release_n", messages, False)

    def call(self, request: Union[Message, Data], timeout: Optional[float] = None) -> Message:
        """
        Sends a request, a loan or bytes, and waits for its answer, which is to be released.

        A loan whose call was interrupted or is not answered yet (BlockingIOError) goes on: call again
        with it, or end it by cancel() or the end of its "with". One of bytes is given up then.

        A loan that cannot be sent as it is, which is EINVAL, EMSGSIZE or EOPNOTSUPP, is kept. After any
        other error, TimeoutError among them, it is gone: sent without an answer, or else cancelled.
        """
        deadline = until(timeout)
        if isinstance(request, Message):
            return self._call(request, deadline)
        data = memoryview(request).cast("B")
        with self._loan(len(data), deadline) as loan:
            loan.data[:] = data
            return self._call(loan, deadline)

    def _call(self, request: Message, deadline: int) -> Message:
        request._held(self._handle, True)
        release = c["queue_release"]
        answer = Message()
        handle = self._handle
        with handle.use() as pointer:
            try:
                again = request._leave()
                result = patient(c["queue_call"], pointer, request._ref(), answer._ref(), deadline)
                if result >= 0:
                    return answer._hold(handle, False, release, release)
            except BaseException:  # by the handler of a signal, if _leave() was done
                if request._memory is None:
                    release(pointer, answer._ref())
                    request._hold(handle, True, _give_up, _give_up, data=False)
                raise
            error = failure(-result)
            if error.errno in (errno.EAGAIN, errno.EBUSY):
                request._hold(handle, True, _give_up, _give_up, data=False)
            elif error.errno in NOT_SENT:
                request._again(*again)
            else:
                c["queue_cancel"](pointer, request._ref())
            raise error

    def attach(self, message: Message, region: Region, flags: int) -> None:
        """Lets a loan carry a region, for its receiver to READ or WRITE it, or both."""
        message._held(self._handle, True)
        with self._handle.use() as pointer, region._handle.use() as carried:
            check(c["queue_attach"](pointer, message._ref(), carried, unsigned("flags", flags, 32)))

    def fetch(self, message: Message, index: int = 0) -> Region:
        """Opens a region that a message taken carries, which has REGIONS in its flags."""
        message._held(self._handle, False)
        number = unsigned("index", index, 32)
        with self._handle.use() as pointer:
            return Region._made(False, lambda where: c["queue_fetch"](pointer, message._ref(), number, where))

    def answer(self, timeout: Optional[float] = None) -> Message:
        """The next answer to a request that was committed with REQUEST in its flags."""
        message = Message()
        return self._get("answer", message, message._ref(), until(timeout))

    def loan_reply(self, request: Message, len: int) -> Message:
        """An empty slot for the reply to a request that is held; does not wait."""
        request._held(self._handle, False)
        message = Message()
        return self._get("loan_reply", message, request._ref(), unsigned("len", len), message._ref(),
                         write=True)

    def reply(self, request: Message, reply: Union[Message, Data, None] = None) -> None:
        """Answers a request with a loan by loan_reply(), a copy of bytes or nothing, and releases it."""
        ended = [request]
        request._held(self._handle, False)
        if isinstance(reply, Message):
            reply._held(self._handle, True)
            ended.append(reply)
            msg = reply._msg
        else:
            copied = bytes(memoryview(b"" if reply is None else reply))
            msg = Msg(data=ctypes.cast(ctypes.c_char_p(copied), ctypes.c_void_p), len=len(copied))
        with self._handle.use() as pointer, Ending(ended, pointer) as ending:
            result = c["queue_reply"](pointer, request._ref(), ctypes.byref(msg))
            if result < 0:
                error = failure(-result)
                # EPERM may be of the reply only, and then the request is held
                if error.errno == errno.EPERM or error.errno not in GONE:
                    ending.keep()
                raise error

    def reply_next(self, request: Optional[Message], reply: Union[Message, Data, None] = None,
                   timeout: Optional[float] = None) -> Message:
        """A reply() and a take(). If request is None, or was ended, it only takes."""
        if request is not None and request._memory is not None:
            self.reply(request, reply)
        return self.take(timeout)
