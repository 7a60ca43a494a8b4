"""Schedules of a seeded run: running one, what it recorded, and whether it failed.

The kernel numbers its scheduling points (events) and answers each with a choice. A *deviation* is a
choice that is not the preferred one, written AGENT.COUNT:CHOICE; a list of them, together with
the seed, is a schedule and determines the run (docs/determinism.md).
"""

from __future__ import annotations

import os
import re
import select
import subprocess
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Callable, Dict, Iterator, List, Optional, Sequence, Tuple

from grader import image as images
from grader.machine import Setup, SetupError, vkernel_arguments

# Points at which whoever asks cannot go on itself: a switch there is no preemption.
FORCED = ("spin", "relax", "idle")

Schedule = Tuple[str, ...]


def with_schedule(setup: Setup, file: str) -> Setup:
    """With the choices that the file lists (docs/determinism.md), if one is named."""
    if not file:
        return setup
    if setup.machine == "vkernel":
        return setup.with_(options=(*setup.options, "--schedule", str(Path(file).resolve())))
    try:
        word = "schedule=" + "".join(Path(file).read_text().split())
    except OSError as error:
        raise SetupError(f"{file}: {error.strerror}") from None
    return setup.with_(kernel_arguments=(*setup.kernel_arguments, word))


@dataclass(frozen=True)
class Step:
    """A line of the record (kern/schedule_record.c)."""

    event: int
    cpu: int
    point: str  # AGENT.COUNT
    kind: str
    preferred: str
    alternatives: int
    choice: str
    thread: int
    pid: int
    name: str
    about: str
    calls: Tuple[int, ...]

    @staticmethod
    def parse(line: str) -> Step:
        words = line[1:].split("\t")
        calls = tuple(int(word, 16) for word in words[11].split()) if len(words) > 11 else ()
        return Step(
            int(words[0]),
            int(words[1]),
            words[2],
            words[3],
            words[4],
            int(words[5], 16),
            words[6],
            int(words[7]),
            int(words[8]),
            words[9],
            words[10],
            calls,
        )

    @property
    def is_deviation(self) -> bool:
        return self.choice != self.preferred

    @property
    def is_preemption(self) -> bool:
        return self.kind not in FORCED and self.kind != "take"

    def with_choice(self, choice: str) -> str:
        """CPUs are counted from the one that asks: so a choice means the same when others, before
        it, are left out, and the thread comes to run elsewhere."""
        if self.kind != "take" and choice != "w":
            choice = f"{int(choice) - self.cpu:+d}"
        return f"{self.point}:{choice}"

    def other_choices(self) -> List[str]:
        """All that were possible but for the one that was made."""
        bits = [bit for bit in range(64) if self.alternatives >> bit & 1]
        words = ["w" if bit == 63 and self.kind != "take" else str(bit) for bit in bits]
        return [word for word in words if word != self.choice]


@dataclass(frozen=True)
class Failure:
    """What went wrong. Two failures of one kind with the same text are the same one."""

    kind: str
    text: str

    def same(self) -> Tuple[str, str]:
        return self.kind, re.sub(r"0x[0-9a-f]+|\b[0-9a-f]{9,}\b|\d+", "#", self.text)

    def __str__(self) -> str:
        return f"{self.kind}: {self.text}" if self.kind != "panic" else self.text


