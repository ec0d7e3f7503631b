# SPDX-License-Identifier: GPL-2.0-only
"""A queue and a topic in one loop of asyncio. usage: loop.py [QUEUE TOPIC]"""
import asyncio
import sys
import ipcx

queue_name, topic_name = sys.argv[1:] or ("shm:jobs", "shm:news")


async def receive(what, channel):
    for _ in range(2):
        with await channel.take_async() as message:
            print(what, bytes(message.data).decode(), flush=True)


async def main():
    both = ipcx.CREATE | ipcx.EPHEMERAL
    with ipcx.Queue.open(queue_name, both | ipcx.RECV) as jobs, \
            ipcx.Topic.open(topic_name, both | ipcx.SUBSCRIBE | ipcx.PUBLISH) as news, \
            ipcx.Queue.open(queue_name, ipcx.SEND) as sender:
        receivers = asyncio.gather(receive("job", jobs), receive("news", news))
        for n in "1", "2":
            await asyncio.sleep(0.1)
            sender.send(n.encode())
            news.send(n.encode())
        await receivers


asyncio.run(main())
