"""Schedules: recorded, replayed and searched (docs/determinism.md)."""

from __future__ import annotations

from pathlib import Path
from typing import List

import pytest

from grader.machine import Outcome, run
from grader.tests.support import HANG, both_machines, make_setup

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


def test_the_number_of_points_can_be_bounded() -> None:
    setup = make_setup("vkernel", seed=1, command="true", kernel_arguments=("points=5000",))
    assert run(setup, timeout=HANG).panic == "no end after 5000 scheduling points"
