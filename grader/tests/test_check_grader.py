"""Grading the grader: promises are read right, and broken ones are complained about."""

from __future__ import annotations

from pathlib import Path
from typing import Set

import pytest

from grader import check_grader
from grader.check_grader import Case, all_cases, headers, judge_case, patched, table
from grader.lab import LabError, load
from grader.result import Result, Run, Verdict
from grader.tests.support import ROOT, needs


def test_headers_of_patches_and_c_files() -> None:
    patch = "loses: test_a\n  test_b\nloses on x86_64: test_c\nwhy: a mistake\n--- a/x\nwhy: no\n"
    assert headers(patch) == {
        "loses": "test_a test_b",
        "loses on x86_64": "test_c",
        "why": "a mistake",
    }
    assert headers("/*\n * why: prints,\n * and leaves.\n */\nint loses;\n") == {
        "why": "prints, and leaves."
    }


@needs("unifdef")
def test_cases_of_every_kind() -> None:
    cases = all_cases(load("cow"))
    assert [case.kind for case in cases[:2]] == ["reference", "skeleton"]
    attacks = [case for case in cases if case.kind == "attack"]
    assert len(attacks) >= 15 and all(case.why for case in attacks)
    assert all(case.at_most == load("cow").base for case in attacks)
    assert len({case.name for case in cases}) == len(cases)
    guide = (ROOT / "docs" / "instructor.md").read_text()
    assert [case.name for case in attacks if f"| {case.name} |" not in guide] == []


def test_patch_that_does_not_apply_is_said(tmp_path: Path) -> None:
    patch = tmp_path / "wrong.patch"
    patch.write_text("loses: a\n--- a/vm/map.c\n+++ b/vm/map.c\n@@ -1 +1 @@\n-no\n+yes\n")
    with pytest.raises(LabError, match="wrong.patch: does not apply"):
        patched(patch, tmp_path / "in", {"vm/map.c": b"something else\n"})


class Judge:
    """Gives a result that was made before."""

    machines = ("vkernel",)
    lab = load("cow")

    def __init__(self, failed: Set[str], status: str = "failed") -> None:
        tests = [
            Verdict(test.name, test.points, runs=[Run("vkernel", "passed")])
            for test in self.lab.tests
        ]
        for verdict in tests:
            if verdict.name in failed:
                verdict.runs[0].status = status
        self.result = Result("cow", "t", "x", machines=self.machines, tests=tests)

    def submission(self, _source: Path) -> Result:
        return self.result


def complaints(case: Case, judge: Judge, folder: Path) -> str:
    judge_case(case, judge, folder)  # type: ignore[arg-type]
    return "\n".join(case.complaints)


def case(kind: str, **more: object) -> Case:
    return Case("it", kind, "", lambda folder: folder, **more)  # type: ignore[arg-type]


def test_broken_promises_are_complained_about(tmp_path: Path) -> None:
    loses = {"vkernel": {"child_writes"}}
    assert complaints(case("mutant", loses=loses), Judge({"child_writes"}), tmp_path / "a") == ""
    text = complaints(case("mutant", loses=loses), Judge({"parent_writes"}), tmp_path / "b")
    assert "loses also ['parent_writes'], and does not lose ['child_writes']" in text
    assert "earns 100; lab.toml says" in complaints(case("skeleton"), Judge(set()), tmp_path / "c")
    text = complaints(case("attack", at_most=10), Judge(set()), tmp_path / "d")
    assert "earns 100; without the attack it is 10" in text
    text = complaints(case("attack", at_most=99), Judge({"child_writes"}, "error"), tmp_path / "e")
    assert "passes for an error of the infrastructure" in text
    text = complaints(case("attack", at_most=100, status="refused"), Judge(set()), tmp_path / "f")
    assert "is graded" in text and "not refused" in text


def test_table(tmp_path: Path) -> None:
    one = case("mutant", loses={"vkernel": {"child_writes"}})
    judge_case(one, Judge({"child_writes"}), tmp_path)  # type: ignore[arg-type]
    lines = table([one], load("cow"), ["vkernel"])
    assert lines[2] == "| mutant it |  | 90 | child_writes |"


def test_what_was_changed_is_noticed(tmp_path: Path) -> None:
    (tmp_path / "results").write_text("10")
    before = check_grader.fingerprint([tmp_path])
    assert check_grader.fingerprint([tmp_path]) == before
    (tmp_path / "results").write_text("100")
    assert check_grader.fingerprint([tmp_path]) != before
