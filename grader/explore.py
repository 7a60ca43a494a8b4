"""`make explore`: run many schedules of one command, and stop at the first that fails.

The command is run once without interference: what it does then is expected. Schedules differ from
it from the first scheduling point of the command on. One that fails is shrunk to the few choices
that matter, and printed with the commands that replay it. Theory in docs/determinism.md.
"""

from __future__ import annotations

import argparse
import itertools
import os
import shlex
import signal
import sys
import time
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Deque, Iterator, List, Optional, Tuple

from grader import image as images
from grader.boot import put_files
from grader.checks import check_memory
from grader.machine import Setup, SetupError
from grader.options import add_machine_options, machine_setup
from grader.schedules import Failure, Result, Runner, Schedule, Step, Symbols, shrink

FOUND, USAGE_ERROR = 1, 2
INTERVALS = (16, 4, 64, 256)  # of the strategy `random`, in turn
DEPTH = 3  # of `pct`
BOUND = 2  # of `bounded`: preemptions
SLACK = 20  # a schedule may take so many times the points of the undisturbed run
LIVELOCK = 300_000  # points without the end of a system call
LAST_STEPS = 8  # shown before a failure


class ExploreError(Exception):
    """What cannot be done, in a sentence for people."""


@dataclass(frozen=True)
class Attempt:
    """A schedule to run: one that a strategy of the kernel makes, or a list."""

    seed: int
    words: Tuple[str, ...] = ()
    schedule: Optional[Schedule] = None
    preemptions: int = 0


@dataclass(frozen=True)
class Expectation:
    """What a run has to be like."""

    status: int
    output: Optional[bytes]  # None: any

    def failure(self, result: Result) -> Optional[Failure]:
        crash = result.crash()
        if crash is not None:
            return crash
        if result.status != self.status:
            return Failure("status", f"exit status {result.status}, not {self.status}")
        if self.output is not None and result.output != self.output:
            return Failure("output", describe_difference(self.output, result.output))
        if result.leaks:
            return Failure("leak", result.leaks[0])
        if result.damage:
            return Failure("file system", result.damage[0])
        return None


def describe_difference(expected: bytes, output: bytes) -> str:
    lines = (expected.splitlines(), output.splitlines())
    for number, (wanted, found) in enumerate(itertools.zip_longest(*lines), 1):
        if wanted != found:
            shown = ["the end" if line is None else repr(line)[1:] for line in (found, wanted)]
            return f"line {number} of the output is {shown[0]}, not {shown[1]}"
    return "the output ends otherwise"


class Explorer:
    """The search for one command: the undisturbed run, then attempts in a pool of workers."""

    def __init__(self, runner: Runner, seed: int, jobs: int) -> None:
        self.runner = runner
        self.seed = seed
        self.jobs = jobs
        self.pool = ThreadPoolExecutor(jobs)
        self.calm = runner.run(seed, ("record=all", "check-leaks"), ())
        self.first = first_event(self.calm.steps)
        self.points = max(self.calm.points - self.first, 1)
        self.choices = max(sum(step.event >= self.first for step in self.calm.steps), 1)
        limit = SLACK * self.calm.points + LIVELOCK
        self.limits = ("check-leaks", f"points={limit}", f"livelock={LIVELOCK}")
        self.expected = Expectation(0, None)

    def run(self, attempt: Attempt) -> Result:
        return self.runner.run(attempt.seed, self.limits + attempt.words, attempt.schedule)

    def search(
        self,
        next_attempt: Callable[[], Optional[Attempt]],
        seen: Callable[[Attempt, Result], None],
    ) -> Optional[Tuple[Attempt, Failure]]:
        """Run attempts until one fails: the first in their order, however the workers go on.
        next_attempt() may have none now, and some when another has been seen."""
        waiting: Deque[Tuple[Attempt, Future[Result]]] = deque()
        while True:
            while len(waiting) < 2 * self.jobs:
                attempt = next_attempt()
                if attempt is None:
                    break
                waiting.append((attempt, self.pool.submit(self.run, attempt)))
            if not waiting:
                return None
            attempt, future = waiting.popleft()
            result = future.result()
            failure = self.expected.failure(result)
            if failure is not None:
                return attempt, failure
            seen(attempt, result)

    def shrink(self, schedule: Schedule, failure: Failure) -> Schedule:
        """The fewest deviations with the same failure."""

        def fails(candidates: List[Schedule]) -> Optional[int]:
            def run(candidate: Schedule) -> bool:
                result = self.run(Attempt(self.seed, schedule=candidate))
                found = self.expected.failure(result)
                return found is not None and found.same() == failure.same()

            for start in range(0, len(candidates), self.jobs):
                batch = candidates[start : start + self.jobs]
                for offset, failed in enumerate(self.pool.map(run, batch)):
                    if failed:
                        return start + offset
            return None

        return shrink(schedule, fails)


