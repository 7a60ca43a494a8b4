"""Run many test programs: each on the host under the oracle, and all of them in one boot.

In a guest a script runs one program after the other, each in an empty /tmp/work with its
output in a file, and copies output and status to the results channel. When the machine dies,
the program that was running is blamed and the others go on in a new boot.
"""

from __future__ import annotations

import re
import shlex
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Dict, List, Sequence, Tuple

from grader import image as images
from grader.machine import FAILED, Outcome, Setup, run

HOST_TIMEOUT = 120.0
CANNOT_ISOLATE = 126


@dataclass(frozen=True)
class Program:
    """A command that is run on all machines; `name` is for people."""

    name: str
    command: Tuple[str, ...]


@dataclass(frozen=True)
class Result:
    status: int
    output: str


class NoOracle(Exception):
    """The host does not let the oracle isolate a program."""


def run_on_host(oracle: Path, root: Path, program: Program) -> Result:
    """What Linux answers."""
    with tempfile.TemporaryFile() as output:
        done = subprocess.run(
            [str(oracle), str(root), *program.command],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            timeout=HOST_TIMEOUT,
        )
        output.seek(0)
        text = output.read().decode("utf-8", "replace")
    if done.returncode == CANNOT_ISOLATE and text.startswith("oracle: "):
        raise NoOracle(text.strip())
    return Result(done.returncode, text)


def script(programs: Sequence[Program]) -> str:
    """The guest's shell script. Markers in the results channel separate the programs."""
    lines = []
    for number, program in enumerate(programs):
        lines += [
            f"echo '@begin {number}' >/dev/results",
            "rm -rf /tmp/*; mkdir /tmp/work; cd /tmp/work",
            " ".join(map(shlex.quote, program.command)) + " </dev/null >/tmp/output 2>&1",
            f'echo "@end {number} $?" >/tmp/status',
            "cd /; cat /tmp/output /tmp/status >/dev/results",
        ]
    return "\n".join(lines) + "\n"


def parse(results: str, programs: Sequence[Program]) -> Dict[str, Result]:
    """The results of the programs that came to their end."""
    found = {}
    for match in re.finditer(r"@begin (\d+)\n(.*?)@end \1 (\d+)\n", results, re.DOTALL):
        program = programs[int(match.group(1))]
        found[program.name] = Result(int(match.group(3)), match.group(2))
    return found


def blame(outcome: Outcome) -> Result:
    """The result of the program during which the machine ended."""
    if outcome.panic is not None:
        return Result(FAILED, outcome.panic_report())
    reason = "the machine hung" if outcome.hung else "the machine died"
    return Result(FAILED, f"{reason}\n{outcome.errors}{outcome.log[-2000:]}")


@dataclass
class Batch:
    """What became of a series of programs on one machine."""

    results: Dict[str, Result]
    damage: List[str]  # what e2fsck found afterwards


def run_on_guest(setup: Setup, programs: Sequence[Program], timeout: float) -> Batch:
    """Run all programs; `timeout` is how long the machine may be silent, in seconds."""
    results: Dict[str, Result] = {}
    damage: List[str] = []
    remaining = list(programs)
    with tempfile.TemporaryDirectory(prefix="duet-") as folder:
        scratch = Path(folder)
        while remaining:
            copy = images.copy(setup.image, scratch / "root.img")
            images.put_text(copy, script(remaining), "/root/batch", scratch)
            booted = setup.with_(image=copy, writable=True, command="sh /root/batch")
            outcome = run(booted, timeout=timeout)
            results.update(parse(outcome.results, remaining))
            if outcome.ended:
                damage += images.check(copy)
            remaining = [program for program in remaining if program.name not in results]
            if remaining:
                results[remaining[0].name] = blame(outcome)
                remaining = remaining[1:]
    return Batch(results, damage)
