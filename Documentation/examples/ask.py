# SPDX-License-Identifier: GPL-2.0-only
"""Requests and replies. usage: ask.py [QUEUE]"""
import os
import sys
import ipcx

name = sys.argv[1] if len(sys.argv) > 1 else "shm:upper"


def serve():
    with ipcx.Queue.open(name, ipcx.RECV) as queue:
        while True:
            request = queue.take()
            if not request.len:
                queue.release(request)  # without a reply: its sender gets ECANCELED
                return
            queue.reply(request, bytes(request.data).upper())


with ipcx.Queue.open(name, ipcx.CREATE | ipcx.SEND | ipcx.EPHEMERAL) as queue:
    server = os.fork()
    if not server:
        serve()
        os._exit(0)
    for text in "hello", "world":
        with queue.call(text.encode(), timeout=10) as answer:
            print(bytes(answer.data).decode())
    try:
        queue.call(b"", timeout=10)
    except OSError as error:
        print(error.strerror)
    os.waitpid(server, 0)
