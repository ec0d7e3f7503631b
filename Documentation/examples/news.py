# SPDX-License-Identifier: GPL-2.0-only
"""A topic: every subscriber gets every message. usage: news.py [TOPIC]"""
import os
import sys
import ipcx

name = sys.argv[1] if len(sys.argv) > 1 else "shm:news"


def subscribe():
    with ipcx.Topic.open(name, ipcx.SUBSCRIBE, history=8) as topic:
        message = None
        while message is None or message.len:
            message = topic.next(message, timeout=10)  # releases the one before
            if message.len:
                print(bytes(message.data).decode(), flush=True)


with ipcx.Topic.open(name, ipcx.CREATE | ipcx.PUBLISH | ipcx.EPHEMERAL | ipcx.OPEN_RELIABLE) as topic:
    for text in b"one", b"two", b"":
        topic.send(text)
    for _ in range(2):
        if not os.fork():
            subscribe()
            os._exit(0)
    for _ in range(2):
        os.wait()
