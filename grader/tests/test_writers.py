"""The formats of the platforms: what their documents ask for, and what must not leak into them."""

from __future__ import annotations

import base64
import json
import re
import xml.etree.ElementTree as xml
from pathlib import Path
from typing import Any, Dict

import pytest

from grader import writers
from grader.result import Result, Run, Verdict

SECRET = "the answer is 42"


def sample() -> Result:
    """Passed, failed with all that a failure can have, partial, and failed but hidden."""
    run = Run("vkernel", "failed", message="a: <b> & \"c\"", expected="1: 0x1", got="2")
    run.hint, run.trace, run.replay = "look: there", "cpu 0:\n    fault\x1b[2J\n", "make -s boot"
    hidden = Run("vkernel", "failed", message=SECRET, expected=SECRET, got=SECRET, hint=SECRET)
    hidden.trace = hidden.replay = hidden.replay_gdb = SECRET
    tests = [
        Verdict("first", 4, goal="It works.", runs=[Run("vkernel", "passed", seconds=0.5)]),
        Verdict("second", 2.5, goal="It: works.", runs=[run]),
        Verdict("third", 3, "hidden", "It works in secret.", runs=[hidden]),
        Verdict("fourth", 2, runs=[Run("vkernel", "failed", points=1, suspicious="claims")]),
    ]
    return Result("sample", "A sample", "ann", machines=("vkernel",), tests=tests, seconds=3.2)


def broken() -> Result:
    result = sample()
    result.tests[0].runs[0].status = "error"
    return result


def unbuildable() -> Result:
    result = sample()
    result.status, result.message, result.output = "unbuildable", "it does not compile", "x.c:1"
    for verdict in result.tests:
        verdict.runs = [Run("vkernel", "failed", message=result.message)]
    return result


@pytest.mark.parametrize("name", [name for name in writers.ALL if name != "native"])
@pytest.mark.parametrize("result", [sample(), unbuildable()])
def test_hidden_tests_leak_nothing(name: str, result: Result) -> None:
    text = writers.ALL[name](result)
    if name == "github":
        text = base64.b64decode(text.partition("=")[2]).decode()
    assert SECRET not in text and "third" in text


# --- Gradescope: "Output Format" -----------------------------------------------------------------

GRADESCOPE_TOP = {"score", "execution_time", "output", "output_format", "test_output_format"}
GRADESCOPE_TOP |= {"test_name_format", "visibility", "stdout_visibility", "extra_data", "tests"}
GRADESCOPE_TOP |= {"leaderboard"}
GRADESCOPE_TEST = {"score", "max_score", "status", "name", "name_format", "number", "output"}
GRADESCOPE_TEST |= {"output_format", "tags", "visibility", "extra_data"}
VISIBILITIES = {"hidden", "after_due_date", "after_published", "visible"}


def test_gradescope() -> None:
    table: Dict[str, Any] = json.loads(writers.gradescope(sample()))
    assert set(table) <= GRADESCOPE_TOP and "tests" in table
    assert isinstance(table["execution_time"], int) and table["stdout_visibility"] in VISIBILITIES
    for test in table["tests"]:
        assert set(test) <= GRADESCOPE_TEST
        assert test["status"] in ("passed", "failed") and test["visibility"] in VISIBILITIES
        assert 0 <= test["score"] <= test["max_score"] and test["output_format"] == "text"
    assert [test["score"] for test in table["tests"]] == [4, 0, 0, 1]
    assert [test["visibility"] for test in table["tests"]].count("after_published") == 1
    assert "look: there" in table["tests"][1]["output"]
    assert "it does not compile" in json.loads(writers.gradescope(unbuildable()))["output"]


# --- Autolab: the last line, and the parser that finds keys by their colons ----------------------


def as_autolab_reads(line: str) -> Any:
    """What Autolab does before it parses: every word before a colon gets quotes."""
    return json.loads(re.sub(r"([a-zA-Z0-9]+):", r'"\1":', line))


