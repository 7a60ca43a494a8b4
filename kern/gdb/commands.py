"""The gdb commands: `duet ps` and so on. `help duet` lists them."""

from __future__ import annotations

import shlex
import tempfile
from pathlib import Path
from typing import Callable, List, NamedTuple

import gdb

import backtraces
import locks
import memory
import programs
import syscalls
from structures import (
    DuetError,
    cpu_here,
    cpu_threads,
    cpus,
    current_thread,
    describe_state,
    describe_thread,
    find_process,
    is_kernel,
    process_of,
    processes,
    selection_kept,
    text,
    threads,
    threads_of,
)

Run = Callable[[List[str]], None]


class Duet(gdb.Command):
    """Commands that know the Duet kernel: processes, threads, CPUs, memory, locks."""

    def __init__(self) -> None:
        super().__init__("duet", gdb.COMMAND_DATA, gdb.COMPLETE_NONE, prefix=True)


class Subcommand(gdb.Command):
    """One `duet NAME`: its documentation is the function's."""

    def __init__(self, name: str, run: Run, usage: str) -> None:
        self.__doc__ = f"{run.__doc__}\n\nUsage: duet {name} {usage}".rstrip()
        self.run, self.usage, self.name = run, usage, name
        super().__init__(f"duet {name}", gdb.COMMAND_DATA, gdb.COMPLETE_NONE)

    def invoke(self, argument: str, from_tty: bool) -> None:
        self.dont_repeat()
        words = shlex.split(argument)
        required = [word for word in self.usage.split() if not word.startswith("[")]
        is_open = self.usage.endswith("...")
        too_many = len(words) > len(self.usage.split()) and not is_open
        if len(words) < len(required) or too_many:
            raise DuetError(f"Usage: duet {self.name} {self.usage}")
        if self.run not in (boot, go_to, programs.break_program) and gdb.selected_thread() is None:
            raise DuetError("the machine is not running")
        self.run(words)


def number(word: str) -> int:
    return int(gdb.parse_and_eval(word))


def process_named(word: str) -> gdb.Value:
    return find_process(number(word))


def living_threads(word: str) -> List[gdb.Value]:
    """All threads of the process with this id, or the one thread whose own id it is."""
    wanted = number(word)
    own = [thread for thread in threads() if int(thread["tid"]) == wanted != 0]
    if own and int(own[0]["process"]["pid"]) != wanted:
        return own
    found = threads_of(find_process(wanted))
    if not found:
        raise DuetError(f"process {word} is a zombie: it has no thread any more")
    return found


def show_processes(_: List[str]) -> None:
    """List all processes with their threads and the kernel's, and what each does."""
    print(f"{'PID':>5} {'PPID':>5} {'NAME':15} STATE")
    for process in processes():
        own = threads_of(process)
        if not own:
            state = f"zombie, status {int(process['status']):#x}"
        elif int(process["stop_signal"]) != 0:
            state = f"stopped by signal {int(process['stop_signal'])}"
        else:
            state = describe_state(own[0])
        parent = int(process["parent"]["pid"]) if int(process["parent"]) != 0 else 0
        print(f"{int(process['pid']):5} {parent:5} {text(process['name']):15} {state}")
        for thread in own[1:]:
            name = f"thread {int(thread['tid'])}"
            print(f"{'':5} {'':5} {name:15} {describe_state(thread)}")
    for thread in threads():
        if process_of(thread) is None:
            print(f"{'-':>5} {'-':>5} {text(thread['name']):15} {describe_state(thread)}")


def show_cpus(_: List[str]) -> None:
    """List the CPUs, and which of gdb's threads each is."""
    found = cpu_threads()
    here = cpu_here()
    for cpu in cpus():
        identity = int(cpu["id"])
        mark = "*" if here is not None and int(here["id"]) == identity else " "
        thread = found.get(identity)
        name = f"thread {thread.num}" if thread is not None else "no thread of gdb's"
        current = cpu["current"].dereference()
        doing = "idle" if int(cpu["current"]) == int(cpu["idle"]) else describe_thread(current)
        print(f"{mark} cpu {identity}  {name:10} {doing}")


def _wanted(words: List[str]) -> List[gdb.Value]:
    if not words:
        thread = current_thread()
        if thread is None:
            raise DuetError("the selected thread is no CPU; say which process or cpu")
        return [thread]
    if words == ["all"]:
        return threads()
    if words[0] == "cpu" and len(words) == 2:
        for cpu in cpus():
            if int(cpu["id"]) == number(words[1]):
                return [cpu["current"].dereference()]
        raise DuetError(f"there is no cpu {words[1]}")
    if len(words) == 1:
        return living_threads(words[0])
    raise DuetError("Usage: duet bt [PID | cpu N | all]")


def show_backtrace(words: List[str]) -> None:
    """Print a backtrace through the kernel into the user program.

    Of the current thread, of a process's threads (or of one, by its own id), of what a CPU runs,
    or of everything."""
    backtraces.show(_wanted(words))


def select_cpu(words: List[str]) -> None:
    """Select the gdb thread that is a CPU."""
    thread = cpu_threads().get(number(words[0]))
    if thread is None:
        raise DuetError(f"there is no cpu {words[0]}")
    gdb.execute(f"thread {thread.num}")


def show_page_table(words: List[str]) -> None:
    """Print a process's page table, or how it translates one address."""
    process = process_named(words[0])
    lines = memory.table(process) if len(words) == 1 else memory.walk(process, number(words[1]))
    for line in lines:
        print(line)


