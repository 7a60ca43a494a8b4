"""The manual pages: well formed, complete, and their examples compile and run."""

from __future__ import annotations

import re
import shlex
import subprocess
from pathlib import Path
from typing import Dict, List, Set

import pytest

from grader import image as images
from grader.tests.support import BUILD, HANG, IMAGE, ROOT, clean_environment, needs

PAGES = sorted((ROOT / "docs" / "man").glob("*.[0-9]"))
HEADER = ROOT / "arch" / "vkernel" / "vmspace" / "vmspace.h"
STRICT = ("-std=gnu11", "-D_GNU_SOURCE", "-O1", "-Wall", "-Wextra", "-Werror")

all_pages = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)


def section(page: Path, name: str) -> str:
    found = re.search(rf"^\.Sh {name}\n(.*?)(?=^\.Sh |\Z)", page.read_text(), re.M | re.S)
    return found.group(1) if found else ""


def displays(page: Path, name: str) -> List[str]:
    """The literal displays in a section of a page, as they are read."""
    text = section(page, name)
    found = re.findall(r"^\.Bd -literal.*?\n(.*?)^\.Ed", text, re.M | re.S)
    return [display.replace("\\e", "\\") for display in found]


def names(page: Path) -> Set[str]:
    return set(re.findall(r"^\.Nm (\w+)", section(page, "NAME"), re.M))


# --- Form --------------------------------------------------------------------------------------


@needs("mandoc")
@all_pages
def test_mandoc_has_no_complaint(page: Path) -> None:
    command = ["mandoc", "-T", "lint", "-W", "warning", str(page)]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    complaints = [line for line in done.stdout.splitlines() if "outdated mandoc.db" not in line]
    assert complaints == []


