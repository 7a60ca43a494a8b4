"""What make builds, when, and what it says about it."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import List

import pytest

from grader.tests.support import ROOT, SAN, clean_environment

# Two objects with different headers stand for all.
OBJECTS = ("vkernel/kern/tty_line.o", "vkernel/vm/page.o")


def build(out: Path, *words: str) -> List[str]:
    """Build the objects into a folder of their own; the names of what make says it compiled."""
    command = ["make", f"OUT={out}", "MACHINE=vkernel", "SAN=", *words]
    command += [str(out / name) for name in OBJECTS]
    done = subprocess.run(
        command, cwd=ROOT, env=clean_environment(), stdout=subprocess.PIPE, text=True, check=True
    )
    said = [line.split() for line in done.stdout.splitlines()]
    return [Path(line[1]).name for line in said if line[:1] == ["CC"]]


def test_make_says_what_it_builds_and_builds_it_once(tmp_path: Path) -> None:
    assert sorted(build(tmp_path)) == ["page.o", "tty_line.o"]
    assert build(tmp_path) == []


def test_a_silent_make_says_nothing(tmp_path: Path) -> None:
    assert build(tmp_path, "-s") == []
    assert all((tmp_path / name).exists() for name in OBJECTS)


def test_a_header_rebuilds_what_includes_it(tmp_path: Path) -> None:
    build(tmp_path)
    assert build(tmp_path, "-W", "kern/tty.h") == ["tty_line.o"]
    assert build(tmp_path, "-W", "vm/page.h") == ["page.o"]


def test_other_flags_rebuild(tmp_path: Path) -> None:
    build(tmp_path)
    assert len(build(tmp_path, "WERROR=1")) == len(OBJECTS)


@pytest.mark.parametrize("sanitizer", ["", "address", "undefined"])
def test_lab_sync_sees_the_accesses_of_its_locks(sanitizer: str, tmp_path: Path) -> None:
    """One object can be instrumented for one purpose; other objects keep their sanitizer."""
    words = ["LAB=sync", "MACHINE=vkernel", f"SAN={sanitizer}", f"BUILD={tmp_path}"]
    objects = [tmp_path / "vkernel" / "kern" / f"{name}.o" for name in ("mutex", "wait")]
    subprocess.run(
        ["make", "-s", *words, *map(str, objects)], cwd=ROOT, env=clean_environment(), check=True
    )
    names = [subprocess.check_output(["nm", str(path)], text=True) for path in objects]
    assert "__tsan_read" in names[0] and "__asan_" not in names[0]
    assert "__tsan_" not in names[1] and ("__asan_" in names[1]) == (sanitizer == "address")


@pytest.mark.skipif(SAN != "", reason="only an ordinary build makes it")
def test_commands_for_editors() -> None:
    entries = json.loads((ROOT / "compile_commands.json").read_text())
    files = {entry["file"] for entry in entries}
    machines = {"arch/vkernel/main.c", "arch/x86_64/trap.c"}
    assert {"kern/main.c", "user/bin/sh/main.c", *machines} <= files
    assert all((Path(entry["directory"]) / entry["file"]).exists() for entry in entries)
