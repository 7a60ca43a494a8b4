"""lab.toml and the result type: what is wrong is said with its place; a result survives JSON."""

from __future__ import annotations

from pathlib import Path

import pytest

from grader.lab import LabError, all_names, load, parse
from grader.result import Result, Run, Verdict, from_json, points_text

FILE = Path("labs/sample/lab.toml")

GOOD = """
title = "A sample"
symbol = "SOL_SAMPLE"
files = ["vm/map.c", "vm/map.h"]
base = 1
[limits]
memory = "64M"
[[test]]
name = "first"
points = 4
goal = "It works."
[[test]]
name = "second"
points = 2.5
visibility = "hidden"
goal = "It works well."
machines = ["vkernel"]
"""


def test_lab_is_read() -> None:
    lab = parse(GOOD, FILE)
    assert (lab.name, lab.title, lab.points, lab.base) == ("sample", "A sample", 6.5, 1)
    assert lab.files == ("vm/map.c", "vm/map.h")
    assert lab.limits.memory == "64M" and lab.limits.cpus == 2
    assert lab.test("second").is_hidden and not lab.test("first").is_hidden
    assert [test.name for test in lab.tests_on("x86_64")] == ["first"]


@pytest.mark.parametrize(
    "before, after, complaint",
    [
        ("title =", "titel =", "title: is missing"),
        ('"A sample"', "7", "title: is 7; it must be a text"),
        ("points = 4", "points = -4", "test[1].points: is -4"),
        ("points = 4", "points = true", "test[1].points: is True"),
        ("points = 4", "points = 4\npoint = 4", "test[1].point: is no key that is known"),
        ('"hidden"', '"secret"', "test[2].visibility: 'secret' is none of"),
        ('"second"', '"first"', "test: 'first' is there twice"),
        ('"second"', '"../x"', "test[2].name: '../x' must be a name"),
        ('["vkernel"]', '["vax"]', "test[2].machines: 'vax' is none of"),
        ('"vm/map.h"', '"../map.h"', "files: '../map.h' must be a plain path"),
        ('"vm/map.h"', '"Makefile"', "files: 'Makefile': students edit C"),
        ('"vm/map.h"', '"vm/map.c"', "files: names something twice"),
        ('"64M"', '"64 MB"', "limits.memory: '64 MB' is not a size"),
        ("base = 1", "base = 10", "6.5 points in all, 10 for the skeleton"),
        ("base = 1", "base = ", "line 5"),
    ],
)
def test_mistake_in_a_lab_is_said_with_its_place(before: str, after: str, complaint: str) -> None:
    with pytest.raises(LabError) as caught:
        parse(GOOD.replace(before, after, 1), FILE)
    assert str(FILE) in str(caught.value) and complaint in str(caught.value)


def test_unknown_lab_names_those_there_are() -> None:
    with pytest.raises(LabError, match="there is no lab 'nonsense'; there are: "):
        load("nonsense")
    with pytest.raises(LabError, match="there is no lab"):
        load("../labs")


@pytest.mark.parametrize("name", all_names())
def test_every_lab_is_sound(name: str) -> None:
    lab = load(name)
    assert lab.points > 0


def sample_result() -> Result:
    passed = Verdict("first", 4, runs=[Run("vkernel", "passed"), Run("x86_64", "passed")])
    mixed = Verdict("second", 2.5, "hidden", runs=[Run("vkernel", "passed")])
    mixed.runs.append(Run("x86_64", "failed", expected="1", got="2", points=0.5, is_unstable=True))
    machines = ("vkernel", "x86_64")
    return Result("sample", "A sample", "somebody", machines=machines, tests=[passed, mixed])


def test_points_are_lost_where_one_machine_fails() -> None:
    result = sample_result()
    assert [test.status for test in result.tests] == ["passed", "failed"]
    assert (result.earned, result.maximum, result.is_final) == (4.5, 6.5, True)
    assert result.tests[1].worst is result.tests[1].runs[1]
    assert result.flags == ["second: x86_64: runs with the same seed did not agree"]


def test_error_is_no_failure_and_makes_the_result_provisional() -> None:
    result = sample_result()
    result.tests[0].runs[1].status = "error"
    assert result.tests[0].status == "error" and not result.is_final
    assert result.tests[0].earned == 0


def test_result_survives_json() -> None:
    result = sample_result()
    assert from_json(result.to_json()) == result
    for wrong in ("{}", "[]", '{"format": 99}', "not json"):
        with pytest.raises(ValueError):
            from_json(wrong)


def test_points_are_written_without_needless_digits() -> None:
    assert [points_text(points) for points in (10, 2.5, 0, 1 / 3)] == ["10", "2.5", "0", "0.33"]
