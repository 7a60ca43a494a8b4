"""A result in the formats that platforms read.

Each writer is a function of the result alone. What they have in common: a student sees of a
hidden test its name and points and no more; flags for staff go where students do not look; and
text of the submission's own making is cleaned, since some platforms parse what they print.

Sources: Gradescope's autograder documentation, "Output Format"; Autolab's "Guide for Lab Authors"
and "Formatted Feedback"; PrairieLearn's "External Grading"; classroom-resources/autograding-
grading-reporter on GitHub; the JUnit XML that pytest and Jenkins share.
"""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Callable, Dict, List
from xml.sax.saxutils import escape, quoteattr

from grader.result import (
    BROKEN,
    ERROR,
    FAILED,
    GRADED,
    PASSED,
    REFUSED,
    Result,
    Run,
    Verdict,
    points_text,
    write_whole,
)

# Of a text of a single test, and of a whole file where a platform has a limit, in bytes.
TEXT_MAX = 8000
PRAIRIELEARN_MAX = 1 << 20


class NotFinal(Exception):
    """The infrastructure failed, and this format has no way to say so: nothing is written, which
    the platform shows to staff as a failure of the autograder."""


def explanation(verdict: Verdict) -> str:
    """What a student reads of a test."""
    run = verdict.worst
    if run is None or run.status == PASSED:
        return verdict.goal
    if verdict.is_hidden:
        return "A hidden test."
    parts = [("", verdict.goal), ("expected: ", run.expected), ("got: ", run.got)]
    if not run.expected and not run.got:
        parts.append(("", run.message))
    parts += [("hint: ", run.hint), ("trace:\n", run.trace)]
    parts += [("replay: ", run.replay), ("in gdb: ", run.replay_gdb)]
    text = "\n".join(head + text.rstrip() for head, text in parts if text)
    return text if len(text) <= TEXT_MAX else text[:TEXT_MAX] + "\n[cut off here]"


def heading(result: Result) -> str:
    """The submission as a whole: empty if all is well."""
    if result.status == GRADED:
        return result.message
    text = f"{result.message}\n{result.output}".strip()
    return text if len(text) <= TEXT_MAX else text[:TEXT_MAX] + "\n[cut off here]"


# --- Gradescope ----------------------------------------------------------------------------


def gradescope(result: Result) -> str:
    """results.json."""
    if not result.is_final:
        raise NotFinal
    tests: List[Dict[str, object]] = []
    for number, verdict in enumerate(result.tests, 1):
        tests.append(
            {
                "name": verdict.name,
                "number": str(number),
                "score": verdict.earned,
                "max_score": verdict.maximum,
                "status": "passed" if verdict.status == PASSED else "failed",
                "output": explanation(verdict),
                "output_format": "text",
                "visibility": "after_published" if verdict.is_hidden else "visible",
                "extra_data": {"suspicious": verdict.suspicious},
            }
        )
    return _json(
        {
            "output": heading(result) or f"{result.title}: graded on {', '.join(result.machines)}",
            "output_format": "text",
            "execution_time": round(result.seconds),
            "stdout_visibility": "hidden",
            "tests": tests,
            "extra_data": _provenance(result),
        }
    )


# --- Autolab ---------------------------------------------------------------------------------


def without_colons(text: str) -> str:
    """Autolab's parser takes a word before a colon for a key, wherever it stands."""
    return text.replace(":", " -")


def autolab(result: Result) -> str:
    """Standard output: the feedback for people, then two lines of JSON; the last has the scores."""
    if not result.is_final:
        raise NotFinal
    lines = [heading(result)] if heading(result) else []
    for verdict in result.tests:
        points = f"{points_text(verdict.earned)}/{points_text(verdict.maximum)}"
        lines += [f"{verdict.name}: {points}"]
        if verdict.status != PASSED:
            lines += ["    " + line for line in explanation(verdict).splitlines()]
    stages: Dict[str, object] = {"_presentation": "semantic", "stages": ["Build", "Test"]}
    is_built = result.status == GRADED
    stages["Build"] = {"compile": {"passed": is_built}}
    stages["Test"] = {
        verdict.name: {
            "passed": verdict.status == PASSED,
            **({} if verdict.status == PASSED else {"hint": without_colons(_hint(verdict))}),
        }
        for verdict in result.tests
    }
    scores = {verdict.name: verdict.earned for verdict in result.tests}
    lines += [json.dumps(stages), json.dumps({"scores": scores, "scoreboard": [result.earned]})]
    return "\n".join(lines) + "\n"


def _hint(verdict: Verdict) -> str:
    run = verdict.worst
    if verdict.is_hidden or run is None:
        return "A hidden test."
    return (run.hint or run.message or verdict.goal).split("\n")[0]


# --- PrairieLearn ------------------------------------------------------------------------------


