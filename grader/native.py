"""Parts of a student's kernel as an ordinary program that does what the host says.

    with duet.native("labs/pagetable/public/pmap_script.c") as script:
        assert script.ask("lookup", va) == "0"

The unit (grader/units.py) is the grader's own; the sources that it names come from the tree that
is tested. Each command is a line, and so is each answer. Compiler and program run in the sandbox
that the grader asks for: they see the tested tree and a folder of their own, and nothing of the
grader's tree but the unit.
"""

from __future__ import annotations

import queue
import re
import shutil
import subprocess
import threading
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, List, Optional, Tuple

from grader import hostile, sandbox, units
from grader.ram import Memory

if TYPE_CHECKING:
    from grader.labtest import Duet

DUMP_MAX = 64 << 20
LINE_MAX = 1 << 16
TEXT_MAX = 16 << 20
GRACE = 5.0
NUMBER = re.compile(r"(0x)?[0-9a-f]{1,16}")  # what a word of 64 bits holds

CRASH_HINT = (
    "The program was stopped by AddressSanitizer, by a check of the kernel's, or by a signal. The "
    "trace says where; replay it in gdb with a breakpoint there."
)


class Native:
    def __init__(self, duet: "Duet", unit: str) -> None:
        self.duet, self.unit = duet, unit
        self.said: List[str] = []
        self.folder = duet.scratch / "native"
        self.folder.mkdir()
        self.program = self.folder / "program"
        self._confinement = sandbox.from_environment()
        self._lines: "queue.Queue[Optional[str]]" = queue.Queue()

    def _confined(self, words: List[str], cwd: Path) -> List[str]:
        if self._confinement is None:
            return words
        return self._confinement.command(
            words,
            readable=[self.duet.tree],
            writable=[self.folder],
            # AddressSanitizer reserves 16 TiB of addresses; `memory` still limits what is used.
            limits=replace(sandbox.limits_from_environment(), data=1 << 46),
            cwd=cwd,
        )

    def _build(self) -> None:
        flags = ["-DSOL_" + self.duet.lab.upper() + "=0"] if self.duet.is_skeleton else []
        unit = self.folder / Path(self.unit).name
        shutil.copy(units.ROOT / self.unit, unit)
        words = units.compiler(unit, self.program, flags, self.duet.tree)
        done = subprocess.run(
            self._confined(words, self.duet.tree),
            cwd=self.duet.tree,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
        if done.returncode != 0 or not self.program.exists():
            hint = "Run the command below: the compiler says what it does not understand."
            self.duet.fail("the files to compile", "errors", hint, done.stdout[:4000])

    def _note_replay(self) -> None:
        variables = self.duet.variables()
        built = "build" + (f"/{self.duet.build.name}" if variables else "")
        program = f"{built}/unit/{Path(self.unit).with_suffix('')}"
        commands = "; ".join(self.said)
        start = f"make -s units {variables}UNIT={self.unit}; echo '{commands}' | tr ';' '\\n'"
        self.duet.replay = f"{start} | {program}"
        self.duet.replay_gdb = f"{start} > in; gdb {program} -ex 'run < in'"

    def __enter__(self) -> "Native":
        self._note_replay()
        self._build()
        self.errors = open(self.duet.scratch / "errors", "w+b")
        self.process = subprocess.Popen(
            self._confined([str(self.program)], self.folder),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.errors,
        )
        threading.Thread(target=self._read, daemon=True).start()
        try:
            self.first = self._numbers("the start", self._answer("the start"))[0]
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End it; whoever launched it confined is asked first, and cleans up."""
        self.process.terminate()
        try:
            self.process.wait(GRACE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.errors.close()

    def _read(self) -> None:
        """Lines, as long as they are such as the unit writes."""
        assert self.process.stdout is not None
        total = 0
        for line in iter(lambda: self.process.stdout.readline(LINE_MAX), b""):  # type: ignore
            total += len(line)
            if total > TEXT_MAX:
                self.process.terminate()
                break
            self._lines.put(line.decode("utf-8", "replace").rstrip("\n"))
        self._lines.put(None)

    def _answer(self, command: str) -> str:
        try:
            line = self._lines.get(timeout=self.duet.hang)
        except queue.Empty:
            hint = "It loops for ever: stop it in gdb with ^C, and look at `bt`."
            self.duet.fail(f"an answer to `{command}`", "silence", hint)
        if line is None or line.startswith("panic: "):
            self.process.terminate()
            self.errors.seek(0)
            report = self.errors.read(8000).decode("utf-8", "replace")
            got = line or "the end of the program"
            self.duet.fail(f"an answer to `{command}`", got, CRASH_HINT, report)
        assert line is not None
        return line

    def ask(self, verb: str, *arguments: object) -> str:
        words = [f"{word:x}" if isinstance(word, int) else str(word) for word in arguments]
        command = " ".join([verb, *words])
        self.said.append(command)
        self._note_replay()
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(command.encode() + b"\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            pass
        return self._answer(command)

    def number(self, verb: str, *arguments: object) -> int:
        return self.numbers(verb, *arguments)[0]

    def numbers(self, verb: str, *arguments: object) -> List[int]:
        """The answer as hexadecimal numbers, one at least."""
        answer = self.ask(verb, *arguments)
        return self._numbers(f"`{self.said[-1]}`", answer)

    def _numbers(self, what: str, answer: str) -> List[int]:
        words = answer.split()
        if not words or not all(NUMBER.fullmatch(word) for word in words):
            self.duet.fail(f"numbers from {what}", answer[:200], CRASH_HINT)
        return [int(word, 16) for word in words]

    def dump(self) -> Tuple[Memory, int]:
        """The program's memory as it wrote it to a file, and the number it answered with it."""
        file = self.folder / "memory"
        start, number = (self.numbers("dump", file) + [0])[:2]
        return Memory({start: hostile.read_bytes(file, DUMP_MAX)}), number
