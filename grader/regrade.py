"""`python3 -m grader regrade SUBMISSIONS/ --lab NAME --out FOLDER`: judge a class again.

The new results go to FOLDER/regrade, and what has changed is shown: points, verdicts, flags. What
counts stays as it is until the same command is given --publish; then the new results replace the
old ones, which are kept in FOLDER/replaced-N.
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Dict, List, Sequence

from grader.batch import (
    NOT_FINAL,
    WRONG_USE,
    Progress,
    Store,
    find_submissions,
    make_batch,
    parse_arguments,
)
from grader.lab import LabError
from grader.pristine import PristineError
from grader.result import Result, points_text, write_whole
from grader.sandbox import SandboxError


def changes(before: Sequence[Result], after: Sequence[Result]) -> List[Dict[str, object]]:
    """What differs, one entry a submission whose verdicts are not the same."""
    old = {result.submission: result for result in before}
    new = {result.submission: result for result in after}
    found: List[Dict[str, object]] = []
    for name in sorted(old.keys() | new.keys()):
        if name not in old or name not in new:
            what = "new" if name in new else "gone"
            found.append({"submission": name, "change": what, "tests": {}})
            continue
        was = {verdict.name: verdict for verdict in old[name].tests}
        now = {verdict.name: verdict for verdict in new[name].tests}
        tests: Dict[str, List[str]] = {}
        for test in sorted(was.keys() | now.keys()):
            pair = [
                f"{verdicts[test].status} {points_text(verdicts[test].earned)}"
                if test in verdicts
                else "none"
                for verdicts in (was, now)
            ]
            if pair[0] != pair[1]:
                tests[test] = pair
        if tests or old[name].status != new[name].status:
            points = [points_text(old[name].earned), points_text(new[name].earned)]
            change = " -> ".join(points) + " points"
            found.append({"submission": name, "change": change, "tests": tests})
    return found


def describe(found: Sequence[Dict[str, object]]) -> List[str]:
    lines = []
    for entry in found:
        lines.append(f"{entry['submission']}: {entry['change']}")
        tests = entry["tests"]
        assert isinstance(tests, dict)
        lines += [f"    {test}: {old} -> {new}" for test, (old, new) in tests.items()]
    return lines or ["nothing has changed"]


def publish(store: Store, regraded: Store) -> Path:
    """Make the new results those that count; returns where the old ones are."""
    number = 1
    while (store.folder / f"replaced-{number}").exists():
        number += 1
    old = store.folder / f"replaced-{number}"
    new = store.folder / "results.new"
    shutil.rmtree(new, ignore_errors=True)
    shutil.copytree(regraded.folder / "results", new)
    (store.folder / "results").rename(old)
    new.rename(store.folder / "results")
    return old


def main(words: Sequence[str]) -> int:
    options = parse_arguments(words, "regrade")
    store, regraded = Store(options.out), Store(options.out / "regrade")
    try:
        if not store.results():
            raise LabError(f"{options.out}: no results to compare with: use batch")
        batch = make_batch(options, regraded.folder)
        sources = find_submissions(options.submissions)
    except (LabError, PristineError, SandboxError) as error:
        print(f"regrade: {error}", file=sys.stderr)
        return WRONG_USE
    shutil.rmtree(regraded.folder / "results", ignore_errors=True)
    results = batch.run(sources, options.jobs, Progress(len(sources)).tell)
    found = changes(store.results(), regraded.results())
    write_whole(regraded.folder / "changes.json", json.dumps(found, indent=1) + "\n")
    print("\n".join(describe(found)))
    if any(not result.is_final for result in results):
        print("regrade: some results are not final; nothing is published", file=sys.stderr)
        return NOT_FINAL
    if options.publish:
        print(f"published; the old results are in {publish(store, regraded)}")
        store.write_reports(batch.judge.lab.title)
    elif found:
        print("nothing is published yet: say --publish")
    return 0
