"""Submissions: only the lab's files are taken, and what is odd about them is refused."""

from __future__ import annotations

import io
import os
import socket
import subprocess
import sys
import tarfile
import zipfile
import zlib
from pathlib import Path
from typing import Callable, Dict, Optional

import pytest

from grader import submission
from grader.lab import Lab, parse
from grader.submission import MAX_FILE, Refused, lay_over, name_of, take
from grader.tests.support import clean_environment

TEXTS = {"vm/map.c": b"int map;\n", "vm/map.h": b"extern int map;\n"}


@pytest.fixture
def lab() -> Lab:
    text = 'title = "t"\nsymbol = "SOL_SAMPLE"\nfiles = ["vm/map.c", "vm/map.h"]\n'
    text += '[[test]]\nname = "a"\npoints = 1\ngoal = "g"\n'
    return parse(text, Path("labs/sample/lab.toml"))


def folder(path: Path, texts: Dict[str, bytes] = TEXTS, top: str = "") -> Path:
    for name, text in texts.items():
        (path / top / name).parent.mkdir(parents=True, exist_ok=True)
        (path / top / name).write_bytes(text)
    return path


def tar(path: Path, change: Optional[Callable[[tarfile.TarInfo], None]] = None) -> Path:
    """A tar file of TEXTS; `change` may alter an entry's description."""
    with tarfile.open(path, "w:gz" if path.name.endswith("gz") else "w") as archive:
        for name, text in TEXTS.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(text)
            if change is not None:
                change(entry)
            archive.addfile(entry, io.BytesIO(text) if entry.isreg() else None)
    return path


def zipped(path: Path, texts: Dict[str, bytes] = TEXTS, top: str = "") -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in texts.items():
            archive.writestr(top + name, text)
    return path


def bare_repository(path: Path, work: Path) -> Path:
    folder(work)
    commands = [["git", "init", "-q", "."], ["git", "add", "."]]
    commands += [["git", "-c", "user.name=x", "-c", "user.email=x@x", "commit", "-qm", "x"]]
    commands += [["git", "clone", "-q", "--bare", ".", str(path)]]
    for command in commands:
        subprocess.run(command, cwd=work, check=True, env=clean_environment())
    return path


def test_all_forms_give_the_same(lab: Lab, tmp_path: Path) -> None:
    forms = [folder(tmp_path / "ann"), folder(tmp_path / "ben", top="cow-ben")]
    forms += [tar(tmp_path / "cem.tar"), tar(tmp_path / "dee.tar.gz")]
    forms += [zipped(tmp_path / "eva.zip"), zipped(tmp_path / "fay.zip", top="fay/")]
    bare = {name.replace("vm/", ""): text for name, text in TEXTS.items()}
    forms += [zipped(tmp_path / "gus.zip", bare)]
    forms += [bare_repository(tmp_path / "hal.git", tmp_path / "work")]
    taken = [take(form, lab) for form in forms]
    assert all(one.files == TEXTS for one in taken)
    assert len({one.digest for one in taken}) == 1
    names = ["ann", "ben", "cem", "dee", "eva", "fay", "gus", "hal"]
    assert [one.name for one in taken] == names == [name_of(form) for form in forms]


def test_all_else_is_left_behind(lab: Lab, tmp_path: Path) -> None:
    more = {**TEXTS, "Makefile": b"all:; rm -rf /", "labs/cow/tests/test_public.py": b"pass"}
    source, tree = folder(tmp_path / "in", more), folder(tmp_path / "tree", {"Makefile": b"ours"})
    lay_over(take(source, lab), tree)
    assert (tree / "Makefile").read_bytes() == b"ours" and not (tree / "labs").exists()
    assert (tree / "vm/map.c").read_bytes() == TEXTS["vm/map.c"]


def test_unchanged_file_keeps_its_time(lab: Lab, tmp_path: Path) -> None:
    tree = folder(tmp_path / "tree")
    os.utime(tree / "vm/map.c", (1, 1))
    source = folder(tmp_path / "in", {**TEXTS, "vm/map.h": b"other"})
    assert lay_over(take(source, lab), tree) == ["vm/map.h"]
    assert (tree / "vm/map.c").stat().st_mtime == 1


def test_missing_file_is_noted(lab: Lab, tmp_path: Path) -> None:
    taken = take(folder(tmp_path / "in", {"vm/map.c": b"x"}), lab)
    assert taken.missing == ["vm/map.h"]
    with pytest.raises(Refused, match="has none of the lab's files: vm/map.c, vm/map.h"):
        take(folder(tmp_path / "other", {"README": b"x"}), lab)
    with pytest.raises(Refused, match="there is nothing of this name"):
        take(tmp_path / "nothing", lab)


def make_link(path: Path) -> None:
    path.symlink_to("/etc/passwd")


