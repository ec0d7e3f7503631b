# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
"""What queues, topics and regions have in common, and what queues and topics have."""
from __future__ import annotations

import ctypes
from types import TracebackType
from typing import TYPE_CHECKING, Any, Callable, List, Optional, Type, TypeVar, Union

from ._constants import INHERIT
from ._lib import Msg, Uri, c, check, name_of, unsigned, until, wait
from ._memory import Handle, Open, ended, kept
from ._message import Done, Ending, Message

if TYPE_CHECKING:
    import asyncio

Data = Union[bytes, bytearray, memoryview]
O = TypeVar("O", bound="Object")
C = TypeVar("C", bound="Channel")


def _runs_here(loop: asyncio.AbstractEventLoop) -> bool:
    """In this thread?"""
    import asyncio

    try:
        return asyncio.get_running_loop() is loop
    except RuntimeError:
        return False


class Object:
    """What can be opened. All may be called from any thread."""

    noun = ""  # "queue", "topic" or "region", in the names of functions
    _handle: Handle

    def __init__(self) -> None:
        raise TypeError(f"use {type(self).__name__}.open()")

    @classmethod
    def _open(cls: Type[O], uri: Optional[Uri], flags: int, opts: Any) -> O:
        arguments = name_of(uri), unsigned("flags", flags, 32), ctypes.byref(opts)
        return cls._made(bool(flags & INHERIT), lambda where: cls._function("open")(where, *arguments))

    @classmethod
    def _made(cls: Type[O], inherit: bool, make: Callable[[Any], int]) -> O:
        """Of the handle that @make writes to where it is told."""
        open = Open(cls._function("close"))
        check(make(ctypes.byref(open.where)))
        self = cls.__new__(cls)
        self._handle = Handle(open, cls.noun, inherit)
        return self

    @classmethod
    def _function(cls, verb: str) -> Callable[..., Any]:
        return c[f"{cls.noun}_{verb}"]

    def close(self) -> None:
        """Closes it, as soon as no other thread is in a call of it. To do so twice is no error."""
        self._handle.let_go()

    def __enter__(self: O) -> O:
        return self

    def __exit__(self, kind: Optional[Type[BaseException]], error: Optional[BaseException],
                 trace: Optional[TracebackType]) -> None:
        self.close()

    def fileno(self) -> int:
        """The descriptor, for select, selectors and asyncio; it belongs to the handle."""
        with self._handle.use() as pointer:
            return int(self._function("fd")(pointer))

    def caps(self) -> int:
        """What the transport enforces, CAP_* bits."""
        with self._handle.use() as pointer:
            return int(self._function("caps")(pointer))

    @classmethod
    def unlink(cls, uri: Uri) -> None:
        """Takes the name away; those who have it open go on."""
        check(cls._function("unlink")(name_of(uri)))


