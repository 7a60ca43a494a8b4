"""A submission: the files that the lab lets students edit, taken from whatever was handed in.

A folder, a tar or zip archive, or a bare git repository. Nothing is unpacked: the wanted files
are read, one by one, into memory, and all else stays where it is. So a Makefile, a test or a
linker script that was handed in has no effect, an archive cannot write outside, and what is no
ordinary file of reasonable size is refused, with a sentence for the student.

Then the files are laid over a copy of the pristine tree, and only that is built and run.
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
import tarfile
import zipfile
import zlib
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import IO, Dict, Iterator, List, Optional, Sequence, Set, Tuple

from grader import bounded, sandbox
from grader.lab import Lab

MAX_FILE = 512 << 10
MAX_MEMBERS = 20_000
MAX_UNPACKED = 256 << 20
MAX_LISTING = 8 << 20
GIT_SECONDS = 60.0
ARCHIVES = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".zip")


class Refused(Exception):
    """Why a submission is not taken, in a sentence for the student."""


@dataclass
class Submission:
    """What was taken: the text of each file, by its path in the tree."""

    name: str
    files: Dict[str, bytes]
    missing: List[str] = field(default_factory=list)  # the skeleton's are used instead

    @property
    def digest(self) -> str:
        """The same for the same files, wherever they came from."""
        total = hashlib.sha256()
        for name in sorted(self.files):
            text = self.files[name]
            total.update(f"{name}\0{len(text)}\0".encode() + text)
        return total.hexdigest()


# One entry of what was handed in: its path, what it is, and how to read it.
@dataclass(frozen=True)
class _Entry:
    path: str
    kind: str  # file, link, or other
    size: int
    source: object


def is_archive(path: Path) -> bool:
    return path.name.lower().endswith(ARCHIVES)


def name_of(path: Path) -> str:
    """What a submission is called: its file's name without endings."""
    name = path.resolve().name
    for ending in sorted((*ARCHIVES, ".git"), key=len, reverse=True):
        if name.lower().endswith(ending):
            return name[: -len(ending)]
    return name


