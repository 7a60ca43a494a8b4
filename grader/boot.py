"""`make boot`: run one shell command on a throw-away copy of the root image.

Prints the command's output and nothing else; kernel messages go to a file. A panic is
printed to standard error. The exit status is the command's (128 + signal when it was killed),
or 125 when the kernel panicked or did not end in time.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import tempfile
import termios
import threading
from pathlib import Path
from typing import List, Optional

from grader import image as images
from grader import trace
from grader.checks import check_memory, check_trace
from grader.machine import (
    DLE,
    END_OF_STREAM,
    MACHINES,
    Outcome,
    Running,
    Setup,
    SetupError,
    die_with_parent,
    split_words,
)
from grader.options import add_machine_options, machine_setup
from grader.schedules import with_schedule

USAGE_ERROR = 2


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="boot", description=__doc__)
    parser.add_argument("--machine", choices=MACHINES, default="vkernel")
    add_machine_options(parser)
    parser.add_argument("--command", default=None, help="default: an interactive shell")
    parser.add_argument("--files", default="", help="HOSTPATH:GUESTPATH ...")
    parser.add_argument("--timeout", default="")
    parser.add_argument("--trace", default="", help="a file for the event trace")
    parser.add_argument("--fail", default="", help="what is to fail: alloc:K,...")
    parser.add_argument("--vmspace", default="", help="how the vkernel runs user programs")
    parser.add_argument("--schedule", default="", help="a file with the choices of such a run")
    return parser.parse_args()


def put_files(image: Path, files: str) -> None:
    for word in split_words(files):
        host, separator, guest = word.partition(":")
        if not separator:
            raise images.ImageError(f"FILES: '{word}' is not HOSTPATH:GUESTPATH")
        images.put(image, Path(host), guest)


def feed_stream(machine: Running) -> None:
    """Pass standard input on to QEMU, escaped, and then its end."""
    assert machine.process.stdin is not None
    pipe = machine.process.stdin.fileno()
    try:
        for block in iter(lambda: os.read(0, 4096), b""):
            write_all(pipe, block.replace(DLE, DLE + DLE))
        write_all(pipe, END_OF_STREAM)
    except OSError:
        pass  # the machine has ended: nobody reads any more


def copy_output(machine: Running) -> None:
    """Pass the console's output on from where the machine has put it."""
    try:
        for block in machine.console_output():
            write_all(1, block)
    except OSError:
        pass  # nobody reads any more


def write_all(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]


def boot(setup: Setup, timeout: Optional[float]) -> Outcome:
    is_terminal = os.isatty(0)
    is_scripted = setup.machine == "x86_64" and setup.seed is not None and not is_terminal
    is_escaped = setup.machine == "x86_64" and not is_terminal and not is_scripted
    script = sys.stdin.buffer.read() if is_scripted else None
    settings = termios.tcgetattr(0) if is_terminal else None
    try:
        with Running(
            setup,
            stream=not is_terminal,
            stdin=-1 if is_escaped else None,
            stdout=None,
            script=script,
        ) as machine:
            if is_escaped:
                threading.Thread(target=feed_stream, args=(machine,), daemon=True).start()
            copier = threading.Thread(target=copy_output, args=(machine,), daemon=True)
            if is_scripted:
                copier.start()
            try:
                outcome = machine.wait(timeout)
                if is_scripted:
                    copier.join()
                return outcome
            except KeyboardInterrupt:
                machine.stop()
                raise
    finally:
        if settings is not None:
            termios.tcsetattr(0, termios.TCSADRAIN, settings)


def report(outcome: Outcome, setup: Setup, log: Path, timeout: Optional[float]) -> None:
    if outcome.panic is not None:
        # The vkernel says it here, too, behind what a sanitizer found.
        is_said = "panic: " in outcome.errors
        sys.stderr.write(outcome.errors if is_said else outcome.panic_report())
    elif outcome.hung:
        print(f"boot: stopped after {timeout:g} s (TIMEOUT=); see {log}", file=sys.stderr)
    elif not outcome.ended:
        sys.stderr.write(outcome.errors)
        print(f"boot: the {setup.machine} machine died; see {log}", file=sys.stderr)
    elif setup.machine == "vkernel":
        sys.stderr.write(outcome.errors)


def report_trace(setup: Setup) -> None:
    if setup.trace is not None and trace.summary(setup.trace):
        print(trace.summary(setup.trace), file=sys.stderr)


def interrupt(_number: int, _frame: object) -> None:
    raise KeyboardInterrupt


def main() -> int:
    options = parse_arguments()
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, interrupt)
    die_with_parent(signal.SIGTERM)  # make, when told to stop, tells only the shell between us
    try:
        os.fstat(0)
    except OSError:
        os.open(os.devnull, os.O_RDONLY)  # a closed standard input reads as an empty one
    timeout = float(options.timeout or 600) if options.command is not None else None
    if options.timeout and float(options.timeout) == 0:
        timeout = None
    log = options.build / options.machine / "boot.log"
    setup = machine_setup(
        options,
        options.machine,
        command=options.command,
        trace=Path(options.trace) if options.trace else None,
        fail=options.fail.strip() or None,
        vmspace=options.vmspace.strip() or None,
    )
    try:
        setup = with_schedule(setup, options.schedule.strip())
        check_trace(setup)
        check_memory(options.machine, options.memory)
        with tempfile.TemporaryDirectory(prefix="duet-") as scratch:
            if options.files.strip():
                copy = images.copy(options.image, Path(scratch) / "root.img")
                put_files(copy, options.files)
                setup = setup.with_(image=copy, writable=True)
            outcome = boot(setup, timeout)
    except (images.ImageError, SetupError) as error:
        print(f"boot: {error}", file=sys.stderr)
        return USAGE_ERROR
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    log.write_text(outcome.log)
    report(outcome, setup, log, timeout)
    report_trace(setup)
    return outcome.status


if __name__ == "__main__":
    sys.exit(main())
