# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
"""
Handles, and memory that is not Python's: when either may go.

A Memory has a base, a memoryview of all of it. What is handed out is memoryview(PickleBuffer(base)):
a buffer of its own over the base, which holds one export of the base until the view, its slices and
all that was made of these are gone. So base.release() fails while anybody can look there, and a weak
reference to the base tells when the last of them has gone. (A plain slice of the base would be no
export of it: base.release() would succeed, and the slice go on.) Needs CPython.
"""
from __future__ import annotations

import ctypes
import errno
import os
import pickle
import weakref
from typing import Any, Callable, Optional

READ, WRITE = 0x100, 0x200  # PyBUF_READ, PyBUF_WRITE

_from_memory = ctypes.pythonapi.PyMemoryView_FromMemory
_from_memory.restype = ctypes.py_object
_from_memory.argtypes = [ctypes.c_void_p, ctypes.c_ssize_t, ctypes.c_int]

_nothing = ctypes.create_string_buffer(1)
NOWHERE = ctypes.addressof(_nothing)  # where what has no byte lies


class Open:
    """
    An open handle of the library, once that has written @where. Whoever needs its pointer refers to
    this: its end closes it.
    """

    __slots__ = ("where", "shut", "__weakref__")

    def __init__(self, shut: Callable[[int], None]) -> None:
        self.where, self.shut = ctypes.c_void_p(), shut

    @property
    def pointer(self) -> int:
        return self.where.value or 0

    def __del__(self) -> None:
        if self.pointer:
            self.shut(self.pointer)


class Use:
    """For a with: the pointer, which is good so long. No frame of a traceback keeps it open behind."""

    __slots__ = ("open",)

    def __init__(self, open: Open) -> None:
        self.open: Optional[Open] = open

    def __enter__(self) -> int:
        assert self.open
        return self.open.pointer

    def __exit__(self, *_: Any) -> None:
        self.open = None


class Handle:
    """
    What an object has of the library. Once it was let go it is closed when no thread is in a call of
    it and nobody can look at its memory. References count, so that the handler of a signal may
    raise anywhere.
    """

    __slots__ = ("noun", "inherit", "open")

    def __init__(self, open: Open, noun: str, inherit: bool) -> None:
        self.noun, self.inherit = noun, inherit
        self.open: Optional[Open] = open

    def opened(self) -> Open:
        open = self.open
        if open is None:
            raise OSError(errno.EBADF, f"the {self.noun} is closed")
        return open

    def use(self) -> Use:
        return Use(self.opened())

    def let_go(self) -> None:
        self.open = None


class Kept(weakref.ReferenceType):  # type: ignore[type-arg]
    """What is to be done when nobody can look at a memory any more."""

    __slots__ = ("end", "handle", "open", "owner")
    end: Callable[[], Any]
    handle: Optional[Handle]
    open: Optional[Open]
    owner: Any  # a weak reference, or None


# By id(), because weak references are equal when what they refer to is.
kept: dict[int, Kept] = {}


def ended(k: Kept, kept: dict[int, Kept] = kept) -> bool:
    """Return: whether it was kept until now."""
    return kept.pop(id(k), None) is not None


def _gone(k: Any, ended: Callable[[Kept], bool] = ended) -> None:
    if ended(k):
        k.end()
        k.open = None


class Memory:
    __slots__ = ("made_of", "base", "view", "kept")

    def __init__(self, address: Optional[int], size: int, write: bool, end: Callable[[], Any],
                 handle: Optional[Handle] = None, owner: Any = None) -> None:
        """
        @end is called once, from any thread, if nobody has called leave() before; @handle stays open
        until then. @owner is asked to leave in forked children.
        """
        self.made_of = (address, size, write, end, handle, owner and weakref.ref(owner))
        self._keep()

    def _keep(self) -> None:
        address, size, write, end, handle, owner = self.made_of
        open = handle.opened() if handle else None
        self.view: Optional[memoryview] = None
        self.base = _from_memory(address or NOWHERE, size, WRITE if write else READ)
        self.kept = Kept(self.base, _gone)
        self.kept.end, self.kept.handle, self.kept.open, self.kept.owner = end, handle, open, owner
        kept[id(self.kept)] = self.kept

    def data(self) -> memoryview:
        try:
            if self.view is not None and self.view.nbytes >= 0:
                return self.view
        except ValueError:
            pass  # its user has released it
        self.view = memoryview(pickle.PickleBuffer(self.base))
        return self.view

    def leave(self) -> None:
        """
        Nobody can look there afterwards. BufferError if somebody still does: it is as before, but what
        data() has returned may be released, and data() returns another.
        """
        try:
            if self.view is not None:
                self.view.release()
            self.base.release()
        except BufferError:
            raise BufferError(
                "something made of the data, a slice or an array, is still there: let go of that first, "
                "and take data anew"
            ) from None
        ended(self.kept)
        self.kept.open = None

    def come_back(self) -> Memory:
        """leave() was too early."""
        self._keep()
        return self


def _after_fork() -> None:
    """The child has no such memory, but of handles that it inherits and of regions."""
    for k in list(kept.values()):
        if k.handle is None or k.handle.inherit:
            continue
        owner = k.owner and k.owner()
        k.end = bool  # its parent does that
        if owner:
            try:
                owner._leave()
            except (BufferError, OSError):
                pass


os.register_at_fork(after_in_child=_after_fork)
