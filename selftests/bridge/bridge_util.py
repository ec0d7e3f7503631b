# SPDX-License-Identifier: GPL-2.0-only
"""
Servers and bridges of a test: each with its own directory, ports of loopback that nobody has, and
ended with the test, however that ends.
"""
import ctypes
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request

TOP = os.path.realpath(os.path.join(os.path.dirname(__file__), "..", ".."))
BUILD = os.environ.get("IPCX_BUILD", TOP + "/build")
sys.dont_write_bytecode = True
sys.path.insert(0, TOP + "/libuser/python")
ctypes.CDLL(TOP + "/build/lib/libipcx.so.0")  # found by its soname from now on
os.environ["IPCX_QUIET"] = "1"

import ipcx  # noqa: E402

KERNEL = os.path.exists("/dev/ipcx")
SCHEME = "kernel:" if KERNEL else "shm:"
LONG = 60 if KERNEL else 20  # seconds: nothing here takes so long, unless something is wrong
running = []
tests = []


def test(function):
    tests.append(function)
    return function


def wait(what, seconds=LONG):
    """Until what() is true, which is returned."""
    end = time.monotonic() + seconds
    while True:
        got = what()
        if got:
            return got
        if time.monotonic() > end:
            raise AssertionError(f"not in {seconds} s")
        time.sleep(0.02)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Process:
    """A program that runs until the test ends."""

    def __init__(self, log, *command):
        self.log, self.command = log, command
        self.start()

    def start(self):
        with open(self.log, "ab") as log:
            self.child = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        running.append(self)

    def end(self, how=signal.SIGTERM):
        if self in running:
            running.remove(self)
        self.child.send_signal(how)
        return self.child.wait(LONG)

    def said(self):
        with open(self.log, encoding="utf-8") as log:
            return log.read()


def nats_server():
    return subprocess.check_output([TOP + "/scripts/kernel.sh", "nats"], text=True).strip() + "/usr/sbin/nats-server"


class Server(Process):
    """nats-server with JetStream, its store in a directory"""

    def __init__(self, dir, **options):
        self.dir, self.port, self.http = dir, free_port(), free_port()
        os.makedirs(dir)
        self.set(**options)
        super().__init__(dir + "/log", nats_server(), "-c", dir + "/conf")
        self.ready()

    def set(self, store_max="100MB", payload=None, more=""):
        with open(self.dir + "/conf", "w", encoding="utf-8") as f:
            f.write(f"listen: 127.0.0.1:{self.port}\nhttp: 127.0.0.1:{self.http}\n"
                    f"jetstream {{ store_dir: {self.dir}/store, max_file_store: {store_max} }}\n{more}\n")
            if payload:
                f.write(f"max_payload: {payload}\n")

    def example(self):
        """The one of the documentation: only addresses, the store and the passwords are others"""
        with open(TOP + "/Documentation/examples/nats-server.conf", encoding="utf-8") as f:
            text = f.read()
        for here, there in (("10.0.0.1:4222", f"127.0.0.1:{self.port}"), ("127.0.0.1:8222", f"127.0.0.1:{self.http}"),
                            ("/var/lib/nats", self.dir + "/store")):
            assert here in text
            text = text.replace(here, there)
        with open(self.dir + "/conf", "w", encoding="utf-8") as f:
            f.write(re.sub(r'"\$2a\$11\$x*"', "secret", text))

    def ready(self):
        def tries():
            try:
                with socket.create_connection(("127.0.0.1", self.port), 1) as s:
                    return s.recv(1)
            except OSError:
                return False
        wait(tries)

    def again(self):
        self.start()
        self.ready()

    def monitor(self, what):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.http}/{what}", timeout=LONG) as r:
            return json.load(r)


def consumers(server):
    """Names of those that there are"""
    told = server.monitor("jsz?accounts=true&streams=true&consumers=true")
    return [c["name"] for a in told["account_details"] for s in a["stream_detail"] for c in s.get("consumer_detail") or ()]


