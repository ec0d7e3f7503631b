# SPDX-License-Identifier: GPL-2.0-only
"""What the tests of the Python binding share: where things are, a runner that prints TAP."""
import ctypes
import faulthandler
import os
import signal
import sys
import tempfile
import threading
import traceback

TOP = os.path.realpath(os.path.join(os.path.dirname(__file__), ".."))
LIB = os.path.join(TOP, "build", "lib")
PYTHON = os.path.join(TOP, "libuser", "python")
sys.dont_write_bytecode = True
sys.path.insert(0, PYTHON)
ctypes.CDLL(os.path.join(LIB, "libipcx.so.0"))  # found by its soname from now on

import ipcx  # noqa: E402

LONG = 60  # seconds that nothing takes that goes well
FRESH = ipcx.CREATE | ipcx.EXCL
# where a module should be, one that is not there is no reason to leave it out
KERNEL = ["kernel"] if os.path.exists("/dev/ipcx") or os.environ.get("IPCX_MODULE") else []

tests = []
failed_threads = []


def in_thread(args):
    """What a thread fails with fails its test, too"""
    told(args.exc_value)
    failed_threads.append(args.thread)


threading.excepthook = in_thread


def told(error):
    lines = traceback.format_exception(type(error), error, error.__traceback__)
    print("".join("# " + line for line in "".join(lines).splitlines(True)), end="", flush=True)


def test(*transports):
    def add(function):
        tests.extend((function, t) for t in transports or [None])
        return function
    return add


def raises(kind, function, *arguments, code=None, words="", **more):
    try:
        function(*arguments, **more)
    except kind as error:
        assert code is None or error.errno == code, error
        assert words in str(error), f"{words!r} is not in {error}"
        return
    raise AssertionError(f"{function.__name__} did not raise {kind.__name__}")


def fork(function, *arguments):
    sys.stdout.flush()
    pid = os.fork()
    if pid:
        return pid
    failed_threads.clear()
    try:
        function(*arguments)
        status = 1 if failed_threads else 0
    except BaseException as error:
        told(error)
        status = 1
    sys.stdout.flush()
    os._exit(status)


def ended(pid):
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def pair(uri, **opts):
    """Who receives, and who sends"""
    receiver = ipcx.Queue.open(uri, FRESH | ipcx.RECV, **opts)
    return receiver, ipcx.Queue.open(uri, ipcx.SEND)


def shut(uri, *objects):
    for o in objects:
        o.close()
    type(objects[0]).unlink(uri)


def put(sender, data, **members):
    with sender.loan(len(data), LONG) as loan:
        loan.data[:] = data
        for name, value in members.items():
            setattr(loan, name, value)
        sender.commit(loan)


class Interrupted(Exception):
    pass


class Alarm:
    """
    A signal after so many seconds. Its handler does nothing, or raises once; then more signals come,
    because a call of the library that looks from time to time may be awake when the first does.
    """

    def __init__(self, seconds, error=None):
        self.seconds, self.error, self.seen = seconds, error, 0

    def handler(self, *_):
        self.seen += 1
        if self.error and self.seen == 1:
            raise self.error

    def __enter__(self):
        signal.signal(signal.SIGALRM, self.handler)
        signal.setitimer(signal.ITIMER_REAL, self.seconds, 0.5 if self.error else 0)
        return self

    def __exit__(self, *_):
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, signal.SIG_DFL)


def clean(uri):
    """What a test that failed may have left, of which the system has few"""
    for kind in ipcx.Queue, ipcx.Topic, ipcx.Region:
        try:
            kind.unlink(uri or "")
        except OSError:
            pass


def run(directory):
    bad = 0
    wanted = [(f, t) for f, t in tests if all(w in f.__name__ + " " + str(t) for w in sys.argv[1:])]
    for n, (function, transport) in enumerate(wanted, 1):
        name = f"py-{n}-{os.getpid()}"
        path = os.path.join(directory, name)
        uri = transport and f"{transport}:{path if transport == 'file' else name}"
        faulthandler.dump_traceback_later(5 * LONG, exit=True)
        failed_threads.clear()
        try:
            function(uri)
            assert not failed_threads, failed_threads
            verdict = "ok"
        except Exception as error:
            told(error)
            verdict, bad = "not ok", 1
            clean(uri)
        print(f"{verdict} {n} {function.__name__}{' ' + transport if transport else ''}", flush=True)
    names = os.path.join(directory, "ipcx")
    left = os.listdir(names) if os.path.exists(names) else []
    print(f"{'not ok' if left else 'ok'} {len(wanted) + 1} nothing is left {' '.join(left)}")
    print(f"1..{len(wanted) + 1}")
    return bad or bool(left)


def main():
    with tempfile.TemporaryDirectory() as directory:
        os.environ.update(XDG_RUNTIME_DIR=directory, IPCX_QUIET="1")
        status = run(directory)
    sys.exit(status)
