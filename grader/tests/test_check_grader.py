"""Grading the grader: promises are read right, and broken ones are complained about."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from pathlib import Path
from typing import List, Set

import pytest

from grader import check_grader, check_table
from grader.check_grader import Case, all_cases, chosen, headers, judge_case, patched, table
from grader.lab import LabError, all_names, load
from grader.pristine import Pristine
from grader.processes import descendants
from grader.result import Result, Run, Verdict, points_text
from grader.tests.support import needs


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
    assert [case.kind for case in cases[:4]] == ["reference"] * 3 + ["skeleton"]
    assert len({case.recipe for case in cases[:4]}) == 4
    attacks = [case for case in cases if case.kind == "attack"]
    assert len(attacks) >= 15 and all(case.why for case in attacks)
    assert all(case.at_most == load("cow").base for case in attacks)
    assert len({case.name for case in cases}) == len(cases)


def cells(line: str) -> List[str]:
    return [cell.strip() for cell in line.strip("|").split("|")]


@needs("unifdef")
def test_tables_of_the_guide_are_of_these_labs() -> None:
    """Each case is there once, with what it is and the points that it has to have."""
    text = check_table.GUIDE.read_text(encoding="utf-8")
    tables = text.partition(check_table.BEGIN)[2].partition(check_table.END)[0]
    labs = [load(name) for name in all_names()]
    assert [lab.name for lab in labs] == re.findall(r"^\*\*(\w+)\*\* ", tables, re.MULTILINE)
    parts = re.split(r"^\*\*.*$", tables, flags=re.MULTILINE)[1:]
    rows = [[cells(line) for line in part.splitlines() if line[:1] == "|"][2:] for part in parts]
    for lab, found in zip(labs, rows):
        cases = all_cases(lab)
        assert [case.name for case in cases if case.kind == "attack"] == [r[0] for r in rows[-1]]
        cases = [case for case in cases if case.kind != "attack"]
        assert [[case.name, case.why] for case in cases] == [r[:2] for r in found]
        for case, (*_, on_vkernel, on_x86_64, loses) in zip(cases, found):
            for machine, points in zip(lab.machines, (on_vkernel, on_x86_64)):
                tests = case.loses.get(machine, {test.name for test in lab.tests})
                wanted = lab.points - sum(lab.test(name).points for name in tests)
                wanted = lab.base if case.kind == "skeleton" else wanted
                assert points in (points_text(wanted), check_table.UNKNOWN), (case.name, machine)
            for part in loses.split(" / "):  # of each machine, where they differ
                if part not in ("all", "", check_table.UNKNOWN) and case.kind == "mutant":
                    assert set(part.split(", ")) in case.loses.values(), case.name
    for _, _, *points, _ in rows[-1]:
        bases = [points_text(lab.base) for lab in labs for _ in lab.machines]
        assert all(p in ("0", base, check_table.UNKNOWN) for p, base in zip(points, bases))


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


def test_cases_are_chosen_by_name_pattern_and_kind() -> None:
    one = case("mutant")
    for pattern, is_chosen in (("it", True), ("i*", True), ("mutant", True), ("attack", False)):
        assert chosen(one, [pattern]) == is_chosen
    assert chosen(one, []) and chosen(one, ["attack", "it"])
    with pytest.raises(LabError, match="no submission is called nothing"):
        check_grader.check(load("cow"), check_grader.Wishes(["vkernel"], ["nothing"]))


@needs("unifdef")
def test_what_was_judged_is_not_judged_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Unless the case has changed, or the grader, or it is asked for."""
    judged: List[str] = []

    class Counting(Judge):
        identity = "a"
        lab = load("cow")

        def __init__(self, *_: object, **more: object) -> None:
            super().__init__(set())

        def submission(self, source: Path) -> Result:
            judged.append(source.name)
            result = super().submission(source)
            result.grader = self.identity
            return result

    monkeypatch.setattr(check_grader, "KEPT", tmp_path / "kept")
    monkeypatch.setattr(check_grader, "Judge", Counting)
    monkeypatch.setattr(check_grader.pristine, "prepare", lambda *_: Pristine(tmp_path, ""))
    wishes = check_grader.Wishes(["vkernel"], ["reference-2", "08-*"], resumes=True)
    for identity, count in (("a", 2), ("a", 2), ("b", 4)):
        monkeypatch.setattr(Counting, "identity", identity)
        cases = check_grader.check(load("cow"), wishes)
        assert [case.results["vkernel"].earned for case in cases] == [100, 100]
        assert len(judged) == count
        assert not cases[0].complaints and "does not lose" in cases[1].complaints[0]
    check_grader.check(load("cow"), replace(wishes, resumes=False))
    assert len(judged) == 6
    (cow,) = [lab for lab in map(load, all_names()) if lab.name == "cow"]
    known = {case.name: sorted(case.results) for case in check_table.known_cases(cow)}
    assert known["reference-2"] == ["vkernel"] and known["skeleton"] == []
    lines = check_table.section([cow], [check_table.known_cases(cow)]).splitlines()
    assert "| reference-2 | another challenge | 100 | - |  |" in lines
    assert any(line.startswith("| fork_bomb |") and "| - | - | - |" in line for line in lines)
    begin, end = check_table.BEGIN, check_table.END
    assert check_table.replaced(f"a{begin}b{end}c", "d") == f"a{begin}\n\nd\n\n{end}c"
    with pytest.raises(LabError, match="marks are not there"):
        check_table.replaced("a", "new")


def test_load_on_the_host_ends() -> None:
    before = len(descendants(os.getpid()))
    with check_grader.load_on_host(1):
        assert len(descendants(os.getpid())) == before + 1
    assert len(descendants(os.getpid())) == before