class Channel(Object):
    """What queues and topics have in common. Timeouts are seconds; None waits for ever, 0 not at all."""

    _back: Done  # gives a message taken back
    _turns: List[asyncio.Future[None]]  # of those who wait in take_async()
    _watched: Optional[Open]  # what their loop watches the descriptor of, which is open so long

    @classmethod
    def _open(cls: Type[C], uri: Optional[Uri], flags: int, opts: Any) -> C:
        self = super()._open(uri, flags, opts)
        self._turns, self._watched = [], None
        return self

    def close(self) -> None:
        """
        Closes it, as soon as no other thread is in a call of it. To do so twice is no error.

        Loans are cancelled; messages of a queue that were taken are delivered again. If something
        made of the data of one is still there that is BufferError, and nothing is closed.
        """
        left = []
        try:
            for k in list(kept.values()):
                if k.handle is self._handle and (k() is not None or not ended(k)):
                    message = k.owner()
                    if message is None or message._memory is None:
                        raise BufferError("something made of the data of a message is still there")
                    left.append((message, message._leave()))
        except BufferError:
            for message, again in left:
                message._again(*again)
            raise
        self._let_go()

    def __exit__(self, kind: Optional[Type[BaseException]], error: Optional[BaseException],
                 trace: Optional[TracebackType]) -> None:
        try:
            self.close()
        except BufferError:
            self._let_go()  # it closes with the last view
            if kind is None:
                raise

    def _get(self, verb: str, message: Message, *arguments: Any, write: bool = False) -> Message:
        """Has a function fill @message. Nothing is lost if the handler of a signal raises meanwhile."""
        done: Done = self._function("cancel" if write else "release")
        message._back = done if write else self._back
        with self._handle.use() as pointer:
            try:
                wait(self._function(verb), pointer, *arguments)
                return message._hold(self._handle, write, done, message._back)
            except BaseException:
                if message._memory is not None:
                    message._leave()
                message._undo(pointer)
                raise

    def _loan(self, len: int, deadline: int) -> Message:
        message = Message()
        return self._get("loan", message, unsigned("len", len), message._ref(), deadline, write=True)

    def loan(self, len: int, timeout: Optional[float] = None) -> Message:
        """An empty slot to write a message of so many bytes into, for commit()."""
        return self._loan(len, until(timeout))

    def take(self, timeout: Optional[float] = None) -> Message:
        """The next message, where it lies; it is the caller's until release()."""
        message = Message()
        return self._get("take", message, message._ref(), until(timeout))

    def _end(self, message: Message, verb: str, loan: bool) -> None:
        message._held(self._handle, loan)
        message._end(self._function(verb), self._handle)

    def commit(self, message: Message) -> None:
        """Sends the message in a slot on loan. If that fails the loan is kept."""
        self._end(message, "commit", True)

    def cancel(self, message: Message) -> None:
        """Gives a slot on loan back without sending it; gives up a call of it that goes on."""
        message._held(self._handle, True)
        message._end(message._done, self._handle)

    def release(self, message: Message) -> None:
        """Is done with a message taken."""
        self._end(message, "release", False)

    def next(self, message: Optional[Message], timeout: Optional[float] = None) -> Message:
        """
        Releases the message and takes the next into it; None, or one that was ended, only takes.

        When nothing is taken the old one is released all the same, and the call can be repeated.
        """
        deadline = until(timeout)
        held = []
        if message is None:
            message = Message()
        elif message._memory is None:
            message._msg = Msg()
        else:
            message._held(self._handle, False)
            held.append(message)
        with self._handle.use() as pointer, Ending(held, pointer):
            return self._get("next", message, message._ref(), deadline)

    def send(self, data: Data, timeout: Optional[float] = None) -> None:
        """Sends a copy."""
        data = data if isinstance(data, bytes) else bytes(memoryview(data))
        with self._handle.use() as pointer:
            wait(self._function("send"), pointer, data, len(data), until(timeout))

    def recv(self, timeout: Optional[float] = None) -> bytes:
        """Receives a copy of a message of any length: a take, a copy and a release."""
        with self.take(timeout) as message:
            return bytes(message.data)

    async def take_async(self) -> Message:
        """take() for asyncio. All who wait on one object do so in one loop."""
        import asyncio

        loop = asyncio.get_running_loop()
        while True:
            try:
                return self.take(0)
            except BlockingIOError:
                pass
            turn = loop.create_future()
            self._turns.append(turn)  # first: whoever closes the handle from now on finds it
            try:
                self._watch(loop)
                await turn
            finally:
                self._turns.remove(turn)
                if not self._turns:
                    self._unwatch(loop)

    def _watch(self, loop: asyncio.AbstractEventLoop) -> None:
        open = self._handle.opened()
        loop.add_reader(int(self._function("fd")(open.pointer)), self._next_turn)
        self._watched = open

    def _unwatch(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._watched:
            loop.remove_reader(int(self._function("fd")(self._watched.pointer)))
            self._watched = None

    def _let_go(self) -> None:
        """Those who wait look again. Before the descriptor is closed their loop forgets it."""
        self._handle.let_go()
        for turn in self._turns[:1]:
            loop = turn.get_loop()
            if loop.is_running() and not _runs_here(loop):
                loop.call_soon_threadsafe(self._last_turn, loop)
            else:
                self._last_turn(loop)

    def _last_turn(self, loop: asyncio.AbstractEventLoop) -> None:
        self._unwatch(loop)
        self._next_turn()

    def _next_turn(self) -> None:
        for turn in self._turns:
            if not turn.done():
                turn.set_result(None)
