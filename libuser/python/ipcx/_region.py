# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
"""Regions: shared memory with a name."""
from __future__ import annotations

import ctypes
import errno
import mmap
from typing import Optional

from ._lib import RegionOpts, Uri, c, check, failure, options, unsigned
from ._memory import Memory
from ._object import Object

_munmap = ctypes.CDLL(None).munmap
_munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]


class Region(Object):
    noun = "region"

    @classmethod
    def open(cls, uri: Optional[Uri], flags: int, *, require: int = 0, size: int = 0,
             mode: int = 0) -> Region:
        """Opens it: READ or WRITE or both, CREATE, EXCL; size and mode are of a new one."""
        return cls._open(uri, flags, options(RegionOpts, dict(require=require, size=size, mode=mode)))

    def size(self) -> int:
        """Bytes, at this moment."""
        with self._handle.use() as pointer:
            return check(c["region_size"](pointer))

    def map(self, offset: int = 0, len: int = 0, write: bool = False) -> memoryview:
        """
        A part of it, from a page on; len 0 is up to the end.

        It is unmapped when the view, and all that was made of it, is gone; the region may be closed
        before. If the region becomes smaller, what was cut off is SIGBUS; SEAL_SHRINK prevents that.
        """
        with self._handle.use() as pointer:
            if not len:
                size = self.size()
                len = size - unsigned("offset", offset)
                if len <= 0:  # to the library 0 is up to the end, which may be further on by now
                    raise OSError(errno.EINVAL, f"the region has {size} bytes, none from {offset} on")
            address = c["region_map"](pointer, unsigned("offset", offset), unsigned("len", len),
                                      mmap.PROT_READ | (mmap.PROT_WRITE if write else 0))
            if address is None:
                raise failure(ctypes.get_errno())
        return Memory(address, len, write, lambda: _munmap(address, len)).data()

    def resize(self, size: int) -> None:
        """Makes it larger or smaller."""
        with self._handle.use() as pointer:
            check(c["region_resize"](pointer, unsigned("size", size)))

    def seal(self, seals: int) -> None:
        """Forbids something to all, for ever: SEAL_* bits."""
        with self._handle.use() as pointer:
            check(c["region_seal"](pointer, unsigned("seals", seals, 32)))
