"""Judging: points are lost by the submission alone, and only what fails twice is lost."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Callable, Dict, List

import pytest

from grader import judge as judge_module
from grader import pristine, sandbox
from grader.batch import Batch, Store
from grader.grade import describe, exit_status, main, report
from grader.judge import Judge, Unbuildable, printable, read_lines, take_kernel
from grader.lab import Lab, LabTest, load
from grader.result import Result, from_json
from grader.tests.support import OUT, ROOT, clean_environment

SOLVED = {name: (ROOT / name).read_bytes() for name in load("cow").files}


@pytest.fixture(scope="module")
def cow() -> Lab:
    return load("cow")


@pytest.fixture(scope="module")
def tree(cow: Lab) -> pristine.Pristine:
    return pristine.prepare(ROOT, cow, ["vkernel"], OUT / "grade")


def hand_in(folder: Path, changes: Dict[str, bytes]) -> Path:
    for name, text in {**SOLVED, **changes}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(text)
    return folder


@pytest.fixture
def judge(cow: Lab, tree: pristine.Pristine) -> Judge:
    return Judge(
        lab=cow,
        machines=["vkernel"],
        image=OUT / "root.img",
        confinement=sandbox.Confinement.probe(),
        pristine=tree,
        only=["child_writes"],
    )


def test_solution_and_skeleton(judge: Judge, tmp_path: Path) -> None:
    solved = judge.submission(hand_in(tmp_path / "solved", {}))
    assert (solved.earned, solved.maximum, solved.status) == (10, 10, "graded"), solved
    assert solved.is_final and exit_status(solved) == 0
    skeleton = judge.submission(judge.pristine.tree)  # type: ignore[union-attr]
    assert skeleton.earned == 0 and skeleton.is_final and exit_status(skeleton) == 1
    run = skeleton.tests[0].runs[0]
    assert (run.status, run.attempts) == ("failed", 2) and run.replay.startswith("make -s boot")
    assert any("replay" in line for line in describe(skeleton.tests[0]))
    again = judge.submission(judge.pristine.tree)  # type: ignore[union-attr]
    assert again.digest == skeleton.digest and again.challenge == skeleton.challenge
    assert (again.tests[0].runs[0].got, again.tests[0].runs[0].replay) == (run.got, run.replay)


def test_disks_are_reached_under_landlock(cow: Lab, judge: Judge, tmp_path: Path) -> None:
    try:
        judge.confinement = sandbox.Confinement.probe("landlock")
    except sandbox.SandboxError as error:
        pytest.skip(str(error))
    judge.only = ["the_system_works"]
    result = judge.submission(hand_in(tmp_path, {}))
    assert result.earned == result.maximum > 0, result.tests


def test_submissions_of_others_need_a_sandbox(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("DUET_SANDBOX", raising=False)
    monkeypatch.setattr(sandbox, "_probe", lambda _: sandbox.Confinement(()))
    words = ["--lab", "cow", "--submission", str(tmp_path), "--cache", str(tmp_path / "cache")]
    assert main(words) == 2 and "neither namespaces" in capsys.readouterr().err


def test_kernel_behind_a_link_is_refused(judge: Judge, cow: Lab, tmp_path: Path) -> None:
    elsewhere = pristine.kernels_of(judge.pristine.tree, cow)  # type: ignore[union-attr]
    kernels = pristine.kernels_of(tmp_path, cow)
    kernels.parent.mkdir(parents=True, exist_ok=True)
    kernels.symlink_to(elsewhere)
    judge.confinement = sandbox.Confinement(())
    (tmp_path / "Makefile").write_text("kernels:\n")
    with pytest.raises(Unbuildable, match="is no kernel"):
        judge._build(tmp_path, tmp_path, judge._empty("x"))


def test_failure_of_the_grader_is_no_verdict(
    judge: Judge, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RecursionError("too deep")

    source = hand_in(tmp_path / "ann", {})
    batch = Batch(judge, Store(tmp_path / "out"))
    for place, name in ((judge_module, "lay_over"), (judge, "submission")):
        with monkeypatch.context() as patch:
            patch.setattr(place, name, fail)
            result, _ = batch.one(source)
        assert (result.status, result.is_final) == ("error", False)
        assert "RecursionError: too deep" in result.message


def test_what_does_not_compile(judge: Judge, cow: Lab, tmp_path: Path) -> None:
    result = judge.submission(hand_in(tmp_path, {cow.files[0]: b"int wrong = ;\n"}))
    assert (result.status, result.earned, result.is_final) == ("unbuildable", 0, True)
    assert f"{cow.files[0]}:1" in result.output
    assert any("it does not compile" in line for line in report(result, cow, "make grade"))


HOSTILE_SOURCES = {
    "reads a file": b'#include "/etc/passwd"\n',
    "takes in a file": b'__asm__(".incbin \\"/etc/hostname\\"");\n',
    "reads a test": f'#include "{ROOT}/labs/cow/tests/test_hidden.py"\n'.encode(),
}


@pytest.mark.parametrize("what", HOSTILE_SOURCES)
def test_compiler_sees_nothing_else(judge: Judge, cow: Lab, tmp_path: Path, what: str) -> None:
    if not judge.confinement.is_sufficient:
        pytest.skip("this host hides no files")
    text = HOSTILE_SOURCES[what] + SOLVED[cow.files[0]]
    result = judge.submission(hand_in(tmp_path, {cow.files[0]: text}))
    assert result.status == "unbuildable"
    refusals = ("No such file", "file not found", "Permission denied")
    assert any(refusal in result.output for refusal in refusals), result.output


def test_huge_macro_ends_the_build(
    judge: Judge, cow: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits = sandbox.Limits(memory=100 << 20, data=200 << 20, cpu=5.0, seconds=60.0)
    monkeypatch.setattr("grader.judge.BUILD_LIMITS", limits)
    lines = ["#define a0 1,1,1,1,1,1,1,1"]
    lines += [f"#define a{n} " + ",".join([f"a{n - 1}"] * 8) for n in range(1, 12)]
    text = "\n".join([*lines, "int huge[] = {a11};", ""]).encode()
    result = judge.submission(hand_in(tmp_path, {cow.files[0]: text}))
    assert (result.status, result.earned) == ("unbuildable", 0), result.message


def test_what_may_not_be_handed_in(judge: Judge, cow: Lab, tmp_path: Path) -> None:
    hand_in(tmp_path, {})
    (tmp_path / cow.files[0]).unlink()
    (tmp_path / cow.files[0]).symlink_to("/etc/passwd")
    result = judge.submission(tmp_path)
    assert (result.status, result.earned) == ("refused", 0)
    assert "a symbolic link" in result.message


# --- Failures, errors, and runs that do not agree ------------------------------------------------

SCRIPTED = '''
from pathlib import Path
COUNT = Path({count!r})

def attempt(name):
    path = COUNT / name
    path.write_text(path.read_text() + "x" if path.exists() else "x")
    return len(path.read_text())

def test_fails_once(duet):
    duet.check(1, 0 if attempt("once") == 1 else 1, "hint")

def test_fails(duet):
    attempt("fails")
    duet.fail("this", "that", "do it")

def test_error_twice(duet):
    if attempt("error") < 3:
        raise RuntimeError("no memory")

def test_error_always(duet):
    raise RuntimeError("no memory")

def test_error_and_failure(duet):
    if attempt("mixed") == 1:
        raise RuntimeError("no memory")
    duet.fail("this", "that", "do it")

def test_never_ends(duet):
    import time
    attempt("endless")
    time.sleep(1000)

def test_kills_pytest(duet):
    import os
    if attempt("kill") == 1:
        os._exit(1)
'''


def scripted(judge: Judge, folder: Path, names: List[str]) -> Judge:
    """The judge with tests that behave as their names say."""
    (folder / "tests").mkdir(parents=True)
    shutil.copy(judge.lab.folder / "lab.toml", folder)
    text = SCRIPTED.format(count=str(folder))
    (folder / "tests" / "test_public.py").write_text(text)
    tests = tuple(LabTest(name, 4) for name in names)
    return replace(judge, lab=replace(judge.lab, folder=folder, tests=tests), only=[])


def statuses(result: Result) -> Dict[str, str]:
    return {verdict.name: verdict.status for verdict in result.tests}


def test_only_what_fails_twice_is_lost(judge: Judge, tmp_path: Path) -> None:
    names = ["fails_once", "fails", "error_twice", "error_and_failure", "not_there"]
    result = scripted(judge, tmp_path / "lab", names).submission(hand_in(tmp_path / "in", {}))
    assert statuses(result) == {
        "fails_once": "passed",
        "fails": "failed",
        "error_twice": "passed",
        "error_and_failure": "failed",
        "not_there": "error",
    }
    assert not result.is_final and exit_status(result) == 3
    assert result.flags == ["fails_once: vkernel: runs with the same seed did not agree"]
    assert (tmp_path / "lab" / "fails").read_text() == "xx"
    assert from_json(result.to_json()) == result


def test_death_of_the_harness_costs_nothing(judge: Judge, tmp_path: Path) -> None:
    names = ["kills_pytest", "fails_once"]
    result = scripted(judge, tmp_path / "lab", names).submission(hand_in(tmp_path / "in", {}))
    assert statuses(result) == {"kills_pytest": "passed", "fails_once": "passed"}


def test_endless_test_is_lost_and_those_behind_it_are_not(
    judge: Judge, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("grader.judge.TEST_SECONDS", 1.0)
    monkeypatch.setattr("grader.judge.PATIENCE_MAX", 2.0)
    judge = scripted(judge, tmp_path / "lab", ["never_ends", "fails"])
    result = judge.submission(hand_in(tmp_path / "in", {}))
    assert statuses(result)["never_ends"] == "failed"
    assert result.test("never_ends").runs[0].message == "the test did not come to its end"


def test_host_in_trouble_is_nobodys_failure(
    judge: Judge, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("grader.judge._Bench._is_host_fit", lambda *_: False)
    judge = scripted(judge, tmp_path / "lab", ["fails", "error_twice"])
    result = judge.submission(hand_in(tmp_path / "in", {}))
    assert statuses(result) == {"fails": "error", "error_twice": "passed"}
    text = "\n".join(report(result, judge.lab, "make grade"))
    assert "no fault of the submission" in text and "not final" in text


# --- Small parts --------------------------------------------------------------------


def test_lines_that_were_cut_off_are_no_results(tmp_path: Path) -> None:
    path = tmp_path / "lines"
    path.write_text('{"test": "a", "outcome": "passed"}\n{"test": "b", "outc')
    assert [name for name, _ in read_lines(path, "vkernel")] == ["a"]


def test_text_of_a_kernel_cannot_drive_a_terminal() -> None:
    assert printable("a\x1b[2Jb\x07\n\tc") == "a?[2Jb?\n\tc"
    assert printable("x" * 30_000).endswith("[cut off here]")


NO_KERNELS = [lambda path: path.symlink_to("/bin/true"), os.mkfifo, lambda path: path.mkdir()]


@pytest.mark.parametrize("make", NO_KERNELS)
def test_only_a_file_is_a_kernel(tmp_path: Path, make: Callable[[Path], None]) -> None:
    make(tmp_path / "duet")
    with pytest.raises(Exception):
        take_kernel(tmp_path / "duet", tmp_path / "taken")
    assert not (tmp_path / "taken").exists()


def test_missing_files_are_the_skeletons(judge: Judge, cow: Lab, tmp_path: Path) -> None:
    hand_in(tmp_path, {})
    for name in cow.files[1:]:
        (tmp_path / name).unlink()
    (tmp_path / cow.files[0]).write_bytes(
        (judge.pristine.tree / cow.files[0]).read_bytes()  # type: ignore[union-attr]
    )
    result = judge.submission(tmp_path)
    assert result.earned == 0 and "the skeleton's are used" in result.message


def test_pristine_tree_holds_no_solution_and_no_test(tree: pristine.Pristine, cow: Lab) -> None:
    assert cow.symbol not in "".join((tree.tree / name).read_text() for name in cow.files)
    assert not list(tree.tree.rglob("test_*.py")) and not (tree.tree / "user/bin").exists()


def test_wrong_use_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    for words, complaint in (
        (["--lab", "nonsense", "--submission", "x"], "there is no lab 'nonsense'"),
        (["--lab", "cow", "--machine", "vax", "--build", "build"], "vax is no machine"),
        (["--lab", "cow", "--build", "build", "--only", "nothing"], "has no test 'nothing'"),
        (["--lab", "cow"], "say --submission PATH or --build FOLDER"),
    ):
        assert main(words) == 2
        assert complaint in capsys.readouterr().err


def test_tests_of_two_files_run_together(judge: Judge, tmp_path: Path) -> None:
    judge = replace(judge, only=["child_writes", "permissions"])
    assert len({place.partition("::")[0] for place in judge.places(judge.only)}) == 2
    result = judge.submission(hand_in(tmp_path, {}))
    assert statuses(result) == {"child_writes": "passed", "permissions": "passed"}


def test_make_grade(tmp_path: Path) -> None:
    words = ["make", "-s", "grade", "LAB=cow", "ONLY=child_writes"]
    done = subprocess.run(
        words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=clean_environment()
    )
    assert done.returncode == 0, done.stdout
    assert "10 of 10 points on vkernel" in done.stdout and "confined by:" in done.stdout
    words += [f"SUBMISSION={tmp_path / 'nothing'}"]
    done = subprocess.run(
        words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=clean_environment()
    )
    assert done.returncode == 1 and "there is nothing of this name" in done.stdout
