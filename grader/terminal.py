"""A machine on a pseudo-terminal, as a person sees it: type, and wait for what appears."""

from __future__ import annotations

import os
import pty
import select
import termios
import time
from types import TracebackType
from typing import Optional, Type

from grader.machine import Outcome, Running, Setup


class NotSeen(AssertionError):
    """What was waited for did not appear."""


class Terminal:
    """Boot a machine whose console is a pseudo-terminal of our own."""

    def __init__(self, setup: Setup, patience: float = 20.0) -> None:
        self.patience = patience
        self.master, self.slave = pty.openpty()
        self.settings = termios.tcgetattr(self.slave)
        self.seen = ""
        self.machine = Running(
            setup, stream=False, stdin=self.slave, stdout=self.slave, stderr=self.slave
        )

    def __enter__(self) -> Terminal:
        return self

    def __exit__(
        self,
        kind: Optional[Type[BaseException]],
        error: Optional[BaseException],
        trace: Optional[TracebackType],
    ) -> None:
        self.machine.__exit__(kind, error, trace)
        os.close(self.master)
        os.close(self.slave)

    def type(self, text: str) -> None:
        os.write(self.master, text.encode())

    def expect(self, text: str) -> str:
        """Wait until `text` appears; return everything up to its end, and forget it."""
        deadline = time.monotonic() + self.patience
        while text not in self.seen:
            left = max(0.0, deadline - time.monotonic())
            ready, _, _ = select.select([self.master], [], [], left)
            if not ready:
                log = self.machine.log()[-2000:]
                raise NotSeen(f"waited for {text!r}, saw {self.seen!r}\n{log}")
            self.seen += os.read(self.master, 4096).decode("utf-8", "replace")
        end = self.seen.index(text) + len(text)
        before, self.seen = self.seen[:end], self.seen[end:]
        return before

    def type_until(self, text: str, expected: str, pause: float = 1.0) -> str:
        """Type `text` again and again until `expected` appears."""
        patience, self.patience = self.patience, pause
        deadline = time.monotonic() + patience
        try:
            while True:
                self.type(text)
                try:
                    return self.expect(expected)
                except NotSeen:
                    if time.monotonic() > deadline:
                        raise
        finally:
            self.patience = patience

    def wait(self) -> Outcome:
        return self.machine.wait(self.patience)

    def is_restored(self) -> bool:
        """Has the terminal the settings that it had before the machine was started?"""
        return termios.tcgetattr(self.slave) == self.settings
