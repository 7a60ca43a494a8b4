"""A machine in which /bin/probe does what the host says, command by command (user/bin/probe.c).

It is the machine's first process, so that as little as possible depends on what is tested:

    with duet.probe() as probe:
        probe.do(1, "map", va, 4, "rw")
        probe.do(1, "fork", 2)
        memory = probe.memory()

Between two commands every process waits, so that the memory does not change.
"""

from __future__ import annotations

import queue
import threading
from typing import TYPE_CHECKING, Iterator, List, Optional

from grader.hostile import TEXT_MAX
from grader.machine import Running, Setup
from grader.ram import PAGE, Memory, Ram

if TYPE_CHECKING:
    from grader.labtest import Duet

MASK = (1 << 64) - 1

# The longest answer, and how much may be said in all, where a line counts as LINE_COST at least.
LINE_MAX, LINE_COST = 4096, 64

LOST_HINT = (
    "A process did not answer: it was killed or sleeps for ever. Run the command below and see "
    "which command comes before that, and what `make gdb` says of the process (`duet ps`)."
)


def word_of(key: int, index: int) -> int:
    """The value of word `index` of what `key` names: probe's own function (SplitMix64)."""
    z = (key + (index + 1) * 0x9E3779B97F4A7C15) & MASK
    z = ((z ^ z >> 30) * 0xBF58476D1CE4E5B9) & MASK
    z = ((z ^ z >> 27) * 0x94D049BB133111EB) & MASK
    return z ^ z >> 31


class Contents:
    """What a part of a process's memory should hold: a model, word by word."""

    def __init__(self, pages: int, key: Optional[int] = None) -> None:
        count = pages * PAGE // 8
        self.words = [0] * count if key is None else [word_of(key, i) for i in range(count)]

    def copy(self) -> "Contents":
        other = Contents(0)
        other.words = list(self.words)
        return other

    def put(self, offset: int, value: int) -> None:
        self.words[offset // 8] = value

    def fill(self, offset: int, key: int, words: int) -> None:
        for i in range(words):
            self.words[offset // 8 + i] = word_of(key, i)

    def page(self, number: int) -> bytes:
        words = self.words[number * 512 : (number + 1) * 512]
        return b"".join(word.to_bytes(8, "little") for word in words)

    @property
    def pages(self) -> List[bytes]:
        return [self.page(number) for number in range(len(self.words) * 8 // PAGE)]

    def hash(self) -> str:
        value = 0xCBF29CE484222325
        for word in self.words:
            value = ((value ^ word) * 0x100000001B3) & MASK
        return f"{value:#x}"


class Probe:
    def __init__(self, duet: "Duet", setup: Setup, ram: Ram) -> None:
        self.duet, self.setup, self.ram = duet, setup, ram
        self.said: List[str] = []  # the commands up to now
        self._lines: "queue.Queue[Optional[str]]" = queue.Queue()

    def __enter__(self) -> "Probe":
        self._note_replay()
        self._machine = Running(self.setup)
        threading.Thread(target=self._read, daemon=True).start()
        try:
            first = self._answer("0 start")
            if first != "ok":
                hint = "fork(2) fails at once: map_fork()?"
                self.duet.fail("the first fork to work", first, hint)
        except BaseException:
            self._machine.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._machine.__exit__(*_)

    def _read(self) -> None:
        assert self._machine.process.stdout is not None
        stdout, left = self._machine.process.stdout, TEXT_MAX
        for line in iter(lambda: stdout.readline(LINE_MAX), b""):
            left -= max(len(line), LINE_COST)
            if left < 0:
                self._machine.kill()
                break
            self._lines.put(line.decode("utf-8", "replace").rstrip("\r\n"))
        self._lines.put(None)

    def _note_replay(self) -> None:
        self.duet.note_replay(self.setup.with_(command="; ".join(self.said)))

    def _rest(self) -> Iterator[str]:
        while not self._lines.empty():
            yield self._lines.get() or ""

    def _answer(self, command: str) -> str:
        """The next line, which must be the answer to the command."""
        prefix = " ".join(command.split()[:2]) + ": "
        try:
            line = self._lines.get(timeout=self.duet.hang)
        except queue.Empty:
            self._machine.kill()
            self.duet.check_end(self._machine.verdict(hung=True))
            raise AssertionError("not reached") from None
        if line is None:
            self._machine.process.wait()
            self.duet.check_end(self._machine.verdict())
            self.duet.fail(f"an answer to `{command}`", "the end of the run", LOST_HINT)
        assert line is not None
        if not line.startswith(prefix):
            self.duet.fail(f"an answer to `{command}`", line, LOST_HINT)
        return line[len(prefix) :]

    def ask(self, process: int, verb: str, *arguments: object) -> str:
        """Have a process do something; returns what it says."""
        words = [f"{word:#x}" if isinstance(word, int) else str(word) for word in arguments]
        command = " ".join([str(process), verb, *words])
        self.said.append(command)
        self._note_replay()
        try:
            self._machine.send(command.encode() + b"\n")
        except BrokenPipeError:
            pass
        answer = self._answer(command)
        if answer == "no answer":
            self.duet.fail(f"an answer to `{command}`", "none", LOST_HINT)
        return answer

    def do(self, process: int, verb: str, *arguments: object) -> None:
        """Have a process do something that must work."""
        answer = self.ask(process, verb, *arguments)
        if answer != "ok":
            self.duet.fail(f"`{self.said[-1]}` to work", answer, "Run the command below.")

    def end(self, process: int, parent: int = 1) -> None:
        """Have a process exit, and its parent wait for it."""
        self.do(process, "exit")
        answer = self.ask(parent, "reap")
        if answer != "status 0":
            hint = "A process that does nothing but exit was killed: its memory is broken."
            self.duet.fail("the child to exit with status 0", answer, hint)

    def check_contents(self, process: int, va: int, wanted: Contents, hint: str) -> None:
        """The process must read exactly this at `va`."""
        pages = len(wanted.words) * 8 // PAGE
        answer = self.ask(process, "hash", va, pages)
        if answer != wanted.hash():
            what = f"process {process} to read what it wrote (hash {wanted.hash()})"
            self.duet.fail(what, answer, hint)

    def memory(self) -> Memory:
        return self.ram.look()
