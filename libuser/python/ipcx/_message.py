# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
"""Messages, and slots on loan for them."""
from __future__ import annotations

import ctypes
import errno
import os
from types import TracebackType
from typing import Any, Callable, List, Optional, Sequence, Tuple, Type

from ._lib import Msg, failure, patient, set_field
from ._memory import Handle, Memory

Done = Callable[[int, Any], int]

# after these the handle does not hold the message any more
GONE = (errno.EPERM, errno.ESTALE, errno.EBADF)


class _Member:
    """A member of the C struct"""

    def __init__(self, doc: str, settable: bool = False, signed: bool = False) -> None:
        self.__doc__, self.settable, self.signed = doc, settable, signed

    def __set_name__(self, owner: Any, name: str) -> None:
        self.name = name

    def __get__(self, message: Any, owner: Any) -> int:
        if message is None:
            return self  # type: ignore[return-value]
        number = int(getattr(message._msg, self.name))
        return -1 if self.signed and number == 2**32 - 1 else number

    def __set__(self, message: Message, number: int) -> None:
        if not self.settable:
            raise AttributeError(f"{self.name} of a message cannot be set")
        set_field(message._msg, self.name, number)


class Message:
    """
    A message, or a slot on loan for one; from loan(), take() and their like.

    At the end of a "with" a loan is cancelled and a message taken is released, unless that was done
    before. After an exception, or if it is simply dropped, it is given back: a loan cancelled, a
    message of a queue put back, to be delivered again.

    It is for one thread at a time.
    """

    __slots__ = ("_msg", "_handle", "_memory", "_loan", "_lies", "_done", "_back", "__weakref__")

    len = _Member("length in bytes; may be made smaller before the commit", settable=True)
    prio = _Member("0..31, higher is taken first", settable=True)
    flags = _Member("REQUEST; REGIONS; or why it is a dead letter, or why nobody replied", settable=True)
    tag = _Member("the application's word, carried unchanged", settable=True)
    expires = _Member("time.monotonic_ns() when it is given up; 0 is never", settable=True)
    deliveries = _Member("how often it was taken before and came back")
    pid = _Member("its sender's process; 0 when gone, -1 where nobody verifies it")
    uid = _Member("its sender's user, -1 where nobody verifies it", signed=True)
    gid = _Member("its sender's group, -1 where nobody verifies it", signed=True)
    seq = _Member("its number in its queue")

    def __init__(self, msg: Optional[Msg] = None) -> None:
        self._msg = Msg() if msg is None else msg
        self._handle: Optional[Handle] = None
        self._memory: Optional[Memory] = None

    def __repr__(self) -> str:
        return f"<{'message' if self._memory else 'ended message'} {self._msg!r}>"

    @property
    def data(self) -> memoryview:
        """
        The payload where it lies, without a copy: writable of a loan, read-only of a message taken.

        It is released with the message. What was made of it, slices or arrays, has to go before:
        while it is there the message cannot be released or committed, which is BufferError; then take
        data anew, because what it was before may be released.
        """
        if self._memory is None or not self._lies:
            raise ValueError("the message was ended, sent or only looked at: it has no data here")
        return self._memory.data()

    def _ref(self) -> Any:
        return ctypes.byref(self._msg)

    def _hold(self, handle: Handle, write: bool, done: Done, back: Done, data: bool = True) -> Message:
        """It is the caller's now. @done ends it at the end of a with, @back when something fails."""
        # the copy of it that a forked child has is the parent's to give back
        msg, pointer, pid = self._msg, handle.opened().pointer, os.getpid()

        def end() -> None:
            if os.getpid() == pid:
                back(pointer, ctypes.byref(msg))

        self._handle, self._done, self._back = handle, done, back
        self._loan, self._lies = write, data
        self._memory = Memory(msg.data, msg.len if data else 0, write, end, handle, self)
        return self

    def _leave(self) -> Tuple[Memory, Handle]:
        """Nobody can look at its data afterwards. Return: what _again() wants."""
        memory, handle = self._memory, self._handle
        if memory is None or handle is None:
            raise PermissionError(errno.EPERM, "the message was ended before, or is not held")
        memory.leave()
        self._memory = self._handle = None
        return memory, handle

    def _again(self, memory: Memory, handle: Handle) -> None:
        """It was not ended: it is held as before."""
        self._memory, self._handle = memory.come_back(), handle

    def _undo(self, pointer: int) -> None:
        """Gives it back if it is held, else does nothing."""
        self._back(pointer, self._ref())

    def _end(self, function: Done, handle: Handle) -> None:
        with handle.use() as pointer, Ending([self], pointer) as ending:
            result = patient(function, pointer, self._ref())
            if result < 0:
                error = failure(-result)
                if error.errno not in GONE:
                    ending.keep()
                raise error

    def _held(self, by: Handle, loan: bool) -> None:
        """Is it held by @by, as a loan or taken?"""
        if self._handle is None:
            why = "was ended before, or is not held"
        elif by is not self._handle:
            why = "is held by another handle"
        elif self._loan != loan:
            why = "is on loan and was not taken" if self._loan else "was taken and is not on loan"
        else:
            return
        raise PermissionError(errno.EPERM, f"the message {why}")

    def __enter__(self) -> Message:
        return self

    def __exit__(self, kind: Optional[Type[BaseException]], error: Optional[BaseException],
                 trace: Optional[TracebackType]) -> None:
        if self._handle is None:
            return
        if kind is None:
            self._end(self._done, self._handle)
            return
        try:
            self._end(self._back, self._handle)
        except (BufferError, OSError):
            self._memory = self._handle = None  # back it goes when the last view does


class Ending:
    """
    For a with: what ends messages is called in it, and nobody can look at their data any more. If that
    fails, or the handler of a signal raises, all are given back that were not ended and not kept.
    """

    __slots__ = ("messages", "pointer", "left")

    def __init__(self, messages: Sequence[Message], pointer: int) -> None:
        self.messages, self.pointer = messages, pointer
        self.left: List[Tuple[Memory, Handle]] = []

    def __enter__(self) -> Ending:
        try:
            for message in self.messages:
                self.left.append(message._leave())
            return self
        except BaseException:
            self.keep()
            self._undo()
            raise

    def __exit__(self, kind: Optional[Type[BaseException]], *_: Any) -> None:
        if kind is not None:
            self._undo()

    def _undo(self) -> None:
        for message in self.messages:
            if message._memory is None:
                message._undo(self.pointer)

    def keep(self, first: int = 0) -> None:
        """They are held as before, from the @first on, which counts from 0."""
        for message, again in list(zip(self.messages, self.left))[first:]:
            message._again(*again)