def make_link_above(path: Path) -> None:
    path.parent.rmdir()
    path.parent.symlink_to("/etc")


def make_pipe(path: Path) -> None:
    os.mkfifo(path)


def make_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        before = os.getcwd()
        os.chdir(path.parent)
        server.bind(path.name)
        os.chdir(before)


def make_huge(path: Path) -> None:
    path.write_bytes(b"x" * (MAX_FILE + 1))


def make_sparse(path: Path) -> None:
    path.touch()
    os.truncate(path, 1 << 40)


def make_binary(path: Path) -> None:
    path.write_bytes(b"\x7fELF\0\0")


def make_folder(path: Path) -> None:
    path.mkdir()


@pytest.mark.parametrize(
    "make, complaint",
    [
        (make_link, "vm/map.c: a symbolic link"),
        (make_link_above, "vm/map.c: a symbolic link"),
        (make_pipe, "vm/map.c: is no ordinary file"),
        (make_socket, "cannot be read|no ordinary file"),
        (make_huge, f"vm/map.c: more than {MAX_FILE} bytes"),
        (make_sparse, f"vm/map.c: more than {MAX_FILE} bytes"),
        (make_binary, "vm/map.c: is not a text file"),
        (make_folder, "vm/map.c: is no ordinary file"),
    ],
)
def test_odd_file_in_a_folder(
    lab: Lab, tmp_path: Path, make: Callable[[Path], None], complaint: str
) -> None:
    (tmp_path / "in/vm").mkdir(parents=True)
    make(tmp_path / "in/vm/map.c")
    with pytest.raises(Refused, match=complaint):
        take(tmp_path / "in", lab)


def as_link(entry: tarfile.TarInfo) -> None:
    entry.type, entry.linkname, entry.size = tarfile.SYMTYPE, "/etc/passwd", 0


def as_device(entry: tarfile.TarInfo) -> None:
    entry.type, entry.size = tarfile.CHRTYPE, 0


def as_hard_link(entry: tarfile.TarInfo) -> None:
    entry.type, entry.linkname, entry.size = tarfile.LNKTYPE, "../../secret", 0


def as_outside(entry: tarfile.TarInfo) -> None:
    entry.name = "../" + entry.name


def as_absolute(entry: tarfile.TarInfo) -> None:
    entry.name = "/" + entry.name


def as_twice(entry: tarfile.TarInfo) -> None:
    entry.name = "vm/map.c"


@pytest.mark.parametrize(
    "change, complaint",
    [
        (as_link, "a link, and no ordinary file"),
        (as_hard_link, "a link, and no ordinary file"),
        (as_device, "a device, and no ordinary file"),
        (as_outside, "no path below the archive's root"),
        (as_absolute, "no path below the archive's root"),
        (as_twice, "vm/map.c: is twice in the archive"),
    ],
)
def test_odd_entry_of_an_archive(
    lab: Lab, tmp_path: Path, change: Callable[[tarfile.TarInfo], None], complaint: str
) -> None:
    with pytest.raises(Refused, match=complaint):
        take(tar(tmp_path / "in.tar", change), lab)


def test_link_to_a_folder_in_an_archive(lab: Lab, tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "in.tar", "w") as archive:
        link = tarfile.TarInfo("vm")
        as_link(link)
        archive.addfile(link)
        text = tarfile.TarInfo("vm/map.c")
        text.size = 1
        archive.addfile(text, io.BytesIO(b"x"))
    with pytest.raises(Refused, match="vm: a symbolic link"):
        take(tmp_path / "in.tar", lab)


def test_damaged_archives(lab: Lab, tmp_path: Path) -> None:
    whole = tar(tmp_path / "a.tar.gz").read_bytes()
    for name, text in (("b.tar.gz", whole[:-20]), ("c.tar", b"x" * 2000), ("d.zip", b"PK\3\4")):
        (tmp_path / name).write_bytes(text)
        with pytest.raises(Refused, match=name):
            take(tmp_path / name, lab)
    (tmp_path / "e.doc").write_bytes(b"x")
    with pytest.raises(Refused, match="e.doc: neither a folder nor one of"):
        take(tmp_path / "e.doc", lab)


def test_damage_within_a_zip_file(lab: Lab, tmp_path: Path) -> None:
    for method in (zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2, zipfile.ZIP_DEFLATED):
        source = tmp_path / f"in{method}.zip"
        with zipfile.ZipFile(source, "w", method) as archive:
            archive.writestr("vm/map.c", os.urandom(2000).hex())
        text = bytearray(source.read_bytes())
        text[50:800] = b"\xff" * 750
        source.write_bytes(text)
        with pytest.raises(Refused, match=source.name):
            take(source, lab)


