"""Confinement: which layers this host offers, and how a command is run within them.

Whatever comes from a submission runs confined: the compiler that reads it, and the kernel that
it makes. Layers are tried, never assumed, and the result of grading names those in use:

    namespaces          bubblewrap: of the files only the system's, what is named, and a scratch
                        folder; no network, own processes
    uid                 a user that nobody else is (if we are root)
    landlock            the same files, enforced on the process itself, where there are no
                        namespaces; signals and sockets stay inside
    no-new-privileges   set-user-id programs give nothing
    seccomp             no sockets, keys, mounts, namespaces, BPF, ... (grader/confine.py)
    limits              memory, processes, file sizes, disk, processor time, time

With namespaces or with Landlock, hidden tests, other submissions and results cannot be read. With
neither, grading is still possible for a student at home, but is_sufficient is false, and other
people's submissions are refused. Landlock must know truncation (Linux 6.2), and where we are not
root and cannot make the command another user, signals as well (Linux 6.12): else it could kill
us. DUET_SANDBOX forces a choice: namespaces, landlock, user, or none; in the environment of what
boots machines it says that they are to be confined (grader/machine.py).

Nothing survives its run: grader/confine.py kills every descendant, and dies with its parent.
"""

from __future__ import annotations

import functools
import json
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Dict, Iterable, List, Optional, Sequence, Tuple

from grader.confine import landlock_version

LAUNCHER = Path(__file__).resolve().with_name("confine.py")
ALWAYS = ("no-new-privileges", "seccomp", "limits")
SEARCH_PATH = "/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin"

# The launcher's exit status when the command has not run.
CANNOT = 126
STOPPED = 125


class SandboxError(Exception):
    """Why a command cannot be confined as was asked, in a sentence for people."""


@dataclass(frozen=True)
class Limits:
    """What all processes of one confined command may use together."""

    memory: int = 1 << 30
    data: int = 2 << 30  # private memory of a single process; emulators reserve much
    processes: int = 200
    file_size: int = 256 << 20
    disk: int = 512 << 20
    cpu: float = 120.0  # seconds of processor time
    seconds: float = 600.0  # of anybody's time: for what sleeps and never ends


@dataclass(frozen=True)
class Report:
    """How a confined command ended: `why` is exit, or the limit that was exceeded, or stopped."""

    why: str = "stopped"
    status: int = STOPPED
    memory: int = 0
    cpu: float = 0.0
    seconds: float = 0.0

    def __str__(self) -> str:
        texts = {
            "memory": f"used more memory than it may ({self.memory >> 20} MB)",
            "cpu": f"computed for {self.cpu:.0f} s and was stopped",
            "time": f"did not end in {self.seconds:.0f} s",
            "processes": "made more processes than it may",
            "disk": "wrote more to the disk than it may",
            "stopped": "was stopped",
        }
        return texts.get(self.why, f"ended with status {self.status}")


def read_report(path: Path) -> Report:
    try:
        return Report(**json.loads(path.read_text(encoding="ascii")))
    except (OSError, ValueError, TypeError):
        return Report()


def environment(scratch: str) -> Dict[str, str]:
    """What a command is told, confined or not: nothing of ours."""
    return {"PATH": SEARCH_PATH, "LC_ALL": "C", "HOME": "/nonexistent", "TMPDIR": scratch}


