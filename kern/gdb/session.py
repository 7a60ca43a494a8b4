"""`duet boot`: start the machine that the kernel in gdb is for, and stop in kernel_main().

This is what `make gdb` and `make qemu-gdb` do. A run with a seed can be visited at any of its
events, also at earlier ones: then the same run is made once more (`duet goto`, `duet back`).
"""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import signal
import sys
from pathlib import Path
from typing import List, Optional

import gdb

from structures import (
    ROOT,
    DuetError,
    cpu_here,
    current_thread,
    describe_thread,
    machine_name,
    shares_addresses,
)
from terminal import Console

sys.path.insert(1, str(ROOT))

from grader.console import prepare_image  # noqa: E402
from grader.machine import (  # noqa: E402
    Setup,
    SetupError,
    split_words,
    vkernel_arguments,
    x86_64_arguments,
)
from grader.schedules import with_schedule  # noqa: E402

START = "kernel_main"
ARRIVED = "schedule_arrived"  # kern/schedule_point.c

SESSION: List[Setup] = []  # what runs, if it was started here


def parse(words: List[str]) -> argparse.Namespace:
    """The options; make hands the user's variables over in the environment."""
    given = os.environ.get
    parser = argparse.ArgumentParser(prog="duet boot", add_help=False)
    parser.add_argument("--image", type=Path, default=Path("build/root.img"))
    parser.add_argument("--cpus", default=given("CPUS", "1"))
    parser.add_argument("--memory", default=given("MEM", "128M"))
    parser.add_argument("--kernel-arguments", default=given("KERNEL_ARGS", ""))
    parser.add_argument("--disks", default=given("DISK", ""))
    parser.add_argument("--command", default=given("CMD"))
    parser.add_argument("--seed", default=given("SEED", ""))
    parser.add_argument("--schedule", default=given("SCHEDULE", ""))
    try:
        return parser.parse_args(words)
    except SystemExit:
        raise DuetError(f"Usage: {parser.format_usage()}")


def make_setup(options: argparse.Namespace) -> Setup:
    machine = machine_name()
    kernel = Path(gdb.current_progspace().filename)
    image = options.image
    if options.command is None:  # as `make run`: an image that keeps what the user makes
        image = kernel.parent / "root.img"
        prepare_image(options.image, image)
    setup = Setup(
        machine=machine,
        image=image.resolve(),
        command=options.command or None,
        cpus=options.cpus,
        memory=options.memory,
        writable=options.command is None,
        kernel_arguments=split_words(options.kernel_arguments),
        disks=tuple(Path(word).resolve() for word in split_words(options.disks)),
        build=kernel.parent.parent,
        seed=options.seed.strip() or None,
    )
    return with_schedule(setup, options.schedule.strip())


def run_as_process(setup: Setup) -> None:
    """The machine is a process that gdb starts."""

    def interrupt() -> None:
        # It waits for SIGINT itself, and would get it instead of gdb.
        os.kill(gdb.selected_inferior().pid, signal.SIGSTOP)

    gdb.execute("handle SIGSTOP stop print nopass", to_string=True)
    arguments = [shlex.quote(word) for word in vkernel_arguments(setup, None, None)[1:]]
    if setup.seed is not None and setup.command is not None:
        arguments.append("</dev/null")  # a terminal would make it another run
    else:
        gdb.execute(f"set inferior-tty {Console(interrupt).path}")
    gdb.execute("set args " + " ".join(arguments))
    gdb.execute(f"tbreak {START}", to_string=True)
    gdb.execute("run")


def run_as_emulator(setup: Setup) -> None:
    """The machine is QEMU, which gdb starts and speaks with through a pipe."""
    console = Console(lambda: os.kill(os.getpid(), signal.SIGINT))
    arguments = x86_64_arguments(setup, None, None, stream=False, terminal=console.path)
    if not setup.writable:
        arguments += ["-snapshot"]
    arguments += ["-gdb", "stdio", "-S"]
    if shutil.which("setpriv") is not None:  # however gdb ends
        arguments = ["setpriv", "--pdeathsig", "KILL", *arguments]
    command = " ".join(shlex.quote(word) for word in arguments)
    gdb.execute(f"target remote | exec {command}", to_string=True)
    gdb.execute(f"tbreak {START}", to_string=True)
    gdb.execute("continue")


def boot(words: List[str]) -> None:
    """Start the machine that this kernel is for, and stop where the kernel begins."""
    try:
        setup = make_setup(parse(words))
    except SetupError as error:
        raise DuetError(str(error))
    SESSION[:] = [setup]
    if shares_addresses():
        run_as_emulator(setup)
    else:
        run_as_process(setup)


# --- Events of a run with a seed ---------------------------------------------------------------


def event() -> int:
    """The number of the scheduling point that was passed last."""
    return int(gdb.parse_and_eval("'schedule_point.c'::run.points"))


def restart() -> None:
    """The same run from its beginning."""
    if shares_addresses():
        raise DuetError("on this machine a run cannot be started again from within gdb")
    stop_silently_at(START)
    gdb.execute("run", to_string=True)


def stop_silently_at(function: str) -> None:
    gdb.Breakpoint(function, internal=True, temporary=True).silent = True


def breakpoints_off() -> List[gdb.Breakpoint]:
    """Nothing of the user's stops us on the way."""
    enabled = [point for point in gdb.breakpoints() if point.is_valid() and point.enabled]
    for point in enabled:
        point.enabled = False
    return enabled


def caller_of_point() -> Optional[gdb.Frame]:
    """The frame that passed the scheduling point, without the machinery of locks."""
    frame: Optional[gdb.Frame] = gdb.newest_frame()
    while frame is not None:
        file = frame.find_sal().symtab
        name = Path(file.filename).name if file is not None else ""
        if name not in ("schedule_point.c", "schedule_point.h", "spinlock.c"):
            return frame
        frame = frame.older()
    return None


def describe_event() -> str:
    cpu, thread = cpu_here(), current_thread()
    place = f"cpu {int(cpu['id'])}" if cpu is not None else "no cpu"
    who = describe_thread(thread) if thread is not None else "no thread"
    return f"event {event()}: {place}, {who}"


def go_to(wanted: int) -> None:
    """Stop at that event of this run: a fresh one if it has gone further."""
    if not SESSION or SESSION[0].seed is None:
        raise DuetError("only a run with a seed has events: duet boot --seed N, make gdb SEED=N")
    if wanted < 1:
        raise DuetError("events are numbered from 1 on")
    enabled = breakpoints_off()
    try:
        is_running = gdb.selected_thread() is not None
        if not is_running or event() >= wanted:
            restart()
        gdb.execute(f"set var schedule_until = {wanted}")
        stop_silently_at(ARRIVED)
        gdb.execute("continue", to_string=True)
    finally:
        for point in enabled:
            if point.is_valid():
                point.enabled = True
    if gdb.selected_thread() is None:
        raise DuetError(f"the run ended before event {wanted}")
    frame = caller_of_point()
    if frame is not None:
        frame.select()
    print(describe_event())
    gdb.execute("frame")
