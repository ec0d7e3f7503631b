# SPDX-License-Identifier: GPL-2.0-only
"""A queue of jobs and two workers, each of which may be killed. usage: worker.py [QUEUE]"""
import os
import signal
import struct
import sys
import ipcx

name = sys.argv[1] if len(sys.argv) > 1 else "shm:jobs"


def work():
    with ipcx.Queue.open(name, ipcx.RECV) as jobs:
        while True:
            # put back, to be delivered again, if an exception leaves this block
            with jobs.take() as job:
                if not job.len:
                    return
                if job.len == 12 and not job.deliveries:
                    os.kill(os.getpid(), signal.SIGKILL)
                with job.data.cast("i") as numbers:  # a view of the view, which has to go first
                    print(f"sum {sum(numbers)}, delivery {job.deliveries + 1}", flush=True)


with ipcx.Queue.open(name, ipcx.CREATE | ipcx.SEND | ipcx.EPHEMERAL) as jobs:
    for n in range(1, 5):
        with jobs.loan(4 * n, timeout=10) as job:
            for i, number in enumerate(range(1, n + 1)):
                struct.pack_into("i", job.data, 4 * i, number)
            jobs.commit(job)
    jobs.send(b"")
    while True:
        pid = os.fork()
        if not pid:
            work()
            os._exit(0)
        if os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0:
            break
        print("a worker has died, here is the next", flush=True)
