# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
"""
The library as ctypes sees it: structs of the headers, prototypes, errors, deadlines.

selftests/python.py compares all of it with the headers.
"""
from __future__ import annotations

import ctypes
import errno
import math
import os
import time
from ctypes import c_char, c_char_p, c_int, c_int64, c_size_t, c_uint, c_uint32, c_uint64, c_void_p
from typing import TYPE_CHECKING, Any, Callable, Mapping, Optional, Sequence, Type, TypeVar, Union

NOWAIT = 0
FOREVER = 2**63 - 1


class Struct(ctypes.Structure):
    """A struct of the library; its members are named as in the header."""

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any: ...

    def __repr__(self) -> str:
        told = (f"{f[0]}={getattr(self, f[0])!r}" for f in self._fields_
                if f[0] not in ("sz", "data", "priv", "__reserved"))
        return f"{type(self).__name__}({', '.join(told)})"


class Msg(Struct):
    _fields_ = [
        ("data", c_void_p),
        ("len", c_size_t),
        ("prio", c_uint32),
        ("flags", c_uint32),
        ("deliveries", c_uint32),
        ("pid", c_int),
        ("uid", c_uint32),
        ("gid", c_uint32),
        ("seq", c_uint64),
        ("tag", c_uint64),
        ("expires", c_int64),
        ("priv", c_uint64 * 4),
    ]


class QueueOpts(Struct):
    _fields_ = [
        ("sz", c_size_t),
        ("require", c_uint64),
        ("depth", c_uint32),
        ("mode", c_uint32),
        ("msg_max", c_uint64),
        ("bytes_max", c_uint64),
        ("dead_letter", c_char_p),
        ("max_deliveries", c_uint32),
        ("lease_ms", c_uint32),
        ("policy", c_uint32),
        ("leases_max", c_uint32),
        ("prefetch", c_uint32),
    ]


class QueueAttr(Struct):
    _fields_ = [
        ("sz", c_size_t),
        ("id", c_uint64),
        ("msg_max", c_uint64),
        ("bytes_max", c_uint64),
        ("depth", c_uint32),
        ("mode", c_uint32),
        ("uid", c_uint32),
        ("gid", c_uint32),
        ("dead_letter", c_uint64),
        ("policy", c_uint32),
        ("max_deliveries", c_uint32),
        ("lease_ms", c_uint32),
        ("flags", c_uint32),
        ("leases_max", c_uint32),
    ]


class QueueStats(Struct):
    _fields_ = [("sz", c_size_t)] + [
        (name, c_uint64)
        for name in (
            "sent queued leased released dropped_oldest dropped_newest expired poison redelivered "
            "dead_lettered dead_letter_failed bytes free loaned senders receivers withdrawn answers "
            "requests damaged"
        ).split()
    ]


class TopicOpts(Struct):
    _fields_ = [
        ("sz", c_size_t),
        ("require", c_uint64),
        ("mode", c_uint32),
        ("depth", c_uint32),
        ("lag_max", c_uint32),
        ("history", c_uint32),
        ("msg_max", c_uint64),
        ("bytes_max", c_uint64),
        ("first", c_uint64),
        ("durable", c_char_p),
    ]


class TopicAttr(Struct):
    _fields_ = [
        ("sz", c_size_t),
        ("id", c_uint64),
        ("msg_max", c_uint64),
        ("bytes_max", c_uint64),
        ("first", c_uint64),
        ("depth", c_uint32),
        ("lag_max", c_uint32),
        ("mode", c_uint32),
        ("uid", c_uint32),
        ("gid", c_uint32),
        ("flags", c_uint32),
    ]


class RegionOpts(Struct):
    _fields_ = [("sz", c_size_t), ("require", c_uint64), ("size", c_uint64), ("mode", c_uint32)]


class Listed(Struct):
    """What ipcx.list() tells of an object; name is bytes."""

    _fields_ = [
        ("sz", c_size_t),
        ("name", c_char * 256),
        ("kind", c_uint32),
        ("mode", c_uint32),
        ("flags", c_uint32),
        ("uid", c_uint32),
        ("depth", c_uint32),
        ("senders", c_uint32),
        ("receivers", c_uint32),
        ("__reserved", c_uint32),
        ("msg_max", c_uint64),
        ("bytes_max", c_uint64),
    ]


EACH = ctypes.CFUNCTYPE(c_int, ctypes.POINTER(Listed), c_void_p)

