"""`make soak`: many schedules of the programs that put the kernel under stress.

Each program runs on 2 and on 4 CPUs, under the strategies random and pct in turn; the schedules are
shared out so that each program gets about as much time. The first failure ends it, shrunk.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import List, Tuple

from grader.explore import Attempt, Explorer, expectation, found_failure, generated
from grader.machine import Setup
from grader.schedules import Result, Runner

# Of user/tests/, and how large a part of the schedules each gets.
PROGRAMS = {
    "waits": 8,
    "mappings": 5,
    "orphans": 5,
    "forks": 3,
    "cow": 3,
    "groups": 3,
    "futexes": 2,
    "pipes": 2,
    "storms": 2,
    "signals": 2,
    "links": 2,
    "directories": 2,
    "renames": 1,
    "execs": 1,
}
CPUS = (2, 4)


def shares(total: int, names: List[str]) -> List[Tuple[str, int, int]]:
    """(program, CPUs, schedules), `total` in all."""
    weight = sum(PROGRAMS[name] for name in names) * len(CPUS)
    jobs = [(name, cpus) for name in names for cpus in CPUS]
    return [(name, cpus, max(total * PROGRAMS[name] // weight, 1)) for name, cpus in jobs]


def soak(options: argparse.Namespace, name: str, cpus: int, count: int) -> int:
    setup = Setup(
        machine="vkernel",
        image=options.image,
        command=f"/tests/{name}",
        cpus=cpus,
        build=options.build,
    )
    runner = Runner(setup, 120.0)
    try:
        explorer = Explorer(runner, options.seed, options.jobs)
        explorer.expected = expectation("", explorer.calm)
        made = generated(explorer, "random", (count + 1) // 2)
        others = generated(explorer, "pct", count // 2)
        runs, began = 0, time.monotonic()

        def seen(_attempt: Attempt, _result: Result) -> None:
            nonlocal runs
            runs += 1

        found = explorer.search(lambda: next(made, None) or next(others, None), seen)
        took = time.monotonic() - began
        print(f"{name} on {cpus} CPUs: {runs} schedules in {took:.0f} s", flush=True)
        if found is None:
            return 0
        return found_failure(explorer, *found, options.build / "explore", "")
    finally:
        runner.close()


def main() -> int:
    parser = argparse.ArgumentParser(prog="soak", description=__doc__)
    parser.add_argument("--build", type=Path, default=Path("build"))
    parser.add_argument("--image", type=Path, default=Path("build/root.img"))
    parser.add_argument("--seeds", type=int, default=10000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("programs", nargs="*", default=list(PROGRAMS))
    options = parser.parse_args()
    for name, cpus, count in shares(options.seeds, options.programs):
        if soak(options, name, cpus, count) != 0:
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
