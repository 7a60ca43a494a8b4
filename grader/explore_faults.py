"""`make explore-faults`: let each thing that a command reaches fail once, one run each.

A first run counts allocations, transfers and host processes (kern/fail.c). Since runs with a
seed are repeatable, each of them can then be made to fail. Whatever the command makes of that,
the kernel must neither panic nor hang, must have everything free again that was allocated
(kern/leak.c), and leave a file system that e2fsck finds clean.
"""

from __future__ import annotations

import argparse
import os
import re
import shlex
import subprocess
import sys
import tempfile
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Dict, Iterator, List, Optional, Sequence, Tuple

from grader import image as images
from grader.machine import Outcome, Running, Setup
from grader.options import add_machine_options, machine_setup

KINDS = ("alloc", "page", "disk-read", "disk-write", "stub")
SHOWN = 10  # failures in full


class ExploreError(Exception):
    """Why nothing can be explored, in a sentence for people."""


@dataclass(frozen=True)
class Trial:
    """One run in which something failed, and what was wrong with it: nothing if all is well."""

    fail: str
    status: int
    place: str  # the calls that led to the failure
    wrong: str


@dataclass
class Summary:
    reached: Dict[str, int] = field(default_factory=dict)
    trials: List[Trial] = field(default_factory=list)

    @property
    def failures(self) -> List[Trial]:
        return [trial for trial in self.trials if trial.wrong]


def scratch_folder() -> Optional[str]:
    """Images are copied for each run: into memory, if there is a place for that."""
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


def execute(setup: Setup, timeout: float) -> Tuple[Outcome, List[str]]:
    """Run on a copy of the image; what e2fsck finds wrong with it afterwards."""
    with tempfile.TemporaryDirectory(prefix="duet-", dir=scratch_folder()) as folder:
        image = images.copy(setup.image, Path(folder) / "root.img")
        setup = setup.with_(image=image, writable=True)
        null = subprocess.DEVNULL
        with Running(setup, stdin=null, stdout=null, script=b"") as machine:
            outcome = machine.wait(timeout)
        return outcome, images.check(image) if outcome.ended else []


def judge(outcome: Outcome, damage: Sequence[str], timeout: float) -> str:
    """What is wrong with a run, as text of one or more lines, or nothing."""
    if outcome.hung:
        return f"it hangs: it did not end in {timeout:g} s"
    if outcome.panic is not None:
        return "panic: " + outcome.panic
    if not outcome.ended:
        return f"the machine died\n{outcome.errors}".rstrip()
    leaks = re.findall(r"^leak.*$", outcome.results, re.M)
    if leaks != ["leaks: none"]:
        return "\n".join(leaks) or "the kernel did not check for leaks"
    return "\n".join(damage)


def count(setup: Setup, timeout: float) -> Dict[str, int]:
    """How many there are of each kind when nothing fails."""
    outcome, damage = execute(setup.with_(fail=""), timeout)
    wrong = judge(outcome, damage, timeout)
    if wrong:
        raise ExploreError(f"without any failure: {wrong}")
    line = re.search(r"^reached: (.*)$", outcome.results, re.M)
    if line is None:
        raise ExploreError("the kernel does not count: is it of this version?")
    return {name: int(number) for name, number in re.findall(r"([a-z-]+) (\d+)", line.group(1))}


def attempt(setup: Setup, fail: str, timeout: float) -> Trial:
    outcome, damage = execute(setup.with_(fail=fail), timeout)
    text = outcome.results + outcome.log
    place = re.search(r"^failed: \S+ \d+ in thread '([^']*)':(.*)$", text, re.M)
    wrong = judge(outcome, damage, timeout)
    if place is None and not wrong:
        wrong = "it was not reached: is the run not repeatable?"
    return Trial(fail, outcome.status, f"{place[1]}:{place[2]}" if place else "", wrong)