@dataclass
class Result:
    """What a run left behind."""

    status: int
    output: bytes
    errors: str
    summary: Dict[str, str] = field(default_factory=dict)  # the last lines of the results
    steps: List[Step] = field(default_factory=list)
    leaks: List[str] = field(default_factory=list)
    damage: List[str] = field(default_factory=list)  # what e2fsck says of the root image
    panic: Optional[str] = None
    ended: bool = False
    hung: bool = False

    @property
    def points(self) -> int:
        match = re.match(r"\d+: (\d+) points", self.summary.get("seed", ""))
        return int(match.group(1)) if match else 0

    @property
    def hash(self) -> str:
        return self.summary.get("seed", "").rpartition(" ")[2]

    def schedule(self) -> Schedule:
        return tuple(step.with_choice(step.choice) for step in self.steps if step.is_deviation)

    def crash(self) -> Optional[Failure]:
        """What is a failure whatever the command does."""
        found = re.search(r"(?:ERROR: |WARNING: )?(\w+Sanitizer): ([^\n(]*)", self.errors)
        if found:
            return Failure("sanitizer", f"{found.group(1)}: {found.group(2)}".strip())
        found = re.search(r"(\S+:\d+):\d+: runtime error: ([^\n]*)", self.errors)
        if found:
            return Failure("sanitizer", f"{found.group(1)}: {found.group(2)}")
        if self.panic is not None:
            for kind in ("deadlock", "livelock", "hang"):
                if self.panic.startswith(f"{kind}: "):
                    return Failure(kind, self.panic[len(kind) + 2 :])
            return Failure("panic", f"panic: {self.panic}")
        if self.hung:
            return Failure("hung", "the kernel computes for ever, or waits without saying so")
        if not self.ended:
            return Failure("died", f"the kernel's process ended with status {self.status}")
        return None


def parse_results(text: str, result: Result) -> None:
    for line in text.splitlines():
        if line.startswith("@"):
            result.steps.append(Step.parse(line))
            continue
        key, _, value = line.partition(" ")
        if key == "leak:":
            result.leaks.append(value)
        elif key == "panic":
            result.panic = value
        elif key == "exit" and not result.hung:
            result.ended, result.status = True, int(value)
        result.summary[key] = value


class Runner:
    """Runs schedules of one command, each in a vkernel of its own. With `fsck`, on an image of its
    own, too, which is checked afterwards."""

    def __init__(self, setup: Setup, timeout: float, fsck: bool = False) -> None:
        self.setup = setup
        self.timeout = timeout
        self.fsck = fsck
        self.scratch = tempfile.TemporaryDirectory(prefix="duet-explore-", dir=memory_folder())
        self.count = 0  # runs so far
        self._lock = threading.Lock()
        self._free: List[Path] = []

    def close(self) -> None:
        self.scratch.cleanup()

    def _take_folder(self) -> Path:
        with self._lock:
            self.count += 1
            if self._free:
                return self._free.pop()
            return Path(tempfile.mkdtemp(dir=self.scratch.name))

    def run(
        self, seed: int, words: Sequence[str] = (), schedule: Optional[Schedule] = None
    ) -> Result:
        folder = self._take_folder()
        results, errors = folder / "results", folder / "errors"
        results.write_bytes(b"")
        setup = self.setup.with_(
            seed=seed, kernel_arguments=self.setup.kernel_arguments + tuple(words)
        )
        if schedule is not None:
            (folder / "schedule").write_text(",\n".join(schedule))
            setup = setup.with_(options=setup.options + ("--schedule", str(folder / "schedule")))
        if self.fsck:
            image = images.copy(setup.image, folder / "root.img")
            setup = setup.with_(image=image, writable=True)
        with errors.open("wb") as error_file:
            process = subprocess.Popen(
                vkernel_arguments(setup, None, results),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=error_file,
            )
        try:
            output, hung = read_output(process, self.timeout)
        finally:
            process.kill()
            process.wait()
        text = errors.read_text("utf-8", "replace")
        result = Result(process.returncode, output, text, hung=hung)
        parse_results(results.read_text("utf-8", "replace"), result)
        if self.fsck and result.ended:
            result.damage = images.check(setup.image)
        with self._lock:
            self._free.append(folder)
        return result


def memory_folder() -> Optional[str]:
    """Where small files are cheap, if the host has such a place."""
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


def read_output(process: "subprocess.Popen[bytes]", timeout: float) -> Tuple[bytes, bool]:
    """All that it writes until it ends; and whether that took too long."""
    assert process.stdout is not None
    output, deadline = bytearray(), time.monotonic() + timeout
    with process.stdout as pipe:
        while True:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([pipe], [], [], left)[0]:
                return bytes(output), True
            block = os.read(pipe.fileno(), 65536)
            if not block:
                break
            output += block
    process.wait()
    return bytes(output), False


