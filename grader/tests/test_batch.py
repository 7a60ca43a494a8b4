"""Judging a class: nothing is done twice, nothing is lost, and the reports say what is so."""

from __future__ import annotations

import csv
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import List

import pytest

from grader import html_report, regrade
from grader.batch import Store, csv_text
from grader.processes import processes_with
from grader.result import Result, Run, Verdict, load
from grader.tests.support import ROOT, needs, wait_for
from grader.tests.test_grade import SOLVED, hand_in

HOSTILE = "</pre><script>document.title='stolen'</script>"


def sample(name: str, failed: bool, **more: object) -> Result:
    run = Run("vkernel", "failed" if failed else "passed", message=HOSTILE, seconds=1.5)
    tests = [Verdict("first", 4, goal="It works.", runs=[run])]
    tests += [Verdict("second", 6, runs=[Run("vkernel", "passed")])]
    result = Result("sample", "A sample", name, machines=("vkernel",), tests=tests)
    result.digest, result.grader = ("a" if failed else "b") * 64, "g"
    for key, value in more.items():
        setattr(result, key, value)
    return result


def run_batch(source: Path, out: Path, *words: str) -> List[str]:
    command = [sys.executable, "-m", "grader", *(words or ("batch",)), str(source), "--lab", "cow"]
    return [*command, "--out", str(out), "--jobs", "1", "--only", "child_writes"]


@pytest.fixture
def submissions(tmp_path: Path) -> Path:
    """Three that differ, one that is the same as another, and one that is refused."""
    folder = tmp_path / "in"
    name = next(iter(SOLVED))
    for number in range(3):
        text = SOLVED[name] + f"/* {number} */\n".encode()
        hand_in(folder / f"s{number}", {name: text})
    shutil.copytree(folder / "s0", folder / "same")
    (folder / "empty").mkdir()
    return folder


def test_killed_batch_goes_on_where_it_was(submissions: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    with subprocess.Popen(run_batch(submissions, out), cwd=ROOT, stderr=-3) as batch:
        wait_for(lambda: bool(list((out / "cache").glob("*.json"))) or batch.poll() is not None)
        assert batch.poll() is None
        batch.send_signal(signal.SIGKILL)
    first = list((out / "cache").glob("*.json"))[0]
    written = first.stat().st_mtime_ns
    again = subprocess.run(
        run_batch(submissions, out), cwd=ROOT, stderr=subprocess.PIPE, text=True, timeout=600
    )
    assert again.returncode == 0, again.stderr
    assert first.stat().st_mtime_ns == written
    names = sorted(path.stem for path in (out / "results").glob("*.json"))
    assert names == ["empty", "s0", "s1", "s2", "same"]
    assert len(list((out / "cache").glob("*.json"))) == 3
    results = {name: load(out / "results" / f"{name}.json") for name in names}
    assert [results[name].earned for name in names] == [0, 10, 10, 10, 10]
    assert results["empty"].status == "refused"
    assert results["same"].digest == results["s0"].digest
    rows = list(csv.reader((out / "results.csv").read_text().splitlines()))
    assert rows[1][:5] == ["empty", "0", "10", "yes", "refused"] and len(rows) == 6
    wait_for(lambda: not processes_with(str(submissions)))
    third = subprocess.run(
        run_batch(submissions, out), cwd=ROOT, stderr=subprocess.PIPE, text=True, timeout=600
    )
    assert "4 as before" in third.stderr


def test_batch_says_what_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "none").mkdir()
    for folder, complaint in (("none", "no submissions"), ("missing", "is no folder")):
        command = run_batch(tmp_path / folder, tmp_path / "out")
        done = subprocess.run(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)
        assert done.returncode == 2 and complaint in done.stderr


def test_regrade_shows_what_changes_before_it_counts(tmp_path: Path) -> None:
    store, new = Store(tmp_path), Store(tmp_path / "regrade")
    for name, before, after in (("ann", True, False), ("ben", False, False)):
        store.keep(sample(name, before))
        new.keep(sample(name, after))
    new.keep(sample("cem", False))
    found = regrade.changes(store.results(), new.results())
    assert regrade.describe(found) == [
        "ann: 6 -> 10 points",
        "    first: failed 0 -> passed 4",
        "cem: new",
    ]
    assert regrade.changes(store.results(), store.results()) == []
    old = regrade.publish(store, new)
    assert [result.earned for result in store.results()] == [10, 10, 10]
    assert load(old / "ann.json").earned == 6


def test_what_is_not_final_is_not_kept(tmp_path: Path) -> None:
    store, result = Store(tmp_path), sample("ann", True)
    result.tests[1].runs[0].status = "error"
    store.keep(result)
    assert store.find(result.digest, "g") is None and store.path("ann").exists()
    store.keep(sample("ann", True))
    assert store.find(result.digest, "g") is not None
    assert store.find(result.digest, "another grader") is None


def test_table_holds_no_formulas() -> None:
    rows = list(csv.reader(csv_text([sample("=cmd()", False)]).splitlines()))
    assert rows[0][:3] == ["submission", "points", "of"] and rows[0][6:] == ["first", "second"]
    assert rows[1] == ["'=cmd()", "10", "10", "yes", "graded", "", "4", "6"]
    for name in ("\t=cmd()", "\r=cmd()", "@cmd"):
        assert "'" + name in csv_text([sample(name, False)])


def test_report_escapes_what_submissions_made() -> None:
    text = html_report.page("A <lab>", [sample(HOSTILE, True)])
    assert "<script>document" not in text and "A &lt;lab&gt;" in text
    assert not re.search(r"(src|href)=\"(?!#)", text)  # needs nothing else


def shown(page: Path, target: str) -> str:
    """Which parts of the page a browser shows."""
    command = ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom"]
    command += [f"--user-data-dir={page.parent / 'profile'}", f"file://{page}{target}"]
    done = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=300
    )
    found = re.search(r'<body data-shown="([^"]*)"', done.stdout)
    assert found is not None, done.stderr[-2000:]
    assert "<title>A sample</title>" in done.stdout
    return found.group(1)


@needs("chromium")
def test_report_in_a_browser(tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    results = [sample("ann", True), sample("ben & cem", False)]
    page.write_text(html_report.page("A sample", results))
    assert shown(page, "") == "all"
    assert shown(page, "#submission-ann") == "submission-ann"
    assert shown(page, "#submission-ben%2520%2526%2520cem") == "submission-ben%20%26%20cem"