def take(source: Path, lab: Lab) -> Submission:
    """Take the lab's files from what was handed in. Raises Refused."""
    try:
        if source.is_dir():
            is_bare = (source / "HEAD").is_file() and (source / "objects").is_dir()
            found = _from_git(source, lab) if is_bare else _from_folder(source, lab)
        elif not source.exists():
            raise Refused(f"{source}: there is nothing of this name")
        elif source.name.lower().endswith(".zip"):
            found = _from_zip(source, lab)
        elif is_archive(source):
            found = _from_tar(source, lab)
        else:
            raise Refused(f"{source.name}: neither a folder nor one of {' '.join(ARCHIVES)}")
    except (tarfile.TarError, zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise Refused(f"{source.name}: the archive is damaged: {error}") from None
    except (Refused, sandbox.SandboxError):
        raise
    except Exception as error:  # whatever the readers of archives stumble over
        problem = str(error) or type(error).__name__
        raise Refused(f"{source.name}: cannot be read: {problem}") from None
    if not found:
        raise Refused(f"{source.name}: has none of the lab's files: {', '.join(lab.files)}")
    for name, text in found.items():
        if b"\0" in text:
            raise Refused(f"{name}: is not a text file")
    missing = [name for name in lab.files if name not in found]
    return Submission(name_of(source), found, missing)


# --- Folders ---------------------------------------------------------------------------------


def _open_below(folder: int, path: str) -> int:
    """Open a file for reading without following a symbolic link on the way."""
    parts = PurePosixPath(path).parts
    current = os.dup(folder)
    try:
        for number, part in enumerate(parts):
            flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
            if number < len(parts) - 1:
                flags |= os.O_DIRECTORY
            following = os.open(part, flags, dir_fd=current)
            os.close(current)
            current = following
    except OSError as error:
        os.close(current)
        if error.errno in (errno.ELOOP, errno.ENOTDIR):
            raise Refused(f"{path}: a symbolic link is on the way; submit the file") from None
        raise
    return current


def _from_folder(source: Path, lab: Lab) -> Dict[str, bytes]:
    found = {}
    base = os.open(source, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        top = _folder_entries(source)
        for name, path in _assign([entry.path for entry in top], lab).items():
            try:
                file = _open_below(base, path)
            except FileNotFoundError:
                continue
            if not stat.S_ISREG(os.fstat(file).st_mode):
                os.close(file)
                raise Refused(f"{path}: is no ordinary file")
            with os.fdopen(file, "rb") as stream:
                found[name] = _read_limited(stream, path)
    finally:
        os.close(base)
    return found


def _folder_entries(source: Path) -> List[_Entry]:
    """All names below a folder, not too deep; links are not followed."""
    entries: List[_Entry] = []
    pending: List[Tuple[Path, str, int]] = [(source, "", 0)]
    while pending:
        folder, prefix, depth = pending.pop()
        try:
            listing = os.scandir(folder)
        except OSError:
            continue  # whoever wants a file in it is told
        with listing:
            for item in listing:
                path = prefix + item.name
                if len(entries) > MAX_MEMBERS:
                    raise Refused(f"more than {MAX_MEMBERS} files: submit the lab's files only")
                if item.is_dir(follow_symlinks=False):
                    if depth < 5 and item.name not in (".git", "build"):
                        pending.append((Path(item.path), path + "/", depth + 1))
                else:
                    entries.append(_Entry(path, "file", 0, None))
    # A link to a folder is an entry, too, so that what lies behind it is asked for and refused.
    return entries


# --- Archives --------------------------------------------------------------------------------


def _check_path(path: str) -> None:
    if path.startswith("/") or ".." in PurePosixPath(path).parts or "\\" in path or "\0" in path:
        raise Refused(f"{path!r}: no path below the archive's root")


def _select(entries: Sequence[_Entry], lab: Lab) -> Iterator[Tuple[str, _Entry]]:
    """The lab's files among the entries of an archive; whatever is odd about them is refused."""
    by_path: Dict[str, List[_Entry]] = {}
    for entry in entries:
        _check_path(entry.path)
        by_path.setdefault(str(PurePosixPath(entry.path)), []).append(entry)
    links = [path for path, same in by_path.items() if any(e.kind == "link" for e in same)]
    for name, path in _assign(list(by_path), lab).items():
        for link in links:
            if path.startswith(link + "/"):
                raise Refused(f"{link}: a symbolic link; submit the files themselves")
        if path not in by_path:
            continue
        if len(by_path[path]) > 1:
            raise Refused(f"{path}: is twice in the archive")
        entry = by_path[path][0]
        if entry.kind != "file":
            raise Refused(f"{path}: a {entry.kind}, and no ordinary file; submit the file itself")
        if entry.size > MAX_FILE:
            raise Refused(f"{path}: {entry.size} bytes; {MAX_FILE} are the limit")
        yield name, entry


def _from_zip(source: Path, lab: Lab) -> Dict[str, bytes]:
    found = {}
    with zipfile.ZipFile(source) as archive:
        if len(archive.infolist()) > MAX_MEMBERS:
            raise Refused(f"{source.name}: more than {MAX_MEMBERS} files")
        entries = []
        for info in archive.infolist():
            mode = info.external_attr >> 16
            kind = "link" if stat.S_ISLNK(mode) else "file"
            if stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFLNK, stat.S_IFDIR):
                kind = "device"
            if not info.is_dir():
                entries.append(_Entry(info.filename, kind, info.file_size, info))
        for name, entry in _select(entries, lab):
            with archive.open(entry.source) as stream:  # type: ignore[call-overload]
                found[name] = _read_limited(stream, entry.path)
    return found


class _Bounded:
    """A stream that ends the reading of an archive which unpacks to too much."""

    def __init__(self, stream: IO[bytes]) -> None:
        self.stream, self.left = stream, MAX_UNPACKED

    def read(self, size: int = -1) -> bytes:
        block = self.stream.read(min(size, 1 << 20) if size >= 0 else 1 << 20)
        self.left -= len(block)
        if self.left < 0:
            raise Refused(f"the archive unpacks to more than {MAX_UNPACKED >> 20} MB")
        return block


def _from_tar(source: Path, lab: Lab) -> Dict[str, bytes]:
    """Two passes over the stream: which entries there are, then the texts of those wanted."""
    entries = []
    for _, member in _tar_members(source):
        kind = "file" if member.isreg() else "device"
        if member.issym() or member.islnk():
            kind = "link"
        if len(entries) > MAX_MEMBERS:
            raise Refused(f"{source.name}: more than {MAX_MEMBERS} files")
        if not member.isdir():
            entries.append(_Entry(member.name, kind, member.size, member.name))
    wanted = {str(entry.source): name for name, entry in _select(entries, lab)}
    found = {}
    for archive, member in _tar_members(source):
        if member.name in wanted and member.isreg():
            stream = archive.extractfile(member)
            assert stream is not None
            found[wanted[member.name]] = _read_limited(stream, member.name)
    return found


def _tar_members(source: Path) -> Iterator[Tuple[tarfile.TarFile, tarfile.TarInfo]]:
    import bz2
    import gzip
    import lzma

    name = source.name.lower()
    opener = open
    for endings, module in (((".gz", ".tgz"), gzip), ((".bz2",), bz2), ((".xz",), lzma)):
        if name.endswith(endings):
            opener = module.open  # type: ignore[assignment]
    try:
        with opener(source, "rb") as packed:
            bounded = _Bounded(packed)  # type: ignore[arg-type]
            with tarfile.open(fileobj=bounded, mode="r|") as archive:  # type: ignore[call-overload]
                for member in archive:
                    yield archive, member
    except lzma.LZMAError as error:
        raise Refused(f"{source.name}: the archive is damaged: {error}") from None


def _read_limited(stream: IO[bytes], path: str) -> bytes:
    blocks, left = [], MAX_FILE + 1
    while left > 0:
        block = stream.read(left)
        if not block:
            return b"".join(blocks)
        blocks.append(block)
        left -= len(block)
    raise Refused(f"{path}: more than {MAX_FILE} bytes")


# --- Bare git repositories -------------------------------------------------------------------


def _from_git(source: Path, lab: Lab) -> Dict[str, bytes]:
    """The files of HEAD. A repository can make git run programs, so git is confined."""
    found = {}
    listing = _git(source, MAX_LISTING, "ls-tree", "-r", "-z", "-l", "HEAD")
    if listing.count(b"\0") > MAX_MEMBERS:
        raise Refused(f"{source.name}: more than {MAX_MEMBERS} files")
    entries = []
    for line in listing.split(b"\0"):
        if line:
            words, _, path = line.partition(b"\t")
            mode, _, blob, size = words.decode().split()
            kind = {"100644": "file", "100755": "file", "120000": "link"}.get(mode, "submodule")
            length = int(size) if size.isdigit() else 0
            entries.append(_Entry(path.decode("utf-8", "replace"), kind, length, blob))
    for name, entry in _select(entries, lab):
        found[name] = _git(source, MAX_FILE, "cat-file", "blob", str(entry.source))
    return found


def _git(repository: Path, limit: int, *words: str) -> bytes:
    """What git says, if that is not more than the limit. It fetches nothing from elsewhere."""
    folder = str(repository.resolve())
    command = ["/usr/bin/env", "GIT_NO_LAZY_FETCH=1", "GIT_ALLOW_PROTOCOL=none"]
    command += ["git", "-c", f"safe.directory={folder}", f"--git-dir={folder}", *words]
    confined = sandbox.Confinement.probe().command(command, readable=[repository.resolve()])
    done = bounded.run(confined, limit + 1, GIT_SECONDS)
    if done.is_late:
        raise Refused(f"{repository.name}: git did not end in {GIT_SECONDS:.0f} s")
    if len(done.output) > limit:
        raise Refused(f"{repository.name}: git {words[0]}: more than {limit} bytes")
    if done.status != 0:
        complaint = done.errors.decode("utf-8", "replace").strip()[:300]
        raise Refused(f"{repository.name}: git: {complaint}")
    return done.output


# --- Where the files are, and where they go --------------------------------------------------


def _assign(paths: Sequence[str], lab: Lab) -> Dict[str, str]:
    """Where the lab's files are among these paths: in place; below the one folder that archives
    often have on top; or all alone, without their folders, as web forms upload them."""
    plain = {str(PurePosixPath(path)) for path in paths}
    if not any(_is_at(name, plain) for name in lab.files):
        below: Dict[str, Set[str]] = {}
        for path in plain:
            top, _, rest = path.partition("/")
            below.setdefault(top, set()).add(rest)
        for top in sorted(below):
            if any(_is_at(name, below[top]) for name in lab.files):
                return {name: f"{top}/{name}" for name in lab.files}
        bare = [PurePosixPath(name).name for name in lab.files]
        alone = {
            name: PurePosixPath(name).name
            for name in lab.files
            if PurePosixPath(name).name in plain and bare.count(PurePosixPath(name).name) == 1
        }
        if alone:
            return alone
    return {name: name for name in lab.files}


def _is_at(name: str, paths: "set[str]") -> bool:
    """The file is there, or something else is where one of its folders should be."""
    return name in paths or any(str(parent) in paths for parent in PurePosixPath(name).parents)


def lay_over(submission: Submission, tree: Path) -> List[str]:
    """Put the files into a tree; returns those that differ from what was there.

    A file that is the same keeps its time stamp, so that make has nothing to do for it.
    """
    changed = []
    for name, text in submission.files.items():
        target = tree / name
        if target.is_file() and target.read_bytes() == text:
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        target.unlink(missing_ok=True)
        target.write_bytes(text)
        changed.append(name)
    return changed


def find_all(folder: Path) -> List[Path]:
    """The submissions in a folder: each sub-folder, archive and repository in it."""
    return sorted(
        path
        for path in folder.iterdir()
        if not path.name.startswith(".") and (path.is_dir() or is_archive(path))
    )


def duplicate_names(paths: Sequence[Path]) -> Optional[str]:
    """Two submissions of the same name, if there are."""
    seen: Dict[str, Path] = {}
    for path in paths:
        name = name_of(path)
        if name in seen:
            return f"{seen[name].name} and {path.name} are both called {name}"
        seen[name] = path
    return None
