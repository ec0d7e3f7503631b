#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""
Runs a command on a terminal, and looks whether that is as before when the command has ended.

usage: screen.py ROWSxCOLUMNS STEP... -- COMMAND [ARGUMENT...]

Steps, in turn; each has 20 seconds:
  see:TEXT      wait until TEXT was written since the last step
  not:TEXT      it was not, since the last step
  keys:KEYS     press them
  size:RxC      the terminal gets another size
  signal:N      the command gets the signal
  end:STATUS    wait until it ends, with this exit status, or by that signal if it is negative
  stop:N        wait until it was stopped by the signal, with the terminal as before, and go on

Exit status: 0 when all was so, else 1, and what was written is on standard error.
"""
import fcntl
import os
import pty
import select
import signal
import struct
import sys
import termios
import time

SHORT = 20


def set_size(fd, size):
    rows, columns = map(int, size.split("x"))
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


class Screen:
    def __init__(self, size, command):
        self.master, self.slave = pty.openpty()
        set_size(self.master, size)
        self.before = termios.tcgetattr(self.slave)
        self.text = b""
        self.seen = 0
        # as a shell would: a group of its own, that has the terminal, in the session of this program
        os.setsid()
        fcntl.ioctl(self.slave, termios.TIOCSCTTY, 0)
        signal.signal(signal.SIGTTOU, signal.SIG_IGN)
        self.pid = os.fork()
        if not self.pid:
            os.setpgid(0, 0)
            os.tcsetpgrp(self.slave, os.getpid())
            for number in signal.SIGINT, signal.SIGQUIT, signal.SIGTTOU:
                signal.signal(number, signal.SIG_DFL)
            for fd in range(3):
                os.dup2(self.slave, fd)
            os.execvp(command[0], command)

    def read(self):
        if select.select([self.master], [], [], 0.05)[0]:
            self.text += os.read(self.master, 65536)

    def restored(self):
        """On the first screen, with a cursor, lines that wrap, and the modes of before"""
        for on, off in (b"\033[?1049l", b"\033[?1049h"), (b"\033[?25h", b"\033[?25l"), (b"\033[?7h", b"\033[?7l"):
            if self.text.rfind(on) < self.text.rfind(off):
                return False
        return termios.tcgetattr(self.slave) == self.before

    def ended(self, flags):
        for _ in range(2):  # what it wrote last is read after it has ended
            pid, status = os.waitpid(self.pid, os.WNOHANG | flags)
            self.read()
            if pid:
                return status
        return None

    def step(self, what, value):
        if what == "see":
            at = self.text.find(value.encode(), self.seen)
            return at >= 0
        if what == "not":
            return value.encode() not in self.text[self.seen:]
        if what == "end":
            status = self.ended(0)
            return status is not None and os.waitstatus_to_exitcode(status) == int(value) and self.restored()
        if what == "stop":
            status = self.ended(os.WUNTRACED)
            if status is None or not os.WIFSTOPPED(status) or not self.restored():
                return False
            os.kill(self.pid, signal.SIGCONT)
            return os.WSTOPSIG(status) == int(value)
        self.seen = len(self.text)
        if what == "keys":
            os.write(self.master, value.encode())
        elif what == "size":
            set_size(self.master, value)
        elif what == "signal":
            os.kill(self.pid, int(value))
        return True

    def run(self, steps):
        for step in steps:
            what, value = step.split(":", 1)
            end = time.monotonic() + SHORT
            while not self.step(what, value):
                self.read()
                if time.monotonic() > end or what == "not":
                    print(step, "failed;", repr(self.text[-1000:]), file=sys.stderr)
                    return 1
        return 0


at = sys.argv.index("--")
child = os.fork()  # which is no leader of a group, and so may begin a session
if child:
    sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
sys.exit(Screen(sys.argv[1], sys.argv[at + 1:]).run(sys.argv[2:at]))