def first_event(steps: List[Step]) -> int:
    """Where the command begins: init's child is a shell now."""
    found = [step.event for step in steps if step.pid > 1 and step.name != "init"]
    return found[0] if found else 0


# --- Strategies ------------------------------------------------------------------------------


def generated(explorer: Explorer, strategy: str, count: int) -> Iterator[Attempt]:
    """Strategies of the kernel: a seed a schedule."""
    name, _, parameters = strategy.partition(":")
    for number in range(count):
        if name == "pct":
            word = f"pct:{parameters or DEPTH}:{explorer.choices}"
        else:
            word = f"random:{parameters or INTERVALS[number % len(INTERVALS)]}"
        words = (f"strategy={word}", f"from={explorer.first}")
        yield Attempt(explorer.seed + number, words)


class Bounded:
    """Iterative context bounding (Musuvathi and Qadeer, PLDI 2007): all schedules without a
    preemption, then all with one, and so on. A schedule is a list of deviations; each run shows
    where, behind its last one, another choice could be added."""

    def __init__(self, explorer: Explorer, bound: int, count: int) -> None:
        self.explorer = explorer
        self.bound = bound
        self.count = count
        self.levels: List[Deque[Schedule]] = [deque() for _ in range(bound + 1)]
        self.levels[0].append(())
        self.left_out = 0  # schedules that will not be run: others come before them
        self.done = [0] * (bound + 1)
        self.last: dict[Schedule, int] = {(): explorer.first}

    @property
    def is_exhausted(self) -> bool:
        return not any(self.levels) and self.left_out == 0

    def next_attempt(self) -> Optional[Attempt]:
        level = next((i for i, queue in enumerate(self.levels) if queue), None)
        if level is None or self.count == 0:
            return None
        self.count -= 1
        words = ("record=all", f"from={self.explorer.first}")
        return Attempt(self.explorer.seed, words, self.levels[level].popleft(), level)

    def seen(self, attempt: Attempt, result: Result) -> None:
        assert attempt.schedule is not None
        self.done[attempt.preemptions] += 1
        begin = self.last.pop(attempt.schedule)
        passed = {word.rpartition(":")[0] for word in attempt.schedule}
        for step in result.steps:
            if step.event < begin or step.point in passed:
                continue
            level = attempt.preemptions + step.is_preemption
            if level > self.bound:
                continue
            if sum(map(len, self.levels[: level + 1])) > self.count:
                self.left_out += 1
                continue
            for choice in step.other_choices():
                schedule = attempt.schedule + (step.with_choice(choice),)
                self.last[schedule] = step.event
                self.levels[level].append(schedule)


# --- What is printed -------------------------------------------------------------------------


def interesting(steps: List[Step]) -> List[Optional[Step]]:
    """The deviations, what came right after each, and the last steps; None where some are left
    out."""
    wanted = set(range(max(len(steps) - LAST_STEPS, 0), len(steps)))
    for index, step in enumerate(steps):
        if step.is_deviation:
            wanted |= {index, index + 1}
    shown: List[Optional[Step]] = []
    before = -1
    for index in sorted(wanted & set(range(len(steps)))):
        if index != before + 1:
            shown.append(None)
        shown.append(steps[index])
        before = index
    return shown


def describe_choice(step: Step) -> str:
    if step.kind == "take":
        return "a thread further back is taken"
    if step.choice == "w":
        return "it gives way"
    return f"cpu {step.choice} goes on" if step.choice != str(step.cpu) else "it goes on"