def show_maps(words: List[str]) -> None:
    """Print a process's address map."""
    print("\n".join(memory.regions(process_named(words[0]))))


def show_locks(_: List[str]) -> None:
    """List the locks that are held, where they were taken, and who waits for them."""
    print("\n".join(locks.report()) or "no lock is held")


def show_syscalls(words: List[str]) -> None:
    """List the last system calls of a process's threads, or of one thread."""
    wanted = living_threads(words[0])
    for thread in wanted:
        if len(wanted) > 1:
            print(f"{describe_thread(thread)}:")
        print("\n".join(syscalls.history(thread)) or "none yet")


def break_syscall(words: List[str]) -> None:
    """Stop when a program makes a system call: any, or the named one."""
    syscalls.SyscallBreakpoint(words[0], words[1] if len(words) > 1 else None)


def step_syscall(words: List[str]) -> None:
    """Continue until the current process (or the given one) makes its next system call."""
    if words:
        pid = number(words[0])
    else:
        thread = current_thread()
        process = process_of(thread) if thread is not None else None
        if process is None:
            raise DuetError("no process runs here; say which one")
        pid = int(process["pid"])
    syscalls.SyscallBreakpoint(pid=pid, once=True)
    gdb.execute("continue")


class Opened(NamedTuple):
    """A program that was opened beside the kernel, and where we were then."""

    inferior: int
    kernel: int
    thread: "gdb.InferiorThread"
    folder: "tempfile.TemporaryDirectory[str]"


OPENED: List[Opened] = []


def open_program(words: List[str]) -> None:
    """Open a user program as an inferior of its own, as from a core file.

    Its registers and its memory can be looked at; `duet kernel` goes back."""
    thread = living_threads(words[0])[0]
    folder = tempfile.TemporaryDirectory(prefix="duet-gdb-")
    core = Path(folder.name) / "core"
    try:
        user = backtraces.user_part(thread, backtraces.kernel_part(thread))
        if user is None:
            raise DuetError(f"process {words[0]} has no user program yet")
        backtraces.write_core(user, core, everything=True)
    finally:
        backtraces.resume_stopped()
    name = text(user.process["name"])
    kernel, selected = gdb.selected_inferior().num, gdb.selected_thread()
    gdb.execute("add-inferior -no-connection", to_string=True)
    newest = max(inferior.num for inferior in gdb.inferiors())
    OPENED.append(Opened(newest, kernel, selected, folder))
    gdb.execute(f"inferior {newest}", to_string=True)
    if user.program is not None:
        gdb.execute(f"file {user.program}", to_string=True)
    gdb.execute(f"core-file {core}", to_string=True)
    print(f"This is process {words[0]} ({name}) as it is now; `duet kernel` goes back.")
    gdb.execute("frame")


def close_programs(_: List[str]) -> None:
    """Go back to the kernel, and close the programs that `duet program` opened."""
    while OPENED:
        opened = OPENED.pop()
        gdb.execute(f"inferior {opened.inferior}", to_string=True)
        gdb.execute("core-file", to_string=True)
        gdb.execute(f"inferior {opened.kernel}", to_string=True)
        opened.thread.switch()
        gdb.execute(f"remove-inferiors {opened.inferior}", to_string=True)
        opened.folder.cleanup()
    gdb.execute("frame")


def boot(words: List[str]) -> None:
    """Start the machine that this kernel is for, and stop where the kernel begins.

    Options: --image FILE, --cpus N, --memory SIZE, --command COMMAND, --disks 'FILE...',
    --kernel-arguments 'WORD...', --seed N, --schedule FILE."""
    import session  # what runs machines is not needed for a kernel that runs already

    session.boot(words)


def go_to(words: List[str]) -> None:
    """Stop at an event of a run with a seed, by its number.

    If the run has gone further, the same one is made once more up to there."""
    import session

    session.go_to(number(words[0]))


def go_back(words: List[str]) -> None:
    """Stop so many events earlier (1) in a run with a seed: the same one, made once more."""
    import session

    session.go_to(session.event() - (number(words[0]) if words else 1))


COMMANDS = (
    ("boot", boot, "[OPTION]..."),
    ("goto", go_to, "EVENT"),
    ("back", go_back, "[N]"),
    ("ps", show_processes, ""),
    ("cpus", show_cpus, ""),
    ("cpu", select_cpu, "N"),
    ("bt", show_backtrace, "[PID|cpu|all] [N]"),
    ("pagetable", show_page_table, "PID [VA]"),
    ("maps", show_maps, "PID"),
    ("locks", show_locks, ""),
    ("syscalls", show_syscalls, "PID"),
    ("break", programs.break_program, "PROGRAM PLACE"),
    ("break-syscall", break_syscall, "PROGRAM [NAME]"),
    ("step-syscall", step_syscall, "[PID]"),
    ("program", open_program, "PID"),
    ("kernel", close_programs, ""),
)


def announce(event: gdb.StopEvent) -> None:
    """At a stop: the program's symbols; and at a system call of ours, which it is and whence."""
    if not is_kernel() or not cpus():
        return
    programs.name_threads()
    programs.notice_program()
    points = getattr(event, "breakpoints", [])
    if any(isinstance(point, syscalls.SyscallBreakpoint) for point in points):
        thread = current_thread()
        print(syscalls.describe_stop())
        if thread is not None:
            backtraces.show_program(thread)


def register_commands() -> None:
    Duet()
    for name, run, usage in COMMANDS:
        Subcommand(name, run, usage)
    gdb.events.stop.connect(announce)
