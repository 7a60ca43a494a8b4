"""The results of a class as one page that needs nothing else: report.html.

How the points are distributed, how often each test fails and how long it takes, and a page a
submission, which is a section that shows when it is the page's target (#name). All text comes
through escape(), since much of it is made by submissions.
"""

from __future__ import annotations

from html import escape
from statistics import median
from typing import Dict, List, Sequence
from urllib.parse import quote

from grader.result import ERROR, FAILED, PASSED, Result, Verdict, points_text

BINS = 10

STYLE = """
body { font: 15px/1.5 sans-serif; margin: 2em auto; max-width: 60em; padding: 0 1em; color: #222 }
table { border-collapse: collapse; width: 100% } td, th { padding: .2em .6em; text-align: left }
tr:nth-child(even) { background: #f4f4f4 } td.number, th.number { text-align: right }
pre { background: #f4f4f4; padding: .6em; overflow-x: auto; white-space: pre-wrap }
.failed { color: #b00020 } .error { color: #a06000 } .passed { color: #1b6e20 }
.flag { background: #fff3c0; padding: .2em .6em } rect { fill: #4a6fa5 } text { font-size: 11px }
section.page { display: none } section.page:target { display: block }
body:has(section.page:target) > section.all { display: none }
"""

# Names the page that is shown, for those who look at the document from outside.
SCRIPT = """
function tell() {
    const shown = [...document.querySelectorAll("section")]
        .filter(section => getComputedStyle(section).display != "none");
    document.body.dataset.shown = shown.map(section => section.id).join(" ");
}
addEventListener("hashchange", tell);
addEventListener("load", () => setTimeout(tell));
"""


def _histogram(results: Sequence[Result]) -> str:
    """How many submissions have how many points, as a drawing."""
    counts = [0] * (BINS + 1)
    for result in results:
        share = result.earned / result.maximum if result.maximum else 0
        counts[int(share * BINS)] += 1
    tallest = max([1, *counts])
    parts = ['<svg viewBox="0 0 660 180" role="img" aria-label="distribution of points">']
    for number, count in enumerate(counts):
        x, height = number * 60, 130 * count / tallest
        label = "100 %" if number == BINS else f"{number * 100 // BINS} %"
        parts += [f'<rect x="{x + 6}" y="{150 - height:.1f}" width="48" height="{height:.1f}"/>']
        parts += [f'<text x="{x + 30}" y="168" text-anchor="middle">{label}</text>']
        if count:
            y = 145 - height
            parts += [f'<text x="{x + 30}" y="{y:.1f}" text-anchor="middle">{count}</text>']
    return "".join([*parts, "</svg>"])


def _row(cells: Sequence[str], kind: str = "td") -> str:
    return "<tr>" + "".join(f"<{kind}>{cell}</{kind}>" for cell in cells) + "</tr>"


def _tests_table(results: Sequence[Result]) -> str:
    by_name: Dict[str, List[Verdict]] = {}
    for result in results:
        for verdict in result.tests:
            by_name.setdefault(verdict.name, []).append(verdict)
    rows = [_row(["test", "points", "fails for", "errors", "median time", "longest"], "th")]
    for name, verdicts in by_name.items():
        failed = sum(1 for verdict in verdicts if verdict.status == FAILED)
        errors = sum(1 for verdict in verdicts if verdict.status == ERROR)
        times = [verdict.seconds for verdict in verdicts]
        cells = [escape(name), points_text(verdicts[0].maximum)]
        cells += [f"{failed} ({100 * failed / len(verdicts):.0f} %)", str(errors)]
        cells += [f"{median(times):.2f} s", f"{max(times):.2f} s"]
        rows.append(_row(cells))
    return "<table>" + "".join(rows) + "</table>"


def _identity(name: str) -> str:
    return "submission-" + quote(name, safe="")


def _list(results: Sequence[Result]) -> str:
    rows = [_row(["submission", "points", "", "time"], "th")]
    for result in results:
        link = f'<a href="#{quote(_identity(result.submission))}">{escape(result.submission)}</a>'
        notes = [] if result.status == "graded" else [escape(result.status)]
        notes += [] if result.is_final else ["not final"]
        notes += [f'<span class="flag">{len(result.flags)} flags</span>'] if result.flags else []
        points = f"{points_text(result.earned)} of {points_text(result.maximum)}"
        rows.append(_row([link, points, ", ".join(notes), f"{result.seconds:.1f} s"]))
    return "<table>" + "".join(rows) + "</table>"


def _verdict(verdict: Verdict) -> str:
    head = f'<h3 class="{verdict.status}">{escape(verdict.name)}: '
    head += f"{points_text(verdict.earned)} of {points_text(verdict.maximum)}</h3>"
    parts = [head, f"<p>{escape(verdict.goal)}</p>"]
    for run in verdict.runs:
        if run.status == PASSED:
            continue
        names = ("message", "expected", "got", "hint", "trace", "replay", "replay_gdb")
        lines = [(name, str(getattr(run, name)).rstrip()) for name in names]
        text = "\n".join(f"{name}: {text}" for name, text in lines if text)
        parts.append(f"<p>{escape(run.machine)}</p><pre>{escape(text)}</pre>")
    return "".join(parts)


def _page(result: Result) -> str:
    points = f"{points_text(result.earned)} of {points_text(result.maximum)} points"
    parts = [f'<section class="page" id="{escape(_identity(result.submission))}">']
    parts += ['<p><a href="#">all submissions</a></p>', f"<h2>{escape(result.submission)}</h2>"]
    parts += [f"<p>{points}{'' if result.is_final else ', not final'}</p>"]
    parts += [f'<p class="flag">{escape(flag)}</p>' for flag in result.flags]
    if result.message or result.output:
        parts += [f"<pre>{escape((result.message + chr(10) + result.output).strip())}</pre>"]
    if result.status == "graded":
        parts += [_verdict(verdict) for verdict in result.tests]
    facts = {"submission": result.digest, "grader": result.grader, "challenge": result.challenge}
    facts["confined by"] = ", ".join(result.sandbox)
    lines = "\n".join(f"{name}: {text}" for name, text in facts.items())
    return "".join([*parts, f"<pre>{escape(lines)}</pre></section>"])


def page(title: str, results: Sequence[Result]) -> str:
    """The whole page."""
    points = [result.earned for result in results]
    middle = f", median {points_text(median(points))} points" if points else ""
    parts = ['<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">']
    parts += [f"<title>{escape(title)}</title><style>{STYLE}</style></head><body>"]
    parts += [f'<section class="all" id="all"><h1>{escape(title)}</h1>']
    parts += [f"<p>{len(results)} submissions{middle}</p>", _histogram(results)]
    parts += ["<h2>Tests</h2>", _tests_table(results)]
    parts += ["<h2>Submissions</h2>", _list(results), "</section>"]
    parts += [_page(result) for result in results]
    parts += [f"<script>{SCRIPT}</script></body></html>"]
    return "\n".join(parts) + "\n"