def test_autolab() -> None:
    lines = writers.autolab(sample()).splitlines()
    last = as_autolab_reads(lines[-1])
    assert last["scores"] == {"first": 4, "second": 0, "third": 0, "fourth": 1}
    assert last["scoreboard"] == [5]
    feedback = as_autolab_reads(lines[-2])
    assert feedback["_presentation"] == "semantic" and feedback["stages"] == ["Build", "Test"]
    assert feedback["Build"] == {"compile": {"passed": True}}
    assert feedback["Test"]["first"] == {"passed": True}
    assert feedback["Test"]["second"] == {"passed": False, "hint": "look - there"}
    assert as_autolab_reads(writers.autolab(unbuildable()).splitlines()[-2])["Build"] == {
        "compile": {"passed": False}
    }


# --- PrairieLearn: "External Grading" ------------------------------------------------------------


def test_prairielearn() -> None:
    table = json.loads(writers.prairielearn(sample()))
    assert table["gradable"] is True and table["score"] == pytest.approx(5 / 11.5)
    known = {"name", "description", "points", "max_points", "message", "output", "images"}
    for test in table["tests"]:
        assert set(test) <= known and {"name", "points", "max_points"} <= set(test)
    unfit = json.loads(writers.prairielearn(broken()))
    assert unfit["gradable"] is False and isinstance(unfit["format_errors"], list)


def test_prairielearn_stays_below_its_limit() -> None:
    result = sample()
    run = result.tests[1].runs[0]
    result.tests = [
        Verdict(f"t{number}", 1, runs=[Run("vkernel", "failed", trace="x" * 20000)])
        for number in range(200)
    ]
    assert run and len(writers.prairielearn(result).encode()) <= 1 << 20


# --- GitHub Classroom: what classroom-resources/autograding-grading-reporter reads ---------------


def test_classroom() -> None:
    line = writers.step_output(sample())
    name, _, text = line.rstrip("\n").partition("=")
    table = json.loads(base64.b64decode(text))
    assert name == "result" and "\n" not in text
    assert table["version"] == 1 and table["status"] == "fail" and table["max_score"] == 11.5
    assert [test["status"] for test in table["tests"]] == ["pass", "fail", "fail", "fail"]
    assert sum(test["score"] for test in table["tests"]) == 5
    keys = {"name", "status", "score", "message", "test_code", "filename", "line_no", "duration"}
    assert all(set(test) == keys for test in table["tests"])
    assert json.loads(writers.classroom(broken()))["status"] == "error"


# --- JUnit --------------------------------------------------------------------


def test_junit() -> None:
    suite = xml.fromstring(writers.junit(sample())).find("testsuite")
    assert suite is not None
    counts = [suite.get(key) for key in ("tests", "failures", "errors", "skipped")]
    assert counts == ["4", "3", "0", "0"]
    cases = suite.findall("testcase")
    assert [case.get("name") for case in cases] == ["first", "second", "third", "fourth"]
    failure = cases[1].find("failure")
    assert failure is not None and failure.get("message") == 'a: <b> & "c"'
    assert failure.text is not None and "fault" in failure.text and "\x1b" not in failure.text
    points = cases[1].find("properties/property[@name='points']")
    assert points is not None and points.get("value") == "0"
    errors = xml.fromstring(writers.junit(broken())).find("testsuite")
    assert errors is not None and errors.get("errors") == "1"
    assert errors.find("testcase/error") is not None


# --- All --------------------------------------------------------------------


def test_what_is_not_final_gives_no_points(tmp_path: Path) -> None:
    for name in ("gradescope", "autolab"):
        path = tmp_path / name
        path.write_text("of an earlier attempt")
        writers.write(name, broken(), path)
        assert not path.exists(), name
    writers.write("gradescope", sample(), tmp_path / "results.json")
    assert json.loads((tmp_path / "results.json").read_text())["tests"]