class Bridge(Process):
    """ipcx-bridge; its host's name is also the beginning of its local names"""

    def __init__(self, dir, host, server, *rules, start=True, realm="test", program=None):
        self.host, self.conf, self.log = host, f"{dir}/{host}.conf", f"{dir}/{host}.log"
        self.command = (program,) if program else (BUILD + "/bin/ipcx", "bridge")
        self.command += "run", self.conf
        with open(self.conf, "w", encoding="utf-8") as f:
            f.write(f"host {host}\nrealm {realm}\nserver nats://127.0.0.1:{server.port}\n"
                    f"state {dir}/{host}.state\nmonitor http://127.0.0.1:{server.http}\n")
            for rule in rules:
                f.write(rule.replace("shm:", SCHEME) + "\n")
        if start:
            self.start()
            self.ready()

    def ready(self):
        wait(lambda: all(r[s] in ("", "runs") or "full" in r[s] for r in self.status()["rules"]
                         for s in ("state_out", "state_in")))

    def ask(self, *words):
        return subprocess.run((BUILD + "/bin/ipcx", "bridge", words[0], self.conf) + words[1:],
                              capture_output=True, encoding="utf-8", check=False)

    def status(self):
        """That of a bridge that does not answer is one without rules that run."""
        for _ in range(4):
            r = self.ask("status", "--json")
            if "does not answer" not in r.stderr:
                break  # else who asked was perhaps too slow, and not waited for
        return json.loads(r.stdout) if not r.returncode else \
            {"link": "none", "rules": [{"state_out": "not there", "state_in": "not there"}]}

    def rule(self, name):
        return next((r for r in self.status()["rules"] if r.get("name") == name), {})

    def again(self):
        self.start()
        self.ready()


def another(dir, source, *options, without="none"):
    """A bridge with this file more, or instead of what has that name"""
    program = dir + "/ipcx-bridge"
    parts = [f"{BUILD}/obj/bridge/{o}" for o in os.listdir(BUILD + "/obj/bridge") if o[-2:] == ".o" and without not in o]
    subprocess.run(("cc", "-D_GNU_SOURCE", *options, f"-I{TOP}/include", f"-I{TOP}/include/uapi", f"-I{TOP}/libuser",
                    source, "-o", program, *parts, BUILD + "/lib/libipcx.a", "-lnats", "-pthread"), check=True)
    return program


def wrapping(dir, code):
    """A bridge where each __wrap_NAME of this code stands before NAME, which is __real_NAME there"""
    with open(dir + "/wraps.c", "w", encoding="utf-8") as f:
        f.write(code)
    return another(dir, f.name, *(f"-Wl,--wrap={name}" for name in sorted(set(re.findall(r"\b__wrap_(\w+)", code)))))


def two(dir, rule, *more, hosts="ab", **options):
    """A server, and bridges a and b with one rule, {} in it is the host"""
    s = Server(dir + "/s", **options)
    return [s] + [Bridge(dir, h, s, rule.format(h), *(m.format(h) for m in more)) for h in hosts]


class Wire:
    """A client of NATS that sends what it likes."""

    def __init__(self, server, **who):
        self.socket = socket.create_connection(("127.0.0.1", server.port), LONG)
        self.socket.sendall(f"CONNECT {json.dumps(dict(verbose=False, headers=True, **who))}\r\n".encode())

    def put(self, subject, data=b"", line=None, **headers):
        head = b"NATS/1.0\r\n"
        if line is not None:
            head += b"Ipcx: " + line.encode() + b"\r\n"
        for key, value in headers.items():
            head += f"{key}: {value}\r\n".encode()
        head += b"\r\n"
        self.socket.sendall(f"HPUB {subject} {len(head)} {len(head) + len(data)}\r\n".encode()
                            + head + data + b"\r\n")

    def hear(self, subject):
        self.socket.sendall(f"SUB {subject} 1\r\n".encode())

    def done(self):
        """The server has done all that was sent. Return: what it has said since"""
        self.socket.sendall(b"PING\r\n")
        got = b""
        while b"PONG" not in got:
            got += self.socket.recv(65536)
        return got


def crc32c(data):
    crc = 0xffffffff
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82f63b78 if crc & 1 else 0)
    return crc ^ 0xffffffff


def sender(name, depth=0):
    return ipcx.Queue.open(SCHEME + name, ipcx.CREATE | ipcx.SEND, depth=depth)


def receiver(name, depth=0):
    return ipcx.Queue.open(SCHEME + name, ipcx.CREATE | ipcx.RECV, depth=depth)


def topic(name, flags):
    return ipcx.Topic.open(SCHEME + name, ipcx.CREATE | flags)


def drain(queue, count, timeout=LONG, pause=0.3):
    """What is in it: @count messages, and those that are too many"""
    got = []
    while True:
        try:
            got.append(queue.recv(timeout if len(got) < count else pause))
        except (TimeoutError, BlockingIOError):
            return got


def end_all():
    for process in list(running):
        process.end(signal.SIGKILL)