@dataclass(frozen=True)
class Confinement:
    """The layers that a command is run in."""

    layers: Tuple[str, ...]

    @staticmethod
    def probe(choice: Optional[str] = None) -> Confinement:
        """The strongest confinement that works here, or the one that `choice` or DUET_SANDBOX
        asks for. Raises SandboxError if that one does not work."""
        return _probe(choice or os.environ.get("DUET_SANDBOX") or "auto")

    @staticmethod
    def for_submissions(is_trusted: bool) -> Confinement:
        """The one for other people's code. Raises SandboxError if it is not strong enough, and
        the submissions are not trusted."""
        found = Confinement.probe()
        if not found.is_sufficient and not is_trusted:
            raise SandboxError(
                "this host offers neither namespaces (bubblewrap) nor enough of Landlock (Linux "
                "6.12, or 6.2 for root), so submissions could read each other and the tests; "
                "install bubblewrap, or say that you trust them: batch --unconfined, or "
                "DUET_SANDBOX=none make grade"
            )
        return found

    @property
    def is_sufficient(self) -> bool:
        """Strong enough for other people's code."""
        if "namespaces" in self.layers:
            return True
        needed = 3 if "uid" in self.layers else 6
        return "landlock" in self.layers and landlock_version() >= needed

    def __str__(self) -> str:
        return ", ".join(self.layers) or "none"

    def command(
        self,
        words: Sequence[str],
        readable: Iterable[Path] = (),
        writable: Iterable[Path] = (),
        limits: Limits = Limits(),
        descriptors: Iterable[int] = (),
        report: Optional[Path] = None,
        cwd: Optional[Path] = None,
    ) -> List[str]:
        """The words that run `words` confined.

        It sees the system's programs, what is `readable`, and what is `writable`: files or
        folders. Beside its standard ones it keeps these `descriptors`, which the caller must pass
        on. How it ended is written to `report`, outside its reach.
        """
        if not self.layers:
            return list(words)
        writable = [str(path.resolve()) for path in writable]
        scratch = next((path for path in writable if os.path.isdir(path)), "/")
        spec = {
            "layers": self.layers,
            "readable": [str(path.resolve()) for path in readable],
            "writable": writable,
            "descriptors": list(descriptors),
            "cwd": str(cwd.resolve()) if cwd else scratch,
            "report": str(report) if report else "",
            "temporary": str(Path(tempfile.gettempdir()).resolve()),
            "bwrap": shutil.which("bwrap") or "",
            "environment": environment(scratch),
            **{name: getattr(limits, name) for name in limits.__dataclass_fields__},
        }
        launcher = [sys.executable, "-I", "-S", str(LAUNCHER), json.dumps(spec), "--"]
        return launcher + list(words)

    def run(
        self, words: Sequence[str], report: Path, timeout: Optional[float] = None, **more: object
    ) -> "subprocess.CompletedProcess[bytes]":
        """Run to the end with an empty input; output and errors are one text of at most 1 MB."""
        command = self.command(words, report=report, **more)  # type: ignore[arg-type]
        with subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=more.get("cwd") if not self.layers else None,  # type: ignore[arg-type]
            env=None if self.layers else environment(tempfile.gettempdir()),
        ) as process:
            assert process.stdout is not None
            text = bytearray()
            for block in iter(lambda: process.stdout.read1(65536), b""):  # type: ignore
                text += block[: max(0, (1 << 20) - len(text))]
            process.wait(timeout)
        return subprocess.CompletedProcess(command, process.returncode, bytes(text), b"")


def from_environment() -> Optional[Confinement]:
    """The confinement that the grader asks for; None outside of grading."""
    choice = os.environ.get("DUET_SANDBOX", "none")
    return Confinement.probe(choice) if choice not in ("", "none") else None


def limits_from_environment() -> Limits:
    """What the grader allows a machine, in DUET_LIMITS."""
    return Limits(**json.loads(os.environ.get("DUET_LIMITS") or "{}"))


def choices() -> List[Tuple[str, Tuple[str, ...]]]:
    """What can be tried, the strongest first."""
    user = ("uid",) if os.geteuid() == 0 else ()
    found: List[Tuple[str, Tuple[str, ...]]] = []
    if shutil.which("bwrap"):
        found.append(("namespaces", ("namespaces", *user, *ALWAYS)))
    found.append(("landlock", (*user, "landlock", *ALWAYS)))
    found.append(("user", (*user, *ALWAYS)))
    return found


@functools.lru_cache(maxsize=None)
def _probe(choice: str) -> Confinement:
    if choice == "none":
        return Confinement(())
    names = [name for name, _ in choices()]
    if choice not in ("auto", *names):
        raise SandboxError(f"DUET_SANDBOX={choice}: must be auto, none, or of {', '.join(names)}")
    problem = ""
    for name, layers in choices():
        if choice in ("auto", name):
            candidate = Confinement(layers)
            problem = _try(candidate)
            if not problem:
                return candidate
    if choice == "auto":
        return Confinement(())
    raise SandboxError(f"DUET_SANDBOX={choice} does not work on this host: {problem}")


def _try(candidate: Confinement) -> str:
    """What is wrong with this confinement here; empty if it works."""
    command = candidate.command(["/bin/sh", "-c", "read line </proc/self/stat && echo confined"])
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    text = done.stdout.decode("utf-8", "replace").strip()
    return "" if done.returncode == 0 and text == "confined" else text or "it ended silently"