@needs("man")
@all_pages
def test_man_renders_it(page: Path) -> None:
    command = ["man", "--warnings=w", f"./{page.relative_to(ROOT)}"]
    environment = clean_environment(MANWIDTH="80", LC_ALL="C.UTF-8", MANPAGER="cat")
    done = subprocess.run(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    text = done.stdout.decode()
    assert done.stderr == b"" and done.returncode == 0
    assert text.startswith(f"{page.stem.upper()}({page.suffix[1:]})")
    assert all(name in text for name in names(page)) and "SEE ALSO" in text


@all_pages
def test_references_lead_somewhere(page: Path) -> None:
    known = {(name, other.suffix[1:]) for other in PAGES for name in names(other)}
    references = re.findall(r"\bXr (\w+) (\d)", page.read_text())
    ours = {one for one in references if one[0].startswith(("vmspace", "duet"))}
    assert ours <= known, ours - known


# --- Completeness ------------------------------------------------------------------------------


def plain(text: str) -> str:
    """A prototype without comments, attributes, and spaces where they do not matter."""
    text = re.sub(r"/\*.*?\*/|must_check|;", "", text, flags=re.S)
    return re.sub(r"\s*([*(),])\s*", r"\1", " ".join(text.split()))


def documented(page: Path) -> List[str]:
    found = re.findall(
        r"^\.Ft (.*)\n\.Fo (\w+)\n((?:\.Fa .*\n)+)\.Fc", section(page, "SYNOPSIS"), re.M
    )
    prototypes = []
    for result, name, arguments in found:
        words = [argument.strip('"') for argument in re.findall(r"^\.Fa (.*)$", arguments, re.M)]
        prototypes.append(plain(f"{result} {name}({', '.join(words)})"))
    return prototypes


def test_each_call_has_its_prototype_on_a_page() -> None:
    code = re.sub(r"/\*.*?\*/", "", HEADER.read_text(), flags=re.S)
    declared = re.findall(r"^\w[\w *]*?\bvmspace_\w+\([^;]*?\)[^;]*;", code, re.M)
    on_pages = [prototype for page in PAGES for prototype in documented(page)]
    assert len(declared) >= 15
    assert sorted(map(plain, declared)) == sorted(on_pages)


def test_each_constant_and_member_of_the_header_is_on_a_page() -> None:
    text = HEADER.read_text()
    pages = "".join(page.read_text() for page in PAGES)
    constants = re.findall(r"#define ((?:VMSPACE|MADV|MAP|PAGEFAULT)_\w+)", text)
    config = re.search(r"struct vmspace_config \{(.*?)^\};", text, re.M | re.S)
    assert config is not None
    code = re.sub(r"/\*.*?\*/", "", config.group(1), flags=re.S)
    members = re.findall(r"(\w+);|\(\*(\w+)\)", code) + re.findall(r"(vx_\w+)()", text)
    wanted = set(constants) | {one or other for one, other in members}
    assert len(wanted) > 20
    assert {word for word in wanted if not re.search(rf"\b{word}\b", pages)} == set()


def test_each_option_is_on_the_page_and_in_the_help() -> None:
    command = [str(BUILD / "vkernel" / "duet"), "--help"]
    help_text = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
    said = set(re.findall(r"^  (--?\w[\w-]*)", help_text, re.M))
    page = (ROOT / "docs" / "man" / "duet.1").read_text()
    written = {"-" + name for name in re.findall(r"^\.It Fl (-?\w[\w-]*)", page, re.M)}
    assert said == written and len(said) > 8


def test_each_error_of_the_header_is_on_the_page() -> None:
    """What the comment above a prototype names, the page explains."""
    text = HEADER.read_text()
    checked = 0
    for page in PAGES:
        for name in names(page):
            above = r"/\*((?:(?!\*/).)*)\*/\s*(?:[^;]*;\s*)?\w[^;]*\b"
            found = re.search(above + rf"{name}\(", text, re.S)
            stated = set(re.findall(r"-(E[A-Z]+)", found.group(1))) if found else set()
            explained = set(re.findall(r"^\.It Fl Er (E\w+)", section(page, "ERRORS"), re.M))
            assert stated <= explained, (name, stated - explained)
            checked += len(stated)
    assert checked > 12


# --- Examples ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def library() -> Path:
    subprocess.run(["make", "-s", "libvmspace"], cwd=ROOT, env=clean_environment(), check=True)
    return BUILD / "libvmspace"


c_pages = pytest.mark.parametrize(
    "page", [page for page in PAGES if page.suffix != ".1"], ids=lambda page: page.name
)


@c_pages
def test_examples_in_c_compile(page: Path, library: Path, tmp_path: Path) -> None:
    source = tmp_path / "example.c"
    source.write_text("\n".join(displays(page, "EXAMPLES")))
    assert "vmspace_" in source.read_text()
    missing = ("-Wno-missing-prototypes", "-Wno-unused-function")
    command = ["gcc", *STRICT, *missing, "-I", str(library / "include"), "-c", str(source)]
    done = subprocess.run(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 0, done.stderr


def test_the_examples_run(library: Path, tmp_path: Path) -> None:
    """start() of vmspace_start(3) and run_code() of vmspace(7), as vmspace(7) says to build it."""
    folder = ROOT / "docs" / "man"
    parts = displays(folder / "vmspace_start.3", "EXAMPLES") + displays(
        folder / "vmspace.7", "EXAMPLES"
    )
    call = "error = vmspace_start(&config);"
    text = "\n".join(parts).replace(call, call + " used = config;")
    main = """int main(void)
    {
        return start(1 << 20) != 0 ? 1 : run_code(used.memory, used.memory_fd);
    }
    """
    source = tmp_path / "program.c"
    source.write_text(f"#include <vmspace.h>\nstatic struct vmspace_config used;\n{text}\n{main}")
    (build,) = displays(folder / "vmspace.7", "DESCRIPTION")
    command = build.strip().replace("build/libvmspace", str(library)) + " -D_GNU_SOURCE"
    subprocess.run(["sh", "-c", command], cwd=tmp_path, check=True)
    assert subprocess.run([str(tmp_path / "a.out")], timeout=HANG).returncode == 42


COMMANDS: Dict[str, str] = {
    "uname -a": r"Linux .* x86_64\n",
    "ls -l /dev/disk1": r".* /dev/disk1\n",
}


def test_the_commands_of_duet(tmp_path: Path) -> None:
    images.copy(IMAGE, tmp_path / "root.img")
    (tmp_path / "extra.img").write_bytes(bytes(1 << 20))
    lines = "".join(displays(ROOT / "docs" / "man" / "duet.1", "EXAMPLES")).splitlines()
    tried = []
    for words in map(shlex.split, lines):
        assert words[0] == "duet"
        words[0] = str(BUILD / "vkernel" / "duet")
        done = subprocess.run(
            words, cwd=tmp_path, input="poweroff\n", stdout=subprocess.PIPE, text=True, timeout=HANG
        )
        assert done.returncode == 0
        if words[-2] == "-c":
            assert re.fullmatch(COMMANDS[words[-1]], done.stdout), done.stdout
            tried.append(words[-1])
    assert sorted(tried) == sorted(COMMANDS)
