"""Packages hold what the platforms want, no solution, and work where they are unpacked."""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import subprocess
import tarfile
import zipfile
from pathlib import Path
from typing import Dict, List

import pytest

from grader import handout, package
from grader.lab import load
from grader.tests.support import ROOT, clean_environment, needs
from grader.tests.test_grade import hand_in

# Whole runs build everything anew: make check-grader does them.
slow = pytest.mark.skipif("DUET_SLOW" not in os.environ, reason="make check-grader runs it")


def make(name: str, target: Path) -> Path:
    assert package.main(["--lab", "cow", "--format", name, "--to", str(target)]) == 0
    return target


def sh_is_sound(*scripts: Path) -> None:
    for script in scripts:
        assert os.access(script, os.X_OK), script
        subprocess.run(["sh", "-n", str(script)], check=True)


def unzip(archive: Path, target: Path) -> None:
    with zipfile.ZipFile(archive) as packed:
        for entry in packed.infolist():
            path = Path(packed.extract(entry, target))
            path.chmod(entry.external_attr >> 16 & 0o777 or 0o755)


@needs("unifdef")
def test_gradescope_package(tmp_path: Path) -> None:
    make("gradescope", tmp_path / "out")
    unzip(tmp_path / "out" / "cow.zip", tmp_path / "source")
    root = tmp_path / "source"
    assert {path.name for path in root.iterdir()} == {"setup.sh", "run_autograder", "duet"}
    sh_is_sound(root / "setup.sh", root / "run_autograder")
    assert (root / "run_autograder").read_text().startswith("#!")
    lab = load("cow")
    texts = "".join((root / "duet" / name).read_text() for name in lab.files)
    assert lab.symbol not in texts
    assert (root / "duet/labs/cow/tests/test_hidden.py").is_file()
    assert 'visibility = "hidden"' in (root / "duet/labs/cow/lab.toml").read_text()
    for name in ("mutants", "attacks", "notes.md"):
        assert not list(root.rglob(name)), name


@needs("unifdef")
def test_other_packages(tmp_path: Path) -> None:
    autolab = make("autolab", tmp_path / "autolab")
    with tarfile.open(autolab / "autograde.tar") as archive:
        assert {"duet", "setup", "run", "duet/Makefile"} <= set(archive.getnames())
    assert "\t@./run" in (autolab / "autograde-Makefile").read_text()
    learn = make("prairielearn", tmp_path / "learn")
    info = json.loads((learn / "question/info.json").read_text())
    assert info["gradingMethod"] == "External" and info["externalGradingOptions"]["enabled"]
    assert info["externalGradingOptions"]["timeout"] <= 600
    assert re.fullmatch(r"[0-9a-f-]{36}", info["uuid"])
    names = [Path(name).name for name in load("cow").files]
    assert ", ".join(names) in (learn / "question/question.html").read_text()
    sh_is_sound(learn / "image/run", learn / "image/setup")
    hub = make("github", tmp_path / "hub")
    flow = (hub / "classroom.yml").read_text()
    assert "DUET_RESULTS" in flow and "runners: duet" in flow and "${{ vars" in flow
    sh_is_sound(hub / "grader/run", hub / "grader/setup")
    plain = make("plain", tmp_path / "plain")
    sh_is_sound(plain / "grade", plain / "setup")


def test_wrong_use_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    for name, target, complaint in (
        ("moodle", "x", "FORMAT=moodle: must be one of gradescope"),
        ("plain", "full", "is there already, and not empty"),
    ):
        words = ["--lab", "cow", "--format", name, "--to", str(tmp_path / target)]
        assert package.main(words) == 2
        assert complaint in capsys.readouterr().err


def run(words: List[str], folder: Path, **more: str) -> "subprocess.CompletedProcess[str]":
    environment = clean_environment(DUET_NO_INSTALL="1", **more)
    pipe = subprocess.PIPE
    return subprocess.run(
        words, cwd=folder, env=environment, stdout=pipe, stderr=pipe, text=True, timeout=900
    )


def solutions() -> Dict[str, bytes]:
    """What a student hands in who has solved the handout."""
    symbols = {name: True for name in handout.solution_symbols(handout.tree_files())}
    texts = {name: (ROOT / name).read_text() for name in load("cow").files}
    return {name: handout.strip_solutions(texts[name], symbols).encode() for name in texts}


@slow
def test_packages_work_where_they_are_unpacked(tmp_path: Path) -> None:
    base = tmp_path / "autograder"
    make("gradescope", tmp_path / "gradescope")
    unzip(tmp_path / "gradescope" / "cow.zip", base / "source")
    handed_in = hand_in(base / "submission", solutions())
    done = run(["./setup.sh"], base / "source")
    assert done.returncode == 0, done.stderr
    shutil.copy(base / "source/run_autograder", base)
    done = run(["./run_autograder"], base, AUTOGRADER=str(base))
    table = json.loads((base / "results/results.json").read_text())
    assert sum(test["score"] for test in table["tests"]) == load("cow").points, done.stdout
    built = base / "source/duet/build"

    def share(folder: Path) -> None:
        """What the setup has made is the same in all packages."""
        shutil.copytree(built, folder / "build", symlinks=True)

    plain = make("plain", tmp_path / "plain")
    share(plain / "duet")
    done = run(["./grade", str(base / "submission"), "result.json"], plain)
    assert done.returncode == 0 and "100 of 100 points" in done.stdout, done.stderr
    learn = make("prairielearn", tmp_path / "learn") / "image"
    share(learn / "duet")
    student = tmp_path / "grade/student"
    student.mkdir(parents=True)
    for name in load("cow").files:
        shutil.copy(handed_in / name, student)
    run(["./run"], learn, GRADE=str(tmp_path / "grade"))
    table = json.loads((tmp_path / "grade/results/results.json").read_text())
    assert table["gradable"] is True and table["score"] == 1.0
    hub = make("github", tmp_path / "hub") / "grader"
    share(hub / "duet")
    run(["./run", str(base / "submission")], hub, GITHUB_OUTPUT=str(tmp_path / "output"))
    text = (tmp_path / "output").read_text().strip().partition("=")[2]
    assert json.loads(base64.b64decode(text))["status"] == "pass"
    autolab = make("autolab", tmp_path / "autolab")
    (autolab / "autograde-Makefile").rename(autolab / "Makefile")
    with tarfile.open(autolab / "handin.tar", "w") as archive:
        for name in load("cow").files:
            archive.add(handed_in / name, name)
    done = run(["make", "-s"], autolab)
    scores: Dict[str, float] = json.loads(done.stdout.splitlines()[-1])["scores"]
    assert sum(scores.values()) == load("cow").points, done.stdout + done.stderr
