"""`make units`: parts of the kernel as ordinary programs, under ASan and UBSan.

A file */test/test_NAME.c that begins with `/* unit: SOURCES */` is linked with these sources
(names or patterns, maybe on several lines) and the host's C library. It ends with `ok N checks`.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import List, Sequence

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = ("kern", "vm", "arch", "user/lib")
TIMEOUT = 600.0

FLAGS = (
    *("-std=gnu11", "-O1", "-g", "-DDEBUG", "-D_GNU_SOURCE", "-pthread"),
    *("-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-fno-omit-frame-pointer"),
    *("-Wall", "-Wextra", "-I.", "-Iarch/vkernel/include"),
)


class UnitError(Exception):
    """A unit that cannot be built, or that found something."""


def find_units() -> List[str]:
    files = [file for folder in FOLDERS for file in (ROOT / folder).rglob("test/test_*.c")]
    return sorted(str(file.relative_to(ROOT)) for file in files)


def sources(unit: Path, root: Path = ROOT) -> List[str]:
    match = re.match(r"/\* unit: (.*?)\s*\*/", unit.read_text(), re.DOTALL)
    if match is None:
        raise UnitError(f"{unit}: it must begin with /* unit: SOURCES */")
    words = [word for word in match.group(1).split() if word != "*"]
    return [str(path.relative_to(root)) for word in words for path in sorted(root.glob(word))]


def compiler(
    unit: Path, program: Path, more_flags: Sequence[str] = (), root: Path = ROOT
) -> List[str]:
    """The command that compiles and links a unit with sources of the tree at `root`."""
    command = [os.environ.get("CC", "gcc"), *FLAGS, *more_flags, "-o", str(program.resolve())]
    return [*command, str(unit), *sources(root / unit, root)]


def build(unit: str, program: Path, more_flags: Sequence[str] = ()) -> None:
    program.parent.mkdir(parents=True, exist_ok=True)
    command = compiler(Path(unit), program, more_flags)
    done = subprocess.run(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)
    if done.returncode != 0:
        raise UnitError(done.stderr)


def run(program: Path, **environment: str) -> str:
    """Run it, with more in its environment; returns its last line."""
    done = subprocess.run(
        [str(program)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=TIMEOUT,
        env={**os.environ, **environment},
    )
    output = done.stdout.decode("utf-8", "replace")
    match = re.search(r"^ok \d+ checks$", output, re.MULTILINE)
    if done.returncode != 0 or match is None:
        raise UnitError(output)
    return match.group(0)


def main() -> int:
    parser = argparse.ArgumentParser(prog="units", description=__doc__)
    parser.add_argument("units", nargs="*", help="default: all")
    parser.add_argument("--build", type=Path, default=Path("build"))
    parser.add_argument("--flags", default="")
    options = parser.parse_args()
    failures = 0
    for unit in options.units or find_units():
        program = options.build / "unit" / Path(unit).with_suffix("")
        try:
            build(unit, program, options.flags.split())
            print(f"{unit}: {run(program)}", flush=True)
        except (UnitError, OSError, subprocess.TimeoutExpired) as error:
            print(f"{unit}: failed\n{error}", flush=True)
            failures += 1
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
