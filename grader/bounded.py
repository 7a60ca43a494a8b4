"""Running a tool on what nobody trusts: it gets little time, and cannot fill our memory."""

from __future__ import annotations

import subprocess
import tempfile
import threading
from dataclasses import dataclass
from typing import Mapping, Optional, Sequence

ERRORS_MAX = 64 << 10
GRACE = 10.0  # for a launcher to end what runs under it


@dataclass(frozen=True)
class Done:
    """How it ended; `output` is cut off where there was more, and then the tool was killed."""

    status: int
    output: bytes
    errors: bytes
    is_late: bool

    @property
    def text(self) -> str:
        return self.output.decode("utf-8", "replace")

    @property
    def complaint(self) -> str:
        return self.errors.decode("utf-8", "replace").strip()


def _end(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    try:
        process.wait(GRACE)
    except subprocess.TimeoutExpired:
        process.kill()


def run(
    command: Sequence[str],
    limit: int,
    seconds: float,
    text: bytes = b"",
    environment: Optional[Mapping[str, str]] = None,
) -> Done:
    """Run a command with `text` as its input, and take at most `limit` bytes of its output."""
    with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as errors:
        given.write(text)
        given.seek(0)
        with subprocess.Popen(
            command, stdin=given, stdout=subprocess.PIPE, stderr=errors, env=environment
        ) as process:
            late = threading.Event()

            def expire() -> None:
                late.set()
                _end(process)

            timer = threading.Timer(seconds, expire)
            timer.daemon = True
            timer.start()
            try:
                assert process.stdout is not None
                output = process.stdout.read(limit)
                if len(output) == limit:
                    _end(process)
                process.wait()
            finally:
                timer.cancel()
                _end(process)
        errors.seek(0)
        return Done(process.returncode, output, errors.read(ERRORS_MAX), late.is_set())
