# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
"""Topics: each message to everybody who subscribes."""
from __future__ import annotations

from typing import Optional

from ._lib import TopicAttr, TopicOpts, Uri, c, check, name_of, options, told
from ._object import Channel


class Topic(Channel):
    noun = "topic"
    _back = c["topic_release"]

    @classmethod
    def open(cls, uri: Optional[Uri], flags: int, *, require: int = 0, mode: int = 0, depth: int = 0,
             lag_max: int = 0, history: int = 0, msg_max: int = 0, bytes_max: int = 0, first: int = 0,
             durable: Optional[str] = None) -> Topic:
        """Becomes a member: PUBLISH or SUBSCRIBE or both, CREATE, EXCL, EPHEMERAL, LOSSY..."""
        opts = options(TopicOpts, dict(
            require=require, mode=mode, depth=depth, lag_max=lag_max, history=history, msg_max=msg_max,
            bytes_max=bytes_max, first=first, durable=durable))
        return cls._open(uri, flags, opts)

    def attr(self) -> TopicAttr:
        """What the topic is."""
        with self._handle.use() as pointer:
            return told(TopicAttr, c["topic_attr"], pointer)

    def missed(self) -> int:
        """How many messages this subscriber missed."""
        with self._handle.use() as pointer:
            return int(c["topic_missed"](pointer))

    def forget(self, durable: str) -> None:
        """Ends a durable subscription that nobody has open."""
        with self._handle.use() as pointer:
            check(c["topic_forget"](pointer, name_of(durable)))