handle, message = c_void_p, c_void_p
PROTOTYPES: Mapping[str, Sequence[Any]] = {
    "error": (c_char_p,),
    "list": (c_int, EACH, c_void_p),
    "queue_answer": (c_int, handle, message, c_int64),
    "queue_attach": (c_int, handle, message, handle, c_uint),
    "queue_attr": (c_int, handle, c_void_p),
    "queue_call": (c_int, handle, message, message, c_int64),
    "queue_cancel": (c_int, handle, message),
    "queue_caps": (c_uint64, handle),
    "queue_close": (None, handle),
    "queue_commit": (c_int, handle, message),
    "queue_commit_n": (c_int, handle, message, c_uint),
    "queue_fd": (c_int, handle),
    "queue_fetch": (c_int, handle, message, c_uint, c_void_p),
    "queue_loan": (c_int, handle, c_size_t, message, c_int64),
    "queue_loan_n": (c_int, handle, c_size_t, message, c_uint, c_int64),
    "queue_loan_reply": (c_int, handle, message, c_size_t, message),
    "queue_nack": (c_int, handle, message),
    "queue_next": (c_int, handle, message, c_int64),
    "queue_open": (c_int, c_void_p, c_char_p, c_uint, c_void_p),
    "queue_peek": (c_int, handle, message),
    "queue_release": (c_int, handle, message),
    "queue_release_n": (c_int, handle, message, c_uint),
    "queue_remove": (c_int, c_char_p),
    "queue_reply": (c_int, handle, message, message),
    "queue_send": (c_int, handle, c_char_p, c_size_t, c_int64),
    "queue_stat": (c_int, handle, c_void_p),
    "queue_take": (c_int, handle, message, c_int64),
    "queue_take_n": (c_int, handle, message, c_uint, c_int64),
    "queue_unlink": (c_int, c_char_p),
    "region_caps": (c_uint64, handle),
    "region_close": (None, handle),
    "region_fd": (c_int, handle),
    "region_map": (c_void_p, handle, c_size_t, c_size_t, c_int),
    "region_open": (c_int, c_void_p, c_char_p, c_uint, c_void_p),
    "region_resize": (c_int, handle, c_size_t),
    "region_seal": (c_int, handle, c_uint),
    "region_size": (c_int64, handle),
    "region_unlink": (c_int, c_char_p),
    "topic_attr": (c_int, handle, c_void_p),
    "topic_cancel": (c_int, handle, message),
    "topic_caps": (c_uint64, handle),
    "topic_close": (None, handle),
    "topic_commit": (c_int, handle, message),
    "topic_fd": (c_int, handle),
    "topic_forget": (c_int, handle, c_char_p),
    "topic_loan": (c_int, handle, c_size_t, message, c_int64),
    "topic_missed": (c_uint64, handle),
    "topic_next": (c_int, handle, message, c_int64),
    "topic_open": (c_int, c_void_p, c_char_p, c_uint, c_void_p),
    "topic_release": (c_int, handle, message),
    "topic_send": (c_int, handle, c_char_p, c_size_t, c_int64),
    "topic_take": (c_int, handle, message, c_int64),
    "topic_unlink": (c_int, c_char_p),
}

library = ctypes.CDLL("libipcx.so.0", use_errno=True)
c: dict[str, Callable[..., Any]] = {}
for _name, (_result, *_arguments) in PROTOTYPES.items():
    _function = getattr(library, "ipcx_" + _name)
    _function.restype, _function.argtypes = _result, _arguments
    c[_name] = _function

Uri = Union[str, bytes, "os.PathLike[str]"]
S = TypeVar("S", bound=Struct)


def failure(code: int) -> OSError:
    """The exception for an errno: TimeoutError, BlockingIOError... with the library's words."""
    return OSError(code, c["error"]().decode("ascii", "replace") or os.strerror(code))


def check(result: int) -> int:
    if result < 0:
        raise failure(-result)
    return result


def patient(function: Callable[..., int], *arguments: Any) -> int:
    """A call that may sleep. Python's handlers of signals run when one came, and may raise."""
    while True:
        result = function(*arguments)
        if result != -errno.EINTR:
            return result


def wait(function: Callable[..., int], *arguments: Any) -> int:
    return check(patient(function, *arguments))


def until(timeout: Optional[float]) -> int:
    """The deadline so many seconds from now; None and infinity are for ever, 0 is not to wait."""
    if timeout is None or timeout == math.inf:
        return FOREVER
    if timeout == 0:
        return NOWAIT
    if not timeout > 0:
        raise ValueError(f"a timeout of {timeout} seconds; it is None, 0 or more")
    return min(time.monotonic_ns() + int(timeout * 1e9), FOREVER - 1)


def name_of(uri: Optional[Uri]) -> Optional[bytes]:
    name = None if uri is None else os.fsencode(uri)
    if name and b"\0" in name:
        raise ValueError("a name has no zero byte")
    return name


def set_field(struct: Struct, name: str, value: Any) -> None:
    """Sets it, or says that it does not fit, where ctypes would cut it."""
    before = getattr(struct, name)
    setattr(struct, name, value)
    if getattr(struct, name) != value:
        setattr(struct, name, before)
        raise OverflowError(f"{name} cannot be {value}")


def unsigned(name: str, value: int, bits: int = 64) -> int:
    if not 0 <= value < 1 << bits:
        raise OverflowError(f"{name} cannot be {value}")
    return value


def options(kind: Type[S], values: Mapping[str, Any]) -> S:
    opts = kind(sz=ctypes.sizeof(kind))
    for name, value in values.items():
        set_field(opts, name, name_of(value) if isinstance(value, (str, os.PathLike)) else value)
    return opts


def told(kind: Type[S], function: Callable[..., int], pointer: int) -> S:
    """What an attr() or stat() fills in."""
    answer = kind(sz=ctypes.sizeof(kind))
    check(function(pointer, ctypes.byref(answer)))
    return answer
