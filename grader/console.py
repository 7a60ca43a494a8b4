"""`make run` and `make qemu`: Duet on this terminal, with a root image that lasts.

Each machine has its own copy of the root image, which keeps what the user makes. When the
programs have been rebuilt, the new ones are put into the copy and the rest stays.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import List

from grader import image as images
from grader.boot import boot, report_trace
from grader.checks import check_memory, check_trace
from grader.machine import (
    MACHINES,
    Setup,
    SetupError,
    die_with_parent,
    vkernel_arguments,
    x86_64_arguments,
)
from grader.options import add_machine_options, machine_setup
from grader.trace import Channel

# What a rebuild renews in an image that is already there.
RENEWED = ("bin", "tests")


def prepare_image(pristine: Path, lasting: Path) -> None:
    if not lasting.exists():
        images.copy(pristine, lasting)
        return
    images.repair(lasting)
    if lasting.stat().st_mtime < pristine.stat().st_mtime:
        programs = pristine.parent / "root"
        newer = lasting.stat().st_mtime
        for folder in RENEWED:
            for file in sorted((programs / folder).rglob("*")):
                if file.is_file() and file.stat().st_mtime > newer:
                    images.put(lasting, file, "/" + str(file.relative_to(programs)))
        os.utime(lasting)


def run_traced(setup: Setup, arguments: List[str]) -> int:
    """Run QEMU, and fetch the trace when it has ended."""
    assert setup.trace is not None
    with tempfile.TemporaryDirectory(prefix="duet-") as scratch:
        channel = Channel(Path(scratch) / "trace")
        channel.create(setup.cpus, setup.kernel_arguments)
        process = subprocess.Popen(arguments + channel.options(), preexec_fn=die_with_parent)
        for number in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, lambda *_: process.terminate())
        status = process.wait()
        channel.save(setup.trace)
    report_trace(setup)
    return status


def main() -> int:
    parser = argparse.ArgumentParser(prog="console", description=__doc__)
    parser.add_argument("machine", choices=MACHINES)
    add_machine_options(parser)
    parser.add_argument("--trace", default="", help="a file for the event trace")
    parser.add_argument("--vmspace", default="", help="how the vkernel runs user programs")
    options = parser.parse_args()
    lasting = options.build / options.machine / "root.img"
    setup = machine_setup(
        options,
        options.machine,
        image=lasting,
        writable=True,
        trace=Path(options.trace) if options.trace else None,
        vmspace=options.vmspace.strip() or None,
    )
    try:
        check_trace(setup)
        check_memory(options.machine, options.memory)
    except SetupError as error:
        print(f"{options.machine}: {error}", file=sys.stderr)
        return 2
    try:
        prepare_image(options.image, lasting)
    except images.ImageError as error:
        print(f"{lasting}: {error}\nRemove it to start with a fresh one.", file=sys.stderr)
        return 1
    die_with_parent(signal.SIGTERM)  # make, when told to stop, tells only the shell between us
    if options.machine == "vkernel":
        print("Duet on the vkernel; `poweroff` ends it.", flush=True)
        arguments = vkernel_arguments(setup, None, None)
    else:
        print("Duet on x86_64 under QEMU; `poweroff` ends it, and so does ^A x.", flush=True)
        if not os.isatty(0):  # in a script the console is a stream, which must be escaped
            outcome = boot(setup, None)
            sys.stderr.write(outcome.errors + outcome.log)
            report_trace(setup)
            return outcome.status
        arguments = x86_64_arguments(setup, None, None, stream=False)
        if setup.trace is not None:
            return run_traced(setup, arguments)
    os.execvp(arguments[0], arguments)


if __name__ == "__main__":
    sys.exit(main())
