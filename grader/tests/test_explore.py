"""Schedules: recorded, replayed and searched (docs/determinism.md)."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import List, Optional

import pytest

from grader.machine import Outcome, run
from grader.schedules import Schedule, Step, shrink
from grader.tests.conftest import Boot
from grader.tests.support import HANG, both_machines, clean_environment, make_setup

WORK = "for i in 1 2 3; do (seq 20 | sort -r | wc -l) & done; wait; ls / | wc -l"


def result_lines(outcome: Outcome) -> List[str]:
    """The results without the record."""
    return [line for line in outcome.results.splitlines() if not line.startswith("@")]


def choices(outcome: Outcome) -> str:
    """The schedule of a recorded run."""
    lines = [line[1:].split("\t") for line in outcome.results.splitlines() if line[:1] == "@"]
    return ",\n".join(f"{line[2]}:{line[6]}" for line in lines if line[4] != line[6])


@pytest.mark.parametrize("strategy", ["random", "random:2", "pct:4:5000"])
def test_a_recorded_schedule_is_the_same_run(strategy: str, tmp_path: Path) -> None:
    setup = make_setup("vkernel", cpus=3, seed=11, command=WORK)
    first = run(setup.with_(kernel_arguments=(f"strategy={strategy}", "record")), timeout=HANG)
    again = run(setup.with_(kernel_arguments=(f"strategy={strategy}",)), timeout=HANG)
    file = tmp_path / "schedule"
    file.write_text(choices(first))
    replayed = run(setup.with_(options=("--schedule", str(file))), timeout=HANG)
    assert first.ended and result_lines(first) == result_lines(again) == result_lines(replayed)
    file.write_text("")
    assert result_lines(run(setup.with_(options=("--schedule", str(file))), timeout=HANG)) != (
        result_lines(first)
    )


def test_a_schedule_may_be_long(tmp_path: Path) -> None:
    """Longer than the command line of a process may be; and what cannot be chosen is ignored."""
    file = tmp_path / "schedule"
    file.write_text(",".join(f"999999.{i}:1" for i in range(100000)))
    setup = make_setup("vkernel", seed=1, command="echo good", options=("--schedule", str(file)))
    assert run(setup, timeout=HANG).text == "good\n"


@both_machines
def test_all_choices_are_recorded(machine: str) -> None:
    words = ("record=all", "schedule=")
    setup = make_setup(machine, seed=1, command="true", kernel_arguments=words)
    outcome = run(setup, timeout=HANG)
    lines = [line[1:].split("\t") for line in outcome.results.splitlines() if line[:1] == "@"]
    assert outcome.ended and len(lines) > 100
    assert {line[3] for line in lines} >= {"lock", "unlock", "user"}
    if machine == "vkernel":  # where one CPU runs at a time
        events = [int(line[0]) for line in lines]
        assert events == sorted(events)
    assert all(line[4] == line[6] for line in lines), "a choice that is not the preferred one"


def test_a_thread_may_have_any_name() -> None:
    command = r"""cd /tmp; f=$(printf 'a\tb\nc'); cp /bin/true "$f"; "./$f" """
    setup = make_setup("vkernel", seed=1, command=command, kernel_arguments=("record=all",))
    outcome = run(setup, timeout=HANG)
    steps = [line for line in outcome.results.splitlines() if line[:1] == "@"]
    names = {Step.parse(line).name for line in steps}
    assert outcome.status == 0 and "a?b?c" in names


def test_the_number_of_points_can_be_bounded() -> None:
    setup = make_setup("vkernel", seed=1, command="true", kernel_arguments=("points=5000",))
    assert run(setup, timeout=HANG).panic == "no end after 5000 scheduling points"


RACES = "echo a | cat; (sleep 1; echo b) | cat & (echo c; echo d) | wc -l; wait"


@pytest.mark.parametrize("point", ["pipe:empty", "wait:before-switch", "wait4:no-news"])
def test_others_are_forced_through_a_point(point: str) -> None:
    """Who is about to sleep is held there until nobody else gets any further."""
    for seed in range(3):
        words = (f"hold={point}", "record", "strategy=random:8")
        setup = make_setup("vkernel", seed=seed, command=RACES, kernel_arguments=words)
        outcome = run(setup, timeout=HANG)
        assert outcome.ended and sorted(outcome.text.split()) == ["2", "a", "b"], outcome.panic
        assert f"\t{point}\t" in outcome.results


# --- The search --------------------------------------------------------------------------------

# Which of two programs is first depends on the schedule: what is wanted is no bug of the kernel's.
TWO = "echo a & echo b; wait"


def explore(**variables: object) -> "subprocess.CompletedProcess[str]":
    words = [f"{name}={value}" for name, value in variables.items()]
    return subprocess.run(
        ["make", "-s", "explore", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        env=clean_environment(),
    )


@pytest.mark.parametrize("strategy", ["random", "pct:4", "bounded:1"])
def test_what_fails_is_shrunk_and_replayed(strategy: str, make_boot: Boot) -> None:
    done = explore(CMD=TWO, SEEDS=1000, STRATEGY=strategy, EXPECT="same")
    assert done.returncode == 1, done.stdout
    assert re.search(r"^output: line 1 of the output is '.', not '.'$", done.stdout, re.M)
    assert re.search(r"^\* 1 choices make it fail", done.stdout, re.M), done.stdout
    marked = re.findall(r"^\* +\d+ +\d +\d+ sh, process \d+ .*", done.stdout, re.M)
    assert len(marked) == 1, done.stdout
    command = re.search(r"^  (make -s replay SEED=.*)$", done.stdout, re.M)
    assert command
    calm = make_boot(CMD=TWO, SEED=1, KERNEL_ARGS="schedule=").stdout
    for _ in range(3):
        replayed = subprocess.run(
            command.group(1), shell=True, stdout=subprocess.PIPE, env=clean_environment()
        )
        assert replayed.stdout.decode() != calm


def test_a_space_is_exhausted() -> None:
    done = explore(CMD=TWO, SEEDS=100, STRATEGY="bounded:0")
    assert done.returncode == 0
    assert re.search(r"^explore: no failure in \d+ schedules", done.stdout), done.stdout
    assert "These are all with at most 0 preemptions: " in done.stdout


def test_a_command_that_always_fails_is_reported() -> None:
    done = explore(CMD="true", KERNEL_ARGS="points=5000")
    assert done.returncode == 1
    assert "panic: no end after 5000 scheduling points" in done.stdout


def test_a_strategy_must_exist() -> None:
    done = explore(CMD="true", STRATEGY="lucky")
    assert done.returncode == 2 and "STRATEGY=lucky: it is random[:N], pct[:D]" in done.stdout


@pytest.mark.parametrize("wanted", [set(), {"3"}, {"0", "77"}, {"5", "6", "7", "50"}])
def test_shrinking_finds_what_is_needed(wanted: set) -> None:
    runs = 0

    def fails(candidates: List[Schedule]) -> Optional[int]:
        nonlocal runs
        runs += len(candidates)
        found = [i for i, candidate in enumerate(candidates) if wanted <= set(candidate)]
        return found[0] if found else None

    assert set(shrink(tuple(map(str, range(100))), fails)) == wanted
    assert runs < 100