# --- Where in the source ---------------------------------------------------------------------

# What people do not want to see: the ways from a lock or a sleep to its scheduling point.
MACHINERY = ("spinlock.c", "schedule_point.c", "schedule_point.h", "wait.c", "mutex.c", "sched.c")


class Symbols:
    """Return addresses of the kernel as places in its source."""

    def __init__(self, kernel: Path, addresses: Iterator[int]) -> None:
        self.places: Dict[int, Tuple[str, str]] = {}
        wanted = sorted(set(addresses))
        if not wanted:
            return
        lines = subprocess.run(
            ["addr2line", "-f", "-e", str(kernel)],
            input="".join(f"{address - 1:#x}\n" for address in wanted),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            encoding="utf-8",
        ).stdout.splitlines()
        here = f"{Path.cwd()}/"
        for address, function, place in zip(wanted, lines[::2], lines[1::2]):
            place = place.split(" (discriminator")[0].replace(here, "")
            self.places[address] = (function, place)

    def where(self, step: Step) -> str:
        """The place that a step is about: the first that is not of the machinery."""
        if step.kind in ("user", "trap"):
            return f"{step.name}: the program"
        if step.kind == "idle":
            return "has nothing to do"
        found = [self.places.get(call, ("?", "?")) for call in step.calls]
        files = [Path(place.rpartition(":")[0]).name for _, place in found]
        for (function, place), file in zip(found, files):
            if file not in MACHINERY:
                return f"{function} ({place})"
        return f"{found[0][0]} ({found[0][1]})" if found else "?"


# --- Fewer deviations ------------------------------------------------------------------------


def split(items: Schedule, parts: int) -> List[Schedule]:
    bounds = [len(items) * i // parts for i in range(parts + 1)]
    return [items[a:b] for a, b in zip(bounds, bounds[1:])]


Fails = Callable[[List[Schedule]], Optional[int]]


def shrink(schedule: Schedule, fails: Fails) -> Schedule:
    """A part of the schedule of which no single deviation can be left out. fails(schedules) is the
    index of the first that fails, or None."""
    return minimize(find_needed(schedule, fails), fails)


def find_needed(schedule: Schedule, fails: Fails) -> Schedule:
    """The shortest beginning that fails shows by its last deviation what is needed; then the
    same of what is before that. If few of many are needed, this takes few runs."""
    needed: Schedule = ()
    while True:
        low, high = 0, len(schedule)  # with the first `high` it fails, with less than `low` not
        while low < high:
            tried = sorted({low + (high - low) * i // 3 for i in (1, 2)})
            index = fails([schedule[:count] + needed for count in tried])
            if index is None:
                low = tried[-1] + 1
            else:
                high = tried[index]
                low = tried[index - 1] + 1 if index > 0 else low
        if high == 0:
            return needed
        needed = schedule[high - 1 : high] + needed
        schedule = schedule[: high - 1]


def minimize(schedule: Schedule, fails: Fails) -> Schedule:
    """The delta debugging of Zeller and Hildebrandt (ddmin)."""
    parts = 2
    while len(schedule) >= 2:
        chunks = split(schedule, parts)
        rest = [sum(chunks[:i] + chunks[i + 1 :], ()) for i in range(parts)]
        candidates = chunks + (rest if parts > 2 else [])
        index = fails(candidates)
        if index is None:
            if parts >= len(schedule):
                break
            parts = min(2 * parts, len(schedule))
        else:
            is_chunk = index < len(chunks)
            schedule = candidates[index]
            parts = 2 if is_chunk else max(parts - 1, 2)
            parts = min(parts, max(len(schedule), 2))
    if len(schedule) == 1 and fails([()]) is not None:
        return ()
    return schedule