def describe_point(step: Step) -> str:
    if step.about != "-" and step.kind in ("lock", "spin"):
        return f"{'waits for' if step.kind == 'spin' else 'before lock'} '{step.about}'"
    return f"{step.kind} '{step.about}'" if step.about != "-" else step.kind


def table(steps: List[Step], symbols: Symbols) -> List[str]:
    """The interleaving; deviations are marked."""
    rows = [("", "event", "cpu", "thread", "where", "at", "then")]
    for step in interesting(steps):
        if step is None:
            rows.append(("", "...", "", "", "", "", ""))
            continue
        process = f", process {step.pid}" if step.pid else ""
        rows.append(
            (
                "*" if step.is_deviation else "",
                str(step.event),
                str(step.cpu),
                f"{step.thread} {step.name}{process}",
                symbols.where(step),
                describe_point(step),
                describe_choice(step),
            )
        )
    widths = [max(map(len, column)) for column in zip(*rows)]
    return ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]


def replay_commands(setup: Setup, seed: int, file: Path, until: int, extra: str) -> List[str]:
    words = f"SEED={seed} CPUS={setup.cpus} MEM={setup.memory} SCHEDULE={file}{extra}"
    command = f"make -s replay {words} CMD={shlex.quote(setup.command or '')}"
    return [
        f"  {command}",
        f"  {command} TRACE=trace.json",
        f"  {command} UNTIL={until}      (in gdb, just before it fails)",
    ]


def report(
    explorer: Explorer, seed: int, schedule: Schedule, failure: Failure, folder: Path, extra: str
) -> None:
    setup = explorer.runner.setup
    result = explorer.runner.run(seed, explorer.limits + ("record=all",), schedule)
    shown = [s for s in result.steps if s.choice != str(s.cpu) or s.is_deviation]
    shown = [s for s in shown if s.event >= explorer.first and (s.kind != "take" or s.is_deviation)]
    symbols = Symbols(setup.kernel, (call for step in shown for call in step.calls))
    file = folder / "schedule"
    folder.mkdir(parents=True, exist_ok=True)
    file.write_text(",\n".join(schedule) + "\n")
    (folder / "report").write_text(result.errors)
    print(f"\n{failure}\n")
    print("\n".join(table(shown, symbols)))
    print(f"\n* {len(schedule)} choices make it fail; everything else is as usual. ", end="")
    print(f"All that the kernel said: {folder / 'report'}")
    until = max(result.points, 1)
    print("\nTo see it again:")
    print("\n".join(replay_commands(setup, seed, file, until, extra)))


# --- The command -----------------------------------------------------------------------------


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="explore", description=__doc__)
    parser.add_argument("--command", required=True)
    add_machine_options(parser)
    parser.add_argument("--files", default="", help="HOSTPATH:GUESTPATH ...")
    parser.add_argument("--seeds", default="", help="how many schedules (1000)")
    parser.add_argument("--strategy", default="", help="random[:N], pct[:D], bounded[:B]")
    parser.add_argument("--jobs", default="", help="how many at a time (2)")
    parser.add_argument("--expect", default="", help="a file with the output, or `same`")
    parser.add_argument("--fsck", default="", help="1: the root image is checked after each run")
    parser.add_argument("--timeout", default="", help="seconds of the host for a schedule (60)")
    parser.add_argument("--extra", default="", help="variables for the commands that are printed")
    return parser.parse_args()


def number(text: str, default: int, what: str) -> int:
    if not text.strip():
        return default
    if not text.strip().isdigit():
        raise ExploreError(f"{what}={text} is not a number")
    return int(text)


def check_strategy(text: str) -> Tuple[str, Optional[int]]:
    """Its name, and its parameter."""
    name, _, parameter = text.partition(":")
    if name not in ("random", "pct", "bounded") or not (parameter.isdigit() or not parameter):
        raise ExploreError(f"STRATEGY={text}: it is random[:N], pct[:D] or bounded[:B]")
    return name, int(parameter) if parameter else None


