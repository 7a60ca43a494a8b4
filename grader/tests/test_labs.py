"""The labs: skeletons compile and boot, the reference passes what students see.

What mutants and attacks lose is `make check-grader`'s business.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Dict, List, Optional, Tuple

import pytest

from grader import handout
from grader import lab as labs
from grader.labtest import Duet
from grader.machine import run
from grader.probe import Contents
from grader.ram import PAGE
from grader.tests.support import BUILD, HANG, OUT, ROOT, clean_environment, make_setup, needs

each_lab = pytest.mark.parametrize("lab", labs.all_names())

# What a skeleton does when it is asked for `echo up`: (output, panic).
SKELETON_BOOTS: Dict[str, Tuple[str, Optional[str]]] = {
    "cow": ("up\n", None),
    "pagetable": ("", "cannot run init"),
    "sync": ("up\n", None),
}


def make(*words: str) -> str:
    """Run make; returns what it and the compiler complain about."""
    done = subprocess.run(
        ["make", "-s", *words],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=clean_environment(CC=os.environ.get("CC", "gcc")),
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def run_lab_tests(lab: str, build: Path, folder: Path, *more: str) -> List[Dict[str, str]]:
    results = folder / "results"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "grader.labtest"]
    command += ["-c", "grader/pytest.ini", f"--duet-build={build}", f"--duet-results={results}"]
    subprocess.run(
        [*command, *more, f"labs/{lab}/tests/test_public.py"],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        env=clean_environment(),
    )
    return [json.loads(line) for line in results.read_text().splitlines()]


@each_lab
def test_lab_toml_and_tests_agree(lab: str) -> None:
    config = labs.load(lab)
    assert config.symbol == f"SOL_{lab.upper()}" and config.points == 100
    assert any(f"#if {config.symbol}" in (ROOT / name).read_text() for name in config.files)
    for visibility in ("public", "hidden"):
        text = (ROOT / "labs" / lab / "tests" / f"test_{visibility}.py").read_text()
        there = re.findall(r"^def test_(\w+)\(duet", text, re.MULTILINE)
        assert there == [test.name for test in config.tests if test.visibility == visibility]


@each_lab
def test_lab_is_in_the_list(lab: str) -> None:
    rows = (ROOT / "labs" / "README.md").read_text().splitlines()
    (row,) = [line for line in rows if line.startswith(f"| `{lab}` |")]
    assert [name for name in labs.load(lab).files if f"`{name}`" not in row] == []


@each_lab
def test_reference_passes_public_tests(lab: str, tmp_path: Path) -> None:
    assert make(f"LAB={lab}", "MACHINE=vkernel", "kernels") == ""
    for result in run_lab_tests(lab, BUILD / f"lab-{lab}", tmp_path):
        assert result["outcome"] == "passed", result


@each_lab
def test_skeleton(lab: str, tmp_path: Path) -> None:
    """It compiles without a warning, boots as far as it should, and its failures say why."""
    assert make(f"LAB={lab}", "SKELETON=1", "kernels") == ""
    build = BUILD / f"lab-{lab}-skeleton"
    output, panic = SKELETON_BOOTS[lab]
    for machine in ("vkernel", "x86_64"):
        outcome = run(make_setup(machine, build=build, cpus=1, command="echo up"), timeout=HANG)
        assert outcome.text == output and not outcome.hung, outcome
        assert panic is None or (outcome.panic is not None and panic in outcome.panic)
    results = run_lab_tests(lab, build, tmp_path)
    assert {result["outcome"] for result in results} <= {"passed", "failed"}, results
    failed = [result for result in results if result["outcome"] == "failed"]
    assert len(failed) >= 3
    for result in failed:
        for key in ("expected", "got", "hint", "replay", "replay_gdb"):
            assert result[key], (result["test"], key)
        assert f"LAB={lab} SKELETON=1 " in result["replay"]


@each_lab
@needs("unifdef")
def test_handout(lab: str, tmp_path: Path) -> None:
    """It has no solution, no hidden test and nothing of other labs; it builds and boots."""
    folder = tmp_path / "handout"
    make("handout", f"LAB={lab}", f"OUT={folder}")
    files = [file for file in folder.rglob("*") if file.is_file() and ".git" not in file.parts]
    names = {str(file.relative_to(folder)) for file in files}
    for pattern in ("mutants", "attacks", "hidden", "notes.md", "grader/tests", "solutions"):
        assert not [name for name in names if pattern in name]
    assert {Path(name).parts[1] for name in names if name.startswith("labs/")} == {"labs.mk", lab}
    solution = set(handout.solution_lines(labs.load(lab)))
    assert len(solution) > 10
    for file in files:
        if file.suffix in (".c", ".h", ".S", ".md", ".py", ".mk"):
            text = file.read_text()
            assert not solution & {line.strip() for line in text.splitlines()}, file
            assert "#if SOL_" not in text and "{staff" not in text, file
    config = labs.parse((folder / "labs" / lab / "lab.toml").read_text(), Path(f"{lab}/lab.toml"))
    assert [test.name for test in config.tests if test.is_hidden] == []
    shutil.copytree(BUILD / "vkernel", folder / "build" / "vkernel", copy_function=shutil.copy2)
    assert make("-C", str(folder), "MACHINE=vkernel", "kernels") == ""
    output, panic = SKELETON_BOOTS[lab]
    setup = make_setup("vkernel", build=folder / "build", cpus=1, command="echo up")
    outcome = run(setup, timeout=HANG)
    assert outcome.text == output
    assert panic is None or (outcome.panic is not None and panic in outcome.panic)


@pytest.mark.parametrize("machine", ["vkernel", "x86_64"])
def test_memory_seen_from_outside(machine: str, tmp_path: Path) -> None:
    """What a program wrote is found in the machine's memory, and who maps it in its page tables."""
    duet = Duet(ROOT, BUILD, OUT / "root.img", machine, "cow", "7", 1.0, tmp_path, "a test")
    with duet.probe() as probe:
        va = duet.address()
        probe.do(1, "map", va, 1, "rw")
        probe.do(1, "fill", va, 1, 7)
        page = Contents(1, 7).page(0)
        (mapping,) = probe.memory().mappings(page, va)
        assert mapping.permissions == "rw-" and mapping.frame % PAGE == 0
        assert probe.memory().page(mapping.frame) == page
        probe.do(1, "fork", 2)
        probe.ask(2, "hash", va, 1)
        both = probe.memory().mappings(page, va)
        assert len({found.root for found in both}) == 2
        assert [found.permissions for found in both] == ["r--", "r--"]
        assert probe.memory().walk(mapping.root, va + PAGE) is None
    duet.close()
