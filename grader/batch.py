"""`python3 -m grader batch SUBMISSIONS/ --lab NAME --out FOLDER`: judge a class.

Each result is one file, FOLDER/results/NAME.json, written whole when the submission is done. So
a batch that was killed, however that was, goes on where it was: what is done is not done again.
Results are found by what they depend on: a hash of the files that were taken, and one of the
grader with its tests, image and pristine tree. The same hashes, the same verdict, whosever it is:
FOLDER/cache. What is not final because the infrastructure failed is not kept, and is tried again.

At the end there are results.csv, results.json, and report.html (grader/html_report.py).
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import os
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Callable, Dict, List, Optional, Sequence

from grader import html_report, pristine, sandbox
from grader import submission as submissions
from grader.grade import course_key, machines_of
from grader.judge import Judge
from grader.lab import ROOT, LabError, load
from grader.result import Result, from_json, points_text, write_whole

WRONG_USE, NOT_FINAL = 2, 3


@dataclass
class Store:
    """The folder with the results of a class."""

    folder: Path

    def path(self, name: str) -> Path:
        return self.folder / "results" / f"{name}.json"

    def cached(self, digest: str, grader: str) -> Path:
        return self.folder / "cache" / f"{digest[:32]}-{grader}.json"

    def find(self, digest: str, grader: str) -> Optional[Result]:
        """The verdict on the same files by the same grader."""
        try:
            return from_json(self.cached(digest, grader).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None

    def keep(self, result: Result) -> None:
        if result.is_final and result.digest:
            result.save(self.cached(result.digest, result.grader))
        result.save(self.path(result.submission))

    def results(self) -> List[Result]:
        """All results, by name."""
        found = []
        for path in sorted((self.folder / "results").glob("*.json")):
            try:
                found.append(from_json(path.read_text(encoding="utf-8")))
            except (OSError, ValueError) as error:
                print(f"batch: {path}: {error}; left out", file=sys.stderr)
        return found

    def write_reports(self, title: str) -> None:
        results = self.results()
        write_whole(self.folder / "results.csv", csv_text(results))
        table = [json.loads(result.to_json()) for result in results]
        write_whole(self.folder / "results.json", json.dumps(table, indent=1) + "\n")
        write_whole(self.folder / "report.html", html_report.page(title, results))


def csv_text(results: Sequence[Result]) -> str:
    """A line a submission; what a spreadsheet would take for a formula is quoted."""
    names = sorted({verdict.name for result in results for verdict in result.tests})
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["submission", "points", "of", "final", "status", "flags", *names])
    for result in results:
        earned = {verdict.name: points_text(verdict.earned) for verdict in result.tests}
        row = [result.submission, points_text(result.earned), points_text(result.maximum)]
        row += ["yes" if result.is_final else "no", result.status, "; ".join(result.flags)]
        row += [earned.get(name, "") for name in names]
        writer.writerow(["'" * cell.startswith(tuple("=+-@\t\r")) + cell for cell in row])
    return text.getvalue()


@dataclass
class Progress:
    """A bar on a terminal; a line a submission elsewhere."""

    total: int
    done: int = 0
    from_cache: int = 0
    started: float = field(default_factory=time.monotonic)

    def tell(self, result: Result, is_cached: bool) -> None:
        self.done += 1
        self.from_cache += is_cached
        points = f"{points_text(result.earned)} of {points_text(result.maximum)}"
        text = f"{result.submission}: {points}{' (as before)' if is_cached else ''}"
        if not sys.stderr.isatty():
            print(f"[{self.done}/{self.total}] {text}", file=sys.stderr, flush=True)
            return
        width = 30
        full = width * self.done // max(1, self.total)
        left = (time.monotonic() - self.started) / self.done * (self.total - self.done)
        bar = "#" * full + "." * (width - full)
        line = f"[{bar}] {self.done}/{self.total}  {left:.0f} s left  {text}"
        print(f"\r\x1b[K{line[: os.get_terminal_size(2).columns - 1]}", end="", file=sys.stderr)
        if self.done == self.total:
            print(file=sys.stderr)


@dataclass
class Batch:
    """One run over a class's submissions."""

    judge: Judge
    store: Store
    _locks: Dict[str, threading.Lock] = field(default_factory=dict)
    _guard: threading.Lock = field(default_factory=threading.Lock)

    def one(self, source: Path) -> "tuple[Result, bool]":
        """The result of a submission, and whether it was known before. What goes wrong with one
        does not end the others."""
        try:
            return self._one(source)
        except Exception as problem:
            result = self.judge.broken(source, problem)
            self.store.keep(result)
            return result, False

    def _one(self, source: Path) -> "tuple[Result, bool]":
        try:
            taken = submissions.take(source, self.judge.lab)
        except submissions.Refused:
            result = self.judge.submission(source)
            self.store.keep(result)
            return result, False
        with self._guard:
            lock = self._locks.setdefault(taken.digest, threading.Lock())
        with lock:  # the same files twice at the same time are judged once
            known = self.store.find(taken.digest, self.judge.identity)
            if known is None:
                result = self.judge.submission(source)
                self.store.keep(result)
                return result, False
        result = replace(known, submission=taken.name)
        if not self.store.path(taken.name).exists() or self._is_other(result):
            result.save(self.store.path(taken.name))
        return result, True

    def _is_other(self, result: Result) -> bool:
        path = self.store.path(result.submission)
        return path.read_text(encoding="utf-8") != result.to_json()

    def run(
        self, sources: Sequence[Path], jobs: int, tell: Callable[[Result, bool], None]
    ) -> List[Result]:
        results = []
        with ThreadPoolExecutor(jobs) as pool:
            futures = [pool.submit(self.one, source) for source in sources]
            try:
                for future in as_completed(futures):
                    result, is_cached = future.result()
                    tell(result, is_cached)
                    results.append(result)
            except BaseException:
                for future in futures:
                    future.cancel()  # what has begun is finished and kept
                raise
        return results


