"""`make bench-grader`: what grading costs.

The reference of lab cow is graded on one processor, its build included, on each machine; then a
class that consists of the reference, the skeleton and all mutants is graded as a batch on two, and
graded again, which the cache answers. Each line says how long it took, how much processor time
all processes had together (which other people's load does not change much), the most memory they
had at a time (proportional set size), and how loaded the host was.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import List, Sequence, Set

from grader import pristine
from grader.check_grader import all_cases
from grader.lab import ROOT, load
from grader.processes import descendants

LAB = "cow"
INTERVAL = 0.05
PROCESSORS = 2


@dataclass(frozen=True)
class Cost:
    seconds: float
    processor: float
    memory: int  # bytes
    load: float

    def __str__(self) -> str:
        return (
            f"{self.seconds:.1f} s, {self.processor:.1f} s of processor time, "
            f"{self.memory >> 20} MiB (load {self.load:.1f})"
        )


def memory_of(process: int) -> int:
    """What a process and all below it have in memory; what they share counts once."""
    total = 0
    for number in descendants(process):
        try:
            text = Path(f"/proc/{number}/smaps_rollup").read_text()
        except OSError:
            continue  # it has ended
        total += sum(int(line.split()[1]) << 10 for line in text.splitlines() if line[:4] == "Pss:")
    return total


def measure(words: Sequence[str], processors: Set[int]) -> Cost:
    """Run it to the end on these processors."""
    load_before = os.getloadavg()[0]
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    most = 0
    done = threading.Event()
    with subprocess.Popen(
        words,
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        preexec_fn=lambda: os.sched_setaffinity(0, processors),
    ) as process:

        def watch() -> None:
            nonlocal most
            while not done.wait(INTERVAL):
                most = max(most, memory_of(process.pid))

        watcher = threading.Thread(target=watch)
        watcher.start()
        _, errors = process.communicate()
        done.set()
        watcher.join()
    seconds = time.monotonic() - started
    if process.returncode not in (0, 1):
        sys.exit(f"bench-grader: {' '.join(words)} failed:\n{errors.decode()}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Cost(seconds, spent, most, load_before)


def grade_one(machine: str, source: Path) -> Cost:
    words = [sys.executable, "-m", "grader", "grade", "--lab", LAB, "--machine", machine]
    first = min(os.sched_getaffinity(0))
    return measure([*words, "--submission", str(source)], {first})


def make_class(folder: Path) -> List[str]:
    """The names of the submissions, which it writes into the folder."""
    for case in all_cases(load(LAB)):
        if case.kind != "attack":
            case.make(folder / case.name)
    return sorted(path.name for path in folder.iterdir())


def grade_class(source: Path, out: Path) -> Cost:
    words = [sys.executable, "-m", "grader", "batch", str(source), "--lab", LAB]
    words += ["--out", str(out), "--jobs", str(PROCESSORS)]
    return measure(words, set(sorted(os.sched_getaffinity(0))[:PROCESSORS]))


def main(words: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="grader bench_grader", description=__doc__)
    parser.parse_args(words)
    lab = load(LAB)
    for machine in lab.machines:  # what all submissions share is built once
        pristine.prepare(ROOT, lab, [machine], ROOT / "build" / "grade")
    with tempfile.TemporaryDirectory(prefix="duet-bench-") as scratch:
        names = make_class(Path(scratch) / "in")
        for machine in lab.machines:
            cost = grade_one(machine, Path(scratch) / "in" / "reference")
            print(f"{LAB} on {machine}, one processor: {cost}", flush=True)
        out = Path(scratch) / "out"
        cost = grade_class(Path(scratch) / "in", out)
        rate = 3600 / cost.seconds * len(names)
        quiet = 3600 / cost.processor * PROCESSORS * len(names)
        print(f"batch of {len(names)} on {PROCESSORS} processors: {cost}")
        print(f"    {rate:.0f} an hour; {quiet:.0f} if it had had both for itself")
        print(f"the same again, from the cache: {grade_class(Path(scratch) / 'in', out)}")
    return 0
