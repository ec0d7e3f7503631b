# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
"""
Messages between processes that are not copied, and that survive the processes: libipcx for Python.

A sender gets a slot by loan(), writes into its data and commits it; a receiver takes a message,
reads its data where it lies and releases it. Names are those of ipcx.h without "ipcx_"; what they do
is in the man pages, "man 3 ipcx_queue_take". Documentation/python.rst has the rest.

What fails raises the OSError of its errno (TimeoutError, BlockingIOError, FileNotFoundError...), with
the words of ipcx_error(). Timeouts are seconds, None waits for ever, 0 not at all.

All methods may be called from any thread, at once on one object too: while the library works or
waits other threads run. A Message is for one thread at a time. IPCX_SINGLE_THREAD is not here:
messages that are dropped are given back by whichever thread drops them.
"""
from __future__ import annotations

import builtins
from typing import Any

from . import _constants
from ._constants import *  # noqa: F403
from ._lib import EACH, Listed, QueueAttr, QueueStats, TopicAttr, c, check
from ._message import Message
from ._queue import Queue
from ._region import Region
from ._topic import Topic

__all__ = [
    "Queue", "Topic", "Region", "Message", "Listed", "QueueAttr", "QueueStats", "TopicAttr", "list",
]
__all__ += [name for name in dir(_constants) if name.isupper()]


def list() -> builtins.list[Listed]:
    """What this user has over the transport "shm"."""
    found: builtins.list[Listed] = []

    def each(listed: Any, _: Any) -> int:
        found.append(Listed.from_buffer_copy(listed.contents))
        return 0

    check(c["list"](EACH(each), None))
    return found