def parse_arguments(words: Sequence[str], name: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog=f"grader {name}", description=__doc__)
    parser.add_argument("submissions", type=Path, help="a folder: one entry a submission")
    parser.add_argument("--lab", required=True)
    parser.add_argument("--out", type=Path, required=True, help="where the results go")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--machine", default="vkernel", help="vkernel, x86_64, or both")
    parser.add_argument("--image", type=Path, default=ROOT / "build" / "root.img")
    parser.add_argument("--cache", type=Path, default=ROOT / "build" / "grade")
    parser.add_argument("--only", default="", help="names of tests")
    parser.add_argument("--publish", action="store_true", help="(regrade) make it what counts")
    parser.add_argument("--unconfined", action="store_true", help="trust these submissions")
    return parser.parse_args(words)


def make_batch(options: argparse.Namespace, folder: Path) -> Batch:
    lab = load(options.lab)
    confinement = sandbox.Confinement.for_submissions(options.unconfined)
    if not options.image.is_file():
        raise LabError(f"{options.image} is missing: type `make` first")
    machines = [name for name in machines_of(options.machine) if name in lab.machines]
    judge = Judge(
        lab=lab,
        machines=machines,
        image=options.image.resolve(),
        confinement=confinement,
        key=course_key(),
        only=options.only.split(),
        pristine=pristine.prepare(ROOT, lab, machines, options.cache.resolve()),
    )
    return Batch(judge, Store(folder))


def find_submissions(folder: Path) -> List[Path]:
    if not folder.is_dir():
        raise LabError(f"{folder} is no folder of submissions")
    sources = submissions.find_all(folder)
    clash = submissions.duplicate_names(sources)
    if clash:
        raise LabError(f"{folder}: {clash}: rename one")
    if not sources:
        raise LabError(f"{folder}: no submissions: a folder, archive or repository each")
    return sources


def main(words: Sequence[str]) -> int:
    options = parse_arguments(words, "batch")
    try:
        batch = make_batch(options, options.out)
        sources = find_submissions(options.submissions)
    except (LabError, pristine.PristineError, sandbox.SandboxError) as error:
        print(f"batch: {error}", file=sys.stderr)
        return WRONG_USE
    print(f"batch: confined by: {batch.judge.confinement}", file=sys.stderr)
    progress = Progress(len(sources))
    results = batch.run(sources, options.jobs, progress.tell)
    batch.store.write_reports(batch.judge.lab.title)
    open_ones = sorted(result.submission for result in results if not result.is_final)
    seconds = time.monotonic() - progress.started
    print(
        f"batch: {len(results)} submissions in {seconds:.1f} s, {progress.from_cache} as before; "
        f"see {options.out / 'report.html'}",
        file=sys.stderr,
    )
    if open_ones:
        names = ", ".join(open_ones[:10])
        print(f"batch: not final, the same command tries again: {names}", file=sys.stderr)
        return NOT_FINAL
    return 0
