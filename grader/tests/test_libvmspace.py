"""The vmspace library without the kernel: its archive and headers serve a program of a stranger."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import List

import pytest

from grader.tests.support import BUILD, HANG, ROOT, clean_environment, needs

LIBRARY = BUILD / "libvmspace"
EXAMPLE = ROOT / "arch" / "vkernel" / "vmspace" / "example"
STRICT = ("-Wall", "-Wextra", "-Werror", "-D_GNU_SOURCE")

# A guest of its own, and the status that tiny ends with.
ENDS = {
    "*(volatile int *)0 = 1": 128 + 11,
    "*(volatile int *)_start = 1": 128 + 11,
    "((void (*)(void))0x6ffeffff0000)()": 128 + 11,
    '__asm__ volatile("ud2")': 128 + 4,
    '__asm__ volatile("div %0" :: "r"(0), "a"(0), "d"(0))': 128 + 8,
    '__asm__ volatile("syscall" :: "a"(60), "D"(7))': 7,
}


@pytest.fixture(scope="module")
def library() -> Path:
    subprocess.run(["make", "-s", "libvmspace"], cwd=ROOT, env=clean_environment(), check=True)
    return LIBRARY


def names(library: Path, *options: str) -> List[str]:
    command = ["nm", *options, str(library / "lib" / "libvmspace.a")]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return re.findall(r" [A-Z] (\w+)$", done.stdout, re.MULTILINE)


def build(
    library: Path, compiler: str, source: Path, program: Path, *options: str
) -> "subprocess.CompletedProcess[str]":
    """Compile a program in its own folder with nothing but the archive and the headers."""
    words = [compiler, *STRICT, *options, "-I", str(library / "include"), str(source)]
    words += [str(library / "lib" / "libvmspace.a"), "-pthread", "-o", str(program)]
    return subprocess.run(words, cwd=program.parent, stderr=subprocess.PIPE, text=True)


def run_guest(program: Path, guest: Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [str(program), str(guest)], stdout=subprocess.PIPE, text=True, timeout=HANG
    )


def test_the_archive_defines_the_calls_and_nothing_else(library: Path) -> None:
    declared = re.findall(r"^\w[\w *]*?\b(vmspace_\w+)\(", header(library), re.MULTILINE)
    assert len(declared) >= 15
    assert sorted(names(library, "-g", "--defined-only")) == sorted(declared)


def header(library: Path) -> str:
    return (library / "include" / "vmspace.h").read_text()


def test_each_header_stands_alone(library: Path, tmp_path: Path) -> None:
    include = library / "include"
    headers = sorted(path.relative_to(include) for path in include.rglob("*.h"))
    assert 1 < len(headers) < 8
    for name in headers:
        source = tmp_path / "one.c"
        source.write_text(f"#include <{name}>\n#include <{name}>\n")
        command = ["gcc", *STRICT, "-I", str(include), "-fsyntax-only", str(source)]
        done = subprocess.run(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True)
        assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("options", ["-O2", "-O0 -no-pie", "-static"])
@pytest.mark.parametrize("compiler", [pytest.param(c, marks=needs(c)) for c in ("gcc", "clang")])
def test_the_example(library: Path, tmp_path: Path, compiler: str, options: str) -> None:
    program = tmp_path / "tiny"
    built = build(library, compiler, EXAMPLE / "tiny.c", program, *options.split())
    assert built.returncode == 0, built.stderr
    done = run_guest(program, library / "bin" / "hello")
    lines = done.stdout.splitlines()
    assert lines[:2] == ["Hello from a vmspace.", "Primes below 100000: 9592"]
    count = re.fullmatch(
        r"tiny: status 42; (\d+) page faults, 3 writes, 0 other calls, (\d+) pages", lines[2]
    )
    assert count is not None and done.returncode == 42, done.stdout
    # 25 pages of the sieve, and code, constants and stack; tables beside them.
    assert 27 <= int(count.group(1)) < int(count.group(2)) < 45


@pytest.mark.parametrize("statement", ENDS)
def test_the_end_of_a_guest_of_the_example(
    library: Path, tmp_path: Path, statement: str
) -> None:
    source, guest = tmp_path / "guest.c", tmp_path / "guest"
    source.write_text(f"void _start(void) {{ {statement}; for (;;); }}\n")
    flags = ["-O1", "-static", "-nostdlib", "-ffreestanding", "-fno-pie", "-no-pie"]
    subprocess.run(["gcc", *flags, "-o", str(guest), str(source)], check=True)
    assert run_guest(library / "bin" / "tiny", guest).returncode == ENDS[statement]
