"""The guest's console, while gdb has the terminal.

The machine gets a pseudo-terminal as its console. What it writes there appears on gdb's output.
While the machine runs, what is typed goes to it key by key, but for ^C, which stops the machine and
gives the terminal back to gdb.
"""

from __future__ import annotations

import atexit
import os
import pty
import select
import signal
import sys
import termios
import threading
from fcntl import ioctl
from typing import Callable, List, Optional

import gdb

INTERRUPT_KEY = b"\x03"


def _start_thread(work: Callable[[], None]) -> None:
    """Start a thread that takes no signals: they are for gdb's own."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    threading.Thread(target=work, daemon=True).start()
    signal.pthread_sigmask(signal.SIG_SETMASK, before)


class Console:
    """A pseudo-terminal, and the threads that connect it with gdb's terminal."""

    def __init__(self, interrupt: Callable[[], None]) -> None:
        self.interrupt = interrupt
        self.master, self.slave = pty.openpty()
        self.path = os.ttyname(self.slave)
        self.saved: Optional[List[object]] = None  # gdb's terminal, while the guest has it
        self.wake_in, self.wake_out = os.pipe()
        self.output_lock = threading.Lock()
        self.has_keys = threading.Event()
        self.has_given_back = threading.Event()
        self.is_terminal = sys.stdin is not None and os.isatty(0)
        if self.is_terminal:
            ioctl(self.slave, termios.TIOCSWINSZ, ioctl(0, termios.TIOCGWINSZ, bytes(8)))
            gdb.events.cont.connect(lambda _: self.give_keys())
            gdb.events.stop.connect(lambda _: self.take_keys())
            gdb.events.exited.connect(lambda _: self.take_keys())
            atexit.register(self.take_keys)
            _start_thread(self.relay_keys)
        gdb.events.stop.connect(lambda _: self.drain())
        gdb.events.exited.connect(lambda _: self.drain())
        atexit.register(self.drain)
        _start_thread(self.relay_output)

    def pass_on(self) -> bool:
        """Pass on what the machine has written; False when there is nothing (any more)."""
        with self.output_lock:
            if not select.select([self.master], [], [], 0)[0]:
                return False
            os.write(1, os.read(self.master, 4096))
            return True

    def relay_output(self) -> None:
        while True:
            select.select([self.master], [], [])
            self.pass_on()

    def drain(self) -> None:
        """What was written before the machine stopped appears before gdb goes on."""
        while self.pass_on():
            pass

    # --- Keys --------------------------------------------------------------------------------

    def give_keys(self) -> None:
        """The machine runs: keys are the guest's."""
        if self.saved is not None:
            return
        self.saved = termios.tcgetattr(0)
        mode = termios.tcgetattr(0)
        mode[0] &= ~(termios.ICRNL | termios.IXON)
        mode[3] &= ~(termios.ICANON | termios.ECHO | termios.ISIG | termios.IEXTEN)
        termios.tcsetattr(0, termios.TCSANOW, mode)
        self.has_given_back.clear()
        self.has_keys.set()

    def take_keys(self) -> None:
        """The machine has stopped: keys are gdb's."""
        if self.saved is None:
            return
        self.has_keys.clear()
        os.write(self.wake_out, b"x")
        self.has_given_back.wait()
        termios.tcsetattr(0, termios.TCSANOW, self.saved)
        self.saved = None

    def relay_keys(self) -> None:
        while True:
            self.has_keys.wait()
            while self.has_keys.is_set():
                ready, _, _ = select.select([0, self.wake_in], [], [])
                if self.wake_in in ready:
                    os.read(self.wake_in, 1)
                    break
                data = os.read(0, 1024)
                if INTERRUPT_KEY in data:
                    self.interrupt()
                data = data.replace(INTERRUPT_KEY, b"")
                if data:
                    os.write(self.master, data)
            self.has_given_back.set()