@pytest.mark.parametrize("problem", [MemoryError(), RecursionError("too deep"), KeyError("x")])
def test_whatever_goes_wrong_is_a_refusal(
    lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, problem: Exception
) -> None:
    def fail(*_: object) -> None:
        raise problem

    monkeypatch.setattr(submission, "_from_folder", fail)
    with pytest.raises(Refused, match="in: cannot be read: "):
        take(folder(tmp_path / "in"), lab)


def test_bombs(lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(submission, "MAX_UNPACKED", 1 << 20)
    with tarfile.open(tmp_path / "bomb.tar.gz", "w:gz") as archive:
        entry = tarfile.TarInfo("zeros")
        entry.size = 2 << 20
        archive.addfile(entry, io.BytesIO(bytes(entry.size)))
    with pytest.raises(Refused, match="unpacks to more than"):
        take(tmp_path / "bomb.tar.gz", lab)
    bomb = zipped(tmp_path / "bomb.zip", {"vm/map.c": bytes(MAX_FILE + 1)})
    with pytest.raises(Refused, match=f"{MAX_FILE} are the limit"):
        take(bomb, lab)
    # The description of the entry lies about its size.
    text = bomb.read_bytes().replace((MAX_FILE + 1).to_bytes(4, "little"), b"\x10\0\0\0")
    bomb.write_bytes(text)
    with pytest.raises(Refused):
        take(bomb, lab)


def test_a_repository_cannot_run_programs(lab: Lab, tmp_path: Path) -> None:
    repository = bare_repository(tmp_path / "in.git", tmp_path / "work")
    proof = tmp_path / "proof"
    with open(repository / "config", "a") as config:
        for key in ("fsmonitor", "pager", "sshCommand", "askPass", "editor"):
            config.write(f"[core]\n{key} = touch {proof}\n")
        config.write(f'[filter "x"]\nsmudge = touch {proof}\n')
    (repository / "hooks/post-checkout").write_text(f"#!/bin/sh\ntouch {proof}\n")
    os.chmod(repository / "hooks/post-checkout", 0o755)
    assert take(repository, lab).files == TEXTS and not proof.exists()


def test_a_repository_cannot_borrow_objects(lab: Lab, tmp_path: Path) -> None:
    repository = bare_repository(tmp_path / "in.git", tmp_path / "work")
    other = tmp_path / "other"
    (repository / "objects").rename(other)
    (repository / "objects/info").mkdir(parents=True)
    (repository / "objects/info/alternates").write_text(f"{other}\n")
    with pytest.raises(Refused, match="in.git: git: "):
        take(repository, lab)


def test_a_repository_of_too_much(
    lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository = bare_repository(tmp_path / "in.git", tmp_path / "work")
    for name, value, complaint in (
        ("MAX_LISTING", 20, "git ls-tree: more than 20 bytes"),
        ("MAX_MEMBERS", 1, "more than 1 files"),
        ("GIT_SECONDS", 0.0, "git did not end in 0 s"),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(submission, name, value)
            with pytest.raises(Refused, match=complaint):
                take(repository, lab)


def test_a_repository_cannot_fetch(
    lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DUET_SANDBOX", "none")  # git itself must not
    repository, proof = bare_repository(tmp_path / "in.git", tmp_path / "work"), tmp_path / "proof"
    with open(repository / "config", "a") as config:
        config.write("[core]\nrepositoryformatversion = 1\n[extensions]\npartialClone = far\n")
        config.write(f'[remote "far"]\nurl = "ext::touch {proof}"\npromisor = true\n')
        config.write('[protocol "ext"]\nallow = always\n')
    for blob in (repository / "objects").glob("??/*"):
        if b"blob" in zlib.decompress(blob.read_bytes())[:4]:
            blob.unlink()
    with pytest.raises(Refused, match="in.git: git: "):
        take(repository, lab)
    assert not proof.exists()


def test_many_folders_are_looked_through_once(lab: Lab) -> None:
    paths = [f"{number}/file" for number in range(1000)] + ["zz/vm/map.c"]
    calls = 0

    def count(_frame: object, event: str, _what: object) -> None:
        nonlocal calls
        calls += event == "c_call"

    sys.setprofile(count)
    try:
        assigned = submission._assign(paths, lab)
    finally:
        sys.setprofile(None)
    assert assigned == {name: "zz/" + name for name in lab.files}
    assert calls < 100 * len(paths)


def test_submissions_of_a_folder(tmp_path: Path) -> None:
    folder(tmp_path / "ann")
    zipped(tmp_path / "ben.zip")
    (tmp_path / "notes.txt").write_text("x")
    (tmp_path / ".hidden").mkdir()
    found = submission.find_all(tmp_path)
    assert [path.name for path in found] == ["ann", "ben.zip"]
    assert submission.duplicate_names(found) is None
    zipped(tmp_path / "ann.zip")
    clash = submission.duplicate_names(submission.find_all(tmp_path))
    assert clash == "ann and ann.zip are both called ann"
