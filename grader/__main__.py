"""`python3 -m grader COMMAND ...`: the grader's commands, one module each."""

from __future__ import annotations

import importlib
import sys

COMMANDS = {
    "grade": "judge one submission",
    "batch": "judge a class",
    "bench_grader": "measure what grading costs",
    "check_grader": "grade the grader: reference, skeleton, mutants, attacks",
    "check_table": "what check_grader has found, into docs/instructor.md",
    "package": "make an autograder for a platform",
    "regrade": "judge a class again, and show what changes before it counts",
}


def main() -> int:
    name = sys.argv[1] if len(sys.argv) > 1 else ""
    if name not in COMMANDS:
        print("usage: python3 -m grader COMMAND ...; COMMAND --help says more", file=sys.stderr)
        for command, text in COMMANDS.items():
            print(f"    {command:12} {text}", file=sys.stderr)
        return 2
    return int(importlib.import_module(f"grader.{name}").main(sys.argv[2:]))


if __name__ == "__main__":
    sys.exit(main())