def explore(
    setup: Setup,
    kinds: Sequence[str] = KINDS,
    jobs: int = 2,
    every: int = 1,
    timeout: float = 60.0,
) -> Summary:
    """Try each K of these kinds, or only one in `every`."""
    setup = setup.with_(kernel_arguments=("check-leaks", *setup.kernel_arguments))
    summary = Summary(count(setup, timeout))
    targets = [f"{kind}:{k + 1}" for kind in kinds for k in range(0, summary.reached[kind], every)]
    with ThreadPoolExecutor(jobs) as pool:
        tries = pool.map(lambda fail: attempt(setup, fail, timeout), targets)
        summary.trials = list(progress(tries, len(targets)))
    return summary


def progress(trials: Iterator[Trial], total: int) -> Iterator[Trial]:
    """Show on a terminal how far it is."""
    wrong = 0
    for number, trial in enumerate(trials, 1):
        wrong += bool(trial.wrong)
        if sys.stderr.isatty():
            end = "\n" if number == total else ""
            text = f"\r{number} of {total} tried, {wrong} went wrong{end}"
            print(text, end="", file=sys.stderr, flush=True)
        yield trial


def status_text(status: int) -> str:
    return f"killed by signal {status - 128}" if 128 < status < 160 else f"status {status}"


def replay_command(setup: Setup, trial: Trial) -> str:
    words = [f"SEED={setup.seed}", f"FAIL={trial.fail}", f"CPUS={setup.cpus}"]
    words += [f"MEM={setup.memory}"] if setup.memory != "128M" else []
    words += ["KERNEL_ARGS=check-leaks", f"CMD={shlex.quote(setup.command or '')}"]
    return "make boot " + " ".join(words)


def report(setup: Setup, summary: Summary) -> str:
    lines = []
    for kind in KINDS:
        tried = [trial for trial in summary.trials if trial.fail.startswith(kind + ":")]
        wrong = sum(1 for trial in tried if trial.wrong)
        ends = Counter(status_text(trial.status) for trial in tried if not trial.wrong)
        text = ", ".join(f"{number} {end}" for end, number in ends.most_common())
        lines.append(
            f"{kind:<11}{summary.reached[kind]:>6} reached {len(tried):>6} tried "
            f"{wrong:>5} wrong   {text}".rstrip()
        )
    for trial in summary.failures[:SHOWN]:
        lines += ["", f"{trial.fail} failed in {trial.place}"]
        lines += ["    " + line for line in trial.wrong.splitlines()]
        lines += ["  " + replay_command(setup, trial)]
    if len(summary.failures) > SHOWN:
        lines += ["", f"and {len(summary.failures) - SHOWN} more"]
    return "\n".join(lines)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="explore-faults", description=__doc__)
    parser.add_argument("--command", required=True)
    parser.add_argument("--kinds", default="", help="of " + ",".join(KINDS))
    parser.add_argument("--jobs", default="")
    parser.add_argument("--every", default="", help="try only one in so many")
    add_machine_options(parser)
    parser.add_argument("--timeout", default="")
    return parser.parse_args()


def main() -> int:
    options = parse_arguments()
    kinds = re.split(r"[ ,]+", options.kinds.strip()) if options.kinds.strip() else list(KINDS)
    unknown = [kind for kind in kinds if kind not in KINDS]
    if unknown:
        print(f"explore-faults: KINDS: {unknown[0]}: not one of {', '.join(KINDS)}")
        return 2
    setup = machine_setup(options, "vkernel", command=options.command)
    if setup.seed is None:
        setup = setup.with_(seed=1)
    try:
        summary = explore(
            setup,
            kinds,
            int(options.jobs or 2),
            int(options.every or 1),
            float(options.timeout or 60),
        )
    except (ExploreError, images.ImageError) as error:
        print(f"explore-faults: {error}")
        return 2
    print(report(setup, summary))
    return 1 if summary.failures else 0


if __name__ == "__main__":
    sys.exit(main())