def prairielearn(result: Result) -> str:
    """results.json; what is not gradable costs no attempt."""
    if not result.is_final or result.status in (BROKEN, REFUSED):
        reason = result.message or "the infrastructure failed; please submit again"
        return _json({"gradable": False, "message": reason, "format_errors": [reason]})
    tests = [
        {
            "name": verdict.name,
            "description": verdict.goal,
            "points": verdict.earned,
            "max_points": verdict.maximum,
            "output": explanation(verdict) if verdict.status != PASSED else "",
        }
        for verdict in result.tests
    ]
    table: Dict[str, object] = {
        "gradable": True,
        "score": result.earned / result.maximum if result.maximum else 0.0,
        "message": f"{points_text(result.earned)} of {points_text(result.maximum)} points",
        "output": heading(result),
        "tests": tests,
    }
    text = _json(table)
    if len(text.encode()) > PRAIRIELEARN_MAX:
        for test in tests:
            test["output"] = "[too long]"
        text = _json(table)
    return text


# --- GitHub Classroom --------------------------------------------------------------------------


def classroom(result: Result) -> str:
    """The result that the grading reporter wants, as JSON; step_output() wraps it for a step."""
    texts = {PASSED: "pass", FAILED: "fail", ERROR: "error"}
    tests = [
        {
            "name": verdict.name,
            "status": texts[verdict.status],
            "score": verdict.earned,
            "message": explanation(verdict),
            "test_code": (verdict.worst.replay if verdict.worst and not verdict.is_hidden else ""),
            "filename": "",
            "line_no": 0,
            "duration": round(verdict.seconds * 1000),
        }
        for verdict in result.tests
    ]
    status = "error" if not result.is_final else "pass"
    if result.is_final and result.earned < result.maximum:
        status = "fail"
    return _json({"version": 1, "status": status, "max_score": result.maximum, "tests": tests})


def step_output(result: Result) -> str:
    """The line for $GITHUB_OUTPUT."""
    return "result=" + base64.b64encode(classroom(result).encode()).decode() + "\n"


# --- JUnit -------------------------------------------------------------------------------------


def junit(result: Result) -> str:
    """A failure is the student's, an error the infrastructure's."""
    runs = [(verdict, run) for verdict in result.tests for run in verdict.runs]
    failures = sum(1 for _, run in runs if run.status == FAILED)
    errors = sum(1 for _, run in runs if run.status == ERROR)
    suite = f'name={_attribute(result.lab)} tests="{len(runs)}" failures="{failures}" '
    suite += f'errors="{errors}" skipped="0" time="{result.seconds:.3f}"'
    lines = ['<?xml version="1.0" encoding="utf-8"?>', f"<testsuites><testsuite {suite}>"]
    for verdict, run in runs:
        lines += _junit_case(result, verdict, run)
    lines += ["</testsuite></testsuites>"]
    return "\n".join(lines) + "\n"


def _junit_case(result: Result, verdict: Verdict, run: Run) -> List[str]:
    names = f"classname={_attribute(f'{result.lab}.{run.machine}')} name={_attribute(verdict.name)}"
    lines = [f'<testcase {names} time="{run.seconds:.3f}">', "<properties>"]
    for key, value in (("points", verdict.earned), ("max_points", verdict.maximum)):
        lines += [f'<property name="{key}" value="{points_text(value)}"/>']
    lines += ["</properties>"]
    kind = {FAILED: "failure", ERROR: "error"}.get(run.status)
    if kind:
        one = Verdict(verdict.name, verdict.maximum, verdict.visibility, verdict.goal, [run])
        message = "a hidden test" if verdict.is_hidden else run.message
        lines += [f"<{kind} message={_attribute(message)}>{_text(explanation(one))}</{kind}>"]
    return [*lines, "</testcase>"]


def _text(text: str) -> str:
    return escape("".join(char for char in text if char in "\n\t" or ord(char) >= 32))


def _attribute(text: str) -> str:
    return quoteattr("".join(char for char in text.replace("\n", " ") if ord(char) >= 32))


# --- All -----------------------------------------------------------------------------------------


def _provenance(result: Result) -> Dict[str, object]:
    """What the verdict rests on; for staff."""
    return {
        "submission": result.digest,
        "grader": result.grader,
        "challenge": result.challenge,
        "sandbox": list(result.sandbox),
        "flags": result.flags,
    }


def _json(table: object) -> str:
    return json.dumps(table, indent=1) + "\n"


ALL: Dict[str, Callable[[Result], str]] = {
    "gradescope": gradescope,
    "autolab": autolab,
    "prairielearn": prairielearn,
    "github": step_output,
    "classroom": classroom,
    "junit": junit,
    "native": Result.to_json,
}


def write(name: str, result: Result, path: Path) -> None:
    """Write a result for a platform; nothing, if it cannot be said there."""
    try:
        write_whole(path, ALL[name](result))
    except NotFinal:
        path.unlink(missing_ok=True)