def expectation(expect: str, calm: Result) -> Expectation:
    """`expect` is a file with the output, `same`, or empty."""
    output: Optional[bytes] = None
    if expect == "same":
        output = calm.output
    elif expect:
        try:
            output = Path(expect).read_bytes()
        except OSError as error:
            raise ExploreError(f"EXPECT={expect}: {error.strerror}") from None
    return Expectation(calm.status, output)


def found_failure(
    explorer: Explorer, attempt: Attempt, failure: Failure, folder: Path, extra: str
) -> int:
    """Shrink what was found, and report it."""
    runner, schedule = explorer.runner, attempt.schedule
    if schedule is None:
        words = explorer.limits + attempt.words + ("record",)
        schedule = runner.run(attempt.seed, words).schedule()
    explorer.seed = attempt.seed
    before = runner.count
    small = explorer.shrink(schedule, failure)
    tries = runner.count - before
    print(f"explore: {len(schedule)} choices shrunk to {len(small)} in {tries} runs.")
    report(explorer, attempt.seed, small, failure, folder, extra)
    return FOUND


def describe_bounded(search: Bounded) -> str:
    done = ", ".join(f"{n} with {i}" for i, n in enumerate(search.done) if n)
    if search.is_exhausted:
        return f"These are all with at most {search.bound} preemptions: {done}."
    left = sum(map(len, search.levels)) + search.left_out
    return f"Not all: {left} or more are left. Run were, by preemptions: {done}."


def explore(options: argparse.Namespace, runner: Runner) -> int:
    strategy, parameter = check_strategy(options.strategy or "random")
    count = number(options.seeds, 1000, "SEEDS")
    seed = number(options.seed, 1, "SEED")
    explorer = Explorer(runner, seed, max(number(options.jobs, 2, "JOBS"), 1))
    explorer.expected = expectation(options.expect, explorer.calm)
    folder = options.build / "explore"
    failure = explorer.calm.crash() or explorer.expected.failure(explorer.calm)
    if failure is not None:
        print("explore: it fails without any interference, too:", file=sys.stderr)
        report(explorer, seed, (), failure, folder, options.extra)
        return FOUND
    bound = BOUND if parameter is None else parameter
    bounded = Bounded(explorer, bound, count) if strategy == "bounded" else None
    made = generated(explorer, options.strategy or "random", count)
    runs, began = 0, time.monotonic()

    def seen(attempt: Attempt, result: Result) -> None:
        nonlocal runs
        runs += 1
        if bounded:
            bounded.seen(attempt, result)

    found = explorer.search(bounded.next_attempt if bounded else lambda: next(made, None), seen)
    took = time.monotonic() - began
    rate = f"{took:.1f} s, {(runs + 1) / max(took, 0.001):.0f} a second"
    if found is None:
        print(f"explore: no failure in {runs} schedules ({rate}); {explorer.points} points each.")
        if bounded:
            print(describe_bounded(bounded))
        return 0
    print(f"explore: schedule {runs + 1} fails, seed {found[0].seed} ({rate}).")
    return found_failure(explorer, *found, folder, options.extra)


def interrupt(_number: int, _frame: object) -> None:
    raise KeyboardInterrupt


def main() -> int:
    options = parse_arguments()
    for signal_number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(signal_number, interrupt)
    try:
        check_memory("vkernel", options.memory)
        # Each schedule has a seed of its own, from --seed on.
        setup = machine_setup(options, "vkernel", command=options.command, seed=None)
        runner = Runner(setup, float(options.timeout or 60), options.fsck == "1")
        try:
            if options.files.strip():
                copy = images.copy(options.image, Path(runner.scratch.name) / "root.img")
                put_files(copy, options.files)
                runner.setup = setup.with_(image=copy)
            return explore(options, runner)
        finally:
            runner.close()
    except (ExploreError, SetupError, images.ImageError) as error:
        print(f"explore: {error}", file=sys.stderr)
        return USAGE_ERROR
    except KeyboardInterrupt:
        sys.stdout.flush()
        os._exit(128 + signal.SIGINT)  # workers may be waiting for a kernel


if __name__ == "__main__":
    sys.exit(main())
