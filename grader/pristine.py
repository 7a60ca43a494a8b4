"""The pristine tree: what a submission's files are laid over.

It holds what it takes to build a kernel and nothing else: no tests, no other submissions, and of
the lab's own files the skeleton, so that a file which is missing from a submission brings no
points. It is built once, and copied with its objects for each submission, so that only what the
student has changed is compiled.

It lies in build/grade/LAB-KEY. The key is a hash of all that a kernel depends on, so a change of
Duet or of the compiler makes a new one. Two graders that want the same one take turns.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Iterator, List, Sequence

from grader import sandbox
from grader.lab import Lab

# Beside the lab's own: what `make kernels` reads.
FOLDERS = ("kern", "vm", "arch")
FILES = ("Makefile", "user/user.mk", "labs/*.mk", "grader/*.mk", "grader/install.sh")

# What every make of the grader is told, and what of ours it must not hear.
HIDDEN = ("MAKE", "MFLAGS", "LAB", "SKELETON", "MACHINE", "OUT", "SAN", "RELEASE", "SUBMISSION")


class PristineError(Exception):
    """Why there is no pristine tree, in a sentence for people."""


@dataclass(frozen=True)
class Pristine:
    """A tree with built kernels; `key` says what they depend on."""

    tree: Path
    key: str

    @property
    def reference(self) -> Path:
        """The folder with MACHINE/duet of the solution, if there is one."""
        return self.tree.with_name(self.tree.name + ".reference")


def kernels_of(tree: Path, lab: Lab) -> Path:
    """Where make leaves the lab's kernels; a handout has only one kind of them."""
    is_handout = not (tree / "kern" / "solutions.h").exists()
    return tree / "build" / ("" if is_handout else f"lab-{lab.name}")


def sources(root: Path, lab: Lab) -> List[Path]:
    """The files of the tree, relative to its root."""
    found = [file for folder in FOLDERS for file in (root / folder).rglob("*") if file.is_file()]
    found += [file for pattern in FILES for file in root.glob(pattern)]
    found += [lab.folder / name for name in ("lab.toml", "lab.mk")]
    for part in ("kernel", "public"):  # of labs that add to the kernel
        found += [file for file in (lab.folder / part).rglob("*") if file.is_file()]
    apart = {root / name for name in lab.files}
    names = {file.relative_to(root) for file in found if file.is_file() and file not in apart}
    return sorted(names | {Path(name) for name in lab.files})


def skeleton_text(root: Path, lab: Lab, name: str) -> bytes:
    """What students begin with: the file without its solution."""
    text = (root / name).read_bytes()
    if lab.symbol.encode() not in text:
        return text  # we are in a handout
    if shutil.which("unifdef") is None:
        raise PristineError("the tool unifdef is missing: install the package unifdef")
    command = ["unifdef", f"-D{lab.symbol}=0", "-"]
    done = subprocess.run(command, input=text, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    if done.returncode not in (0, 1):
        raise PristineError(f"{name}: unifdef: {done.stderr.decode()}")
    return done.stdout


def environment() -> "dict[str, str]":
    """Ours, without what an outer make was told."""
    kept = {name: os.environ[name] for name in os.environ if not name.startswith(HIDDEN)}
    return {**kept, "PATH": sandbox.SEARCH_PATH, "LC_ALL": "C"}


def make_words(lab: Lab, machines: Sequence[str]) -> List[str]:
    compiler = os.environ.get("CC", "gcc")
    words = ["make", "-s", f"LAB={lab.name}", f"CC={compiler}", f"MACHINE={' '.join(machines)}"]
    return [*words, "kernels"]


def key_of(root: Path, lab: Lab, machines: Sequence[str]) -> str:
    total = hashlib.sha256()
    version = subprocess.run(
        [os.environ.get("CC", "gcc"), "--version"], stdout=subprocess.PIPE, check=False
    )
    total.update(version.stdout + " ".join(machines).encode())
    for name in sources(root, lab):
        text = (root / name).read_bytes()
        total.update(f"\0{name}\0{len(text)}\0".encode() + text)
    return total.hexdigest()[:16]


def _lay_out(root: Path, lab: Lab, tree: Path) -> Iterator[Path]:
    for name in sources(root, lab):
        target = tree / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if str(name) in lab.files:
            target.write_bytes(skeleton_text(root, lab, str(name)))
        else:
            shutil.copy2(root / name, target)
        yield target


def _make(lab: Lab, machines: Sequence[str], tree: Path, what: str) -> None:
    done = subprocess.run(
        [*make_words(lab, machines), f"-j{os.cpu_count() or 1}"],
        cwd=tree,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
    )
    if done.returncode != 0:
        text = done.stdout.decode("utf-8", "replace")[-2000:]
        raise PristineError(f"the {what} of lab {lab.name} does not build:\n{text}")


def prepare(root: Path, lab: Lab, machines: Sequence[str], cache: Path) -> Pristine:
    """The pristine tree with its kernels, made if it is not there yet."""
    machines = sorted(machines)
    key = key_of(root, lab, machines)
    tree = cache / f"{lab.name}-{key}"
    cache.mkdir(parents=True, exist_ok=True)
    with open(cache / f"{lab.name}.lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not tree.is_dir():
            part = cache / f".{tree.name}.part"
            shutil.rmtree(part, ignore_errors=True)
            list(_lay_out(root, lab, part))
            _make(lab, machines, part, "skeleton")
            _build_reference(root, lab, machines, part, cache / f"{lab.name}-{key}.reference")
            for old in cache.glob(f"{lab.name}-*"):
                if not _is_recent(old):
                    shutil.rmtree(old, ignore_errors=True)
            part.rename(tree)
        os.utime(tree)
    return Pristine(tree, key)


def _build_reference(
    root: Path, lab: Lab, machines: Sequence[str], tree: Path, target: Path
) -> None:
    """Kernels with the solution, by which the host is judged (grader/judge.py). They lie outside
    the tree that submissions are built in. In a handout there are none."""
    if not (root / "kern" / "solutions.h").exists():
        return
    shutil.rmtree(target, ignore_errors=True)
    part = target.with_name(f".{target.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    shutil.copytree(tree, part, symlinks=True)
    for name in lab.files:
        (part / name).write_bytes((root / name).read_bytes())
    _make(lab, machines, part, "solution")
    for machine in machines:
        (target / machine).mkdir(parents=True)
        shutil.copy2(kernels_of(part, lab) / machine / "duet", target / machine)
    shutil.rmtree(part)


def _is_recent(tree: Path) -> bool:
    """In use within the last day, perhaps by a grader that still runs."""
    newest = max((path.stat().st_mtime for path in tree.parent.iterdir()), default=0.0)
    return tree.stat().st_mtime > newest - 86400


def copy(pristine: Pristine, target: Path) -> None:
    """A copy to build in; time stamps are kept, so that make has nothing to do."""
    shutil.copytree(pristine.tree, target, symlinks=True)
