"""gdb with the `duet` commands, on both machines: scripted sessions.

One session a machine visits many places and prints sections, which the tests look at. Sessions
stop at breakpoints only, never after a time.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
from pathlib import Path
from typing import Dict, List

import pytest

from grader.tests.support import BUILD, HANG, IMAGE, ROOT, both_machines, clean_environment, needs

pytestmark = needs("gdb")

SCRIPT = "kern/gdb/duet.py"
MARK = "=== "


def run(command: List[str], **environment: str) -> str:
    """What gdb prints; nothing is left running."""
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
        env=clean_environment(**environment),
        cwd=ROOT,
        start_new_session=True,
    )
    try:
        return process.communicate(timeout=HANG)[0]
    finally:
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        process.wait()


def debug(machine: str, folder: Path, script: str, command: str, cpus: int = 2) -> str:
    """Boot a machine in gdb up to kernel_main() and run a script of gdb commands."""
    file = folder / f"{machine}.gdb"
    file.write_text(script)
    start = f"duet boot --image {IMAGE} --cpus {cpus} --command '{command}'"
    kernel = str(BUILD / machine / "duet")
    return run(["gdb", "-nx", "-q", "-batch", kernel, "-x", SCRIPT, "-ex", start, "-x", str(file)])


def sections(output: str) -> Dict[str, str]:
    """The parts of the output behind `echo === NAME`."""
    parts = re.split(rf"^{MARK}(.*)\n", output, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2]))


def functions(backtrace: str) -> List[str]:
    """The functions of a backtrace, innermost first."""
    return re.findall(r"^#\d+ +(?:0x\w+ in )?([\w.]+)", backtrace, re.MULTILINE)


def assert_in_order(wanted: List[str], found: List[str]) -> None:
    rest = iter(found)
    assert all(name in rest for name in wanted), f"{wanted} are not, in this order, in {found}"


TOUR = r"""
break sys_getdents64
continue
delete
echo === ps\n
duet ps
echo === cpus\n
duet cpus
echo === threads\n
info threads
echo === bt here\n
duet bt
echo === bt 1\n
duet bt 1
echo === bt all\n
duet bt all
echo === bt cpu\n
duet bt cpu 1
echo === selection\n
frame
echo === maps\n
duet maps 3
echo === table\n
duet pagetable 3
echo === walk\n
duet pagetable 3 0x401000
echo === unmapped\n
duet pagetable 3 0x10000000
echo === syscalls\n
duet syscalls 3
echo === code\n
python
import structures, memory
root = int(structures.find_process(3)["map"]["pmap"]["root"])
print(structures.read_user(root, 0x401000, 64).hex())
end
echo === program\n
duet program 1
backtrace
duet kernel
echo === back\n
frame function sys_getdents64
info inferiors
echo === spinlock\n
break spin_unlock
continue
delete
duet locks
print (void *) lock
echo === break-syscall\n
duet break-syscall ls write
continue
delete
echo === step-syscall\n
duet step-syscall
backtrace 1
echo === spinning\n
set var process_tree_lock.locked = 1
break panic_check
continue
delete
duet locks
set var process_tree_lock.locked = 0
echo === end\n
continue
"""


@pytest.fixture(scope="module", params=["vkernel", "x86_64"])
def tour(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Dict[str, str]:
    """One long session on each machine."""
    folder = tmp_path_factory.mktemp("gdb")
    output = debug(request.param, folder, TOUR, "/bin/ls /; echo still alive")
    assert f"{MARK}end" in output, output
    return sections(output)


def test_processes_are_listed(tour: Dict[str, str]) -> None:
    lines = {line.split()[2]: line.split() for line in tour["ps"].splitlines()[1:]}
    assert lines["init"][:2] == ["1", "0"] and "sleeping" in lines["init"]
    assert lines["sh"][:2] == ["2", "1"]  # on the other CPU, it may not wait for ls yet
    assert lines["ls"][:2] == ["3", "2"] and lines["ls"][3:5] == ["on", "cpu"]
    assert lines["idle"][:2] == ["-", "-"]


def test_cpus_are_threads(tour: Dict[str, str]) -> None:
    assert re.search(r"^\* cpu \d  thread \d+ +process 3 \(ls\)$", tour["cpus"], re.MULTILINE)
    assert len(re.findall(r"cpu \d  thread \d+", tour["cpus"])) == 2
    assert '"cpu 0"' in tour["threads"] and '"cpu 1"' in tour["threads"]


def test_backtrace_goes_from_the_kernel_into_the_program(tour: Dict[str, str]) -> None:
    kernel = ["sys_getdents64", "syscall_dispatch", "user_loop"]
    assert_in_order([*kernel, "syscall", "readdir", "main", "_start"], functions(tour["bt here"]))
    assert "user/bin/ls.c:" in tour["bt here"] and "kern/fs/sys_open.c:" in tour["bt here"]


def test_backtrace_of_a_sleeping_process(tour: Dict[str, str]) -> None:
    kernel = ["context_switch", "sched_switch", "sys_rt_sigsuspend", "syscall_dispatch"]
    assert_in_order([*kernel, "user_loop", "sigsuspend", "main"], functions(tour["bt 1"]))


def test_backtraces_of_everything(tour: Dict[str, str]) -> None:
    parts = tour["bt all"].split("\n\n")
    heads = [part.splitlines()[0] for part in parts]
    for wanted in ("kernel thread 'idle'", "process 1 (init)", "process 2 (sh)", "process 3 (ls)"):
        assert any(head.startswith(wanted) for head in heads), heads
    assert any({"sys_rt_sigsuspend", "sigsuspend"} <= set(functions(part)) for part in parts)
    assert all(functions(part) for part in parts)


def test_backtrace_of_a_cpu(tour: Dict[str, str]) -> None:
    assert len(functions(tour["bt cpu"])) > 2


def test_backtraces_leave_the_selection_alone(tour: Dict[str, str]) -> None:
    assert functions(tour["selection"]) == ["sys_getdents64"]


def test_memory_of_a_process(tour: Dict[str, str]) -> None:
    assert re.search(r"^0x0+401000-0x\w+ r-xp .*object", tour["maps"], re.MULTILINE)
    assert re.search(r"-0x700000000000 rw-p .*stack$", tour["maps"], re.MULTILINE)
    assert re.search(r"^0x0+401000-0x\w+ -> 0x\w+ r-x accessed", tour["table"], re.MULTILINE)
    assert re.search(r"-0x700000000000 -> 0x\w+ rw- accessed dirty", tour["table"], re.MULTILINE)


def test_translation_of_an_address(tour: Dict[str, str]) -> None:
    walk = tour["walk"].splitlines()
    assert [line.split(":")[0] for line in walk[:4]] == [f"level {n}" for n in (4, 3, 2, 1)]
    assert walk[4].startswith("0x401000 is physical 0x")
    assert re.match(r"last changed from 0x0+ to 0x0+\w+ by$", walk[5]), tour["walk"]
    assert any(re.match(r"    pmap_enter\w* \(vm/pmap\.c:\d+\)$", line) for line in walk[6:])
    assert tour["unmapped"].rstrip().endswith("not present")


def test_user_memory_is_read_through_the_page_table(tour: Dict[str, str]) -> None:
    program = (BUILD / "user" / "bin" / "ls").read_bytes()
    assert bytes.fromhex(tour["code"].strip()) in program


def test_last_system_calls(tour: Dict[str, str]) -> None:
    lines = tour["syscalls"].splitlines()
    assert re.match(r"getdents64\(\d+, 0x\w+, 4096\) = \.\.\.$", lines[-1])
    assert any(re.match(r"open(at)?\(.*\) = \d+$", line) for line in lines)
    assert len(lines) <= 16


def test_program_becomes_an_inferior(tour: Dict[str, str]) -> None:
    assert_in_order(["sigsuspend", "supervise_shell", "main"], functions(tour["program"]))


def test_kernel_is_as_before_when_the_program_is_closed(tour: Dict[str, str]) -> None:
    assert functions(tour["back"])[0] == "sys_getdents64"
    assert len(re.findall(r"^[ *] \d", tour["back"], re.MULTILINE)) == 1


def test_held_lock_is_shown(tour: Dict[str, str]) -> None:
    address = re.search(r"^\$\d+ = \(void \*\) (0x\w+)", tour["spinlock"], re.MULTILINE)
    assert address, tour["spinlock"]
    pattern = rf"^spinlock '.*' at {address.group(1)}: held by cpu \d .*, taken in \w+ \(.*:\d+\)"
    assert re.search(pattern, tour["spinlock"], re.MULTILINE), tour["spinlock"]


def test_cpu_that_waits_for_a_spinlock(tour: Dict[str, str]) -> None:
    pattern = r"^spinlock 'process tree' at .*waiting: .*cpu \d"
    assert re.search(pattern, tour["spinning"], re.MULTILINE), tour["spinning"]


def test_break_at_a_programs_system_call(tour: Dict[str, str]) -> None:
    shown = tour["break-syscall"]
    assert re.search(r"^process 3 \(ls\) calls write\(1, 0x\w+, \d+\)$", shown, re.MULTILINE)
    program = shown[shown.index("user program:") :]
    assert_in_order(["syscall", "write_out", "main", "_start"], functions(program))


def test_step_to_the_next_system_call(tour: Dict[str, str]) -> None:
    shown = tour["step-syscall"]
    assert re.search(r"^process 3 \(ls\) calls exit_group\(0\)$", shown, re.MULTILINE)
    assert "syscall_dispatch" in functions(shown)


def test_machine_goes_on_afterwards(tour: Dict[str, str]) -> None:
    assert "still alive" in tour["end"]


CONTENTION = r"""
python
import locks
gdb.execute("break wait_sleep if lock->rank == LOCK_SLEEP_LOCK")
while True:
    gdb.execute("continue")
    gdb.execute("tbreak sched_switch")
    gdb.execute("continue")
    if any("mutex" in line and "waiting" in line for line in locks.report()):
        break
end
echo === locks\n
duet locks
kill
"""


@both_machines
def test_who_waits_for_a_mutex(machine: str, tmp_path: Path) -> None:
    loop = "while :; do ls -lR / >/dev/null; done"
    output = debug(machine, tmp_path, CONTENTION, f"{loop} & {loop}")
    pattern = r"^mutex '.*': held by process (\d+) .*, taken in .*; waiting: process (\d+)"
    shown = re.sub(r" at 0x\w+", "", sections(output).get("locks", ""))
    found = re.search(pattern, shown, re.MULTILINE)
    assert found and found.group(1) != found.group(2), output


# Breakpoints in programs, and stepping from one into the kernel, where gdb sees both.
INTO_THE_KERNEL = r"""
duet break ls main
continue
delete
echo === main\n
backtrace
duet bt
duet break ls syscall
continue
delete
python
while gdb.selected_frame().name() == "syscall":
    gdb.execute("stepi", to_string=True)
end
echo === entered\n
duet bt
tbreak syscall_dispatch
continue
echo === dispatched\n
duet bt
kill
"""


def test_step_from_a_program_into_the_kernel(tmp_path: Path) -> None:
    found = sections(debug("x86_64", tmp_path, INTO_THE_KERNEL, "/bin/ls /", cpus=1))
    assert functions(found["main"])[0] == "main"
    assert_in_order(["main", "main", "_start"], functions(found["main"]))
    assert "kern/" not in found["main"]
    assert re.search(r"entry\.S:\d+$", found["entered"], re.MULTILINE), found["entered"]
    assert_in_order(["syscall_dispatch", "user_loop", "syscall", "main"],
                    functions(found["dispatched"]))


# Stop whenever `sleep` asks for the time of its sleep, until the shell of the other process is
# found in its own code.
RUNNING = r"""
break sys_nanosleep
python
import backtraces, structures
def busy():
    thread = structures.thread_of(structures.find_process(3))
    kernel = backtraces.kernel_part(thread)
    user = backtraces.user_part(thread, kernel)
    backtraces.resume_stopped()
    return "user_run" in kernel.functions and not user.is_stale
gdb.execute("continue")
while not busy():
    gdb.execute("continue")
end
echo === bt\n
duet bt 3
kill
"""


@both_machines
def test_backtrace_of_a_program_that_runs_just_now(machine: str, tmp_path: Path) -> None:
    commands = "while :; do :; done & while :; do sleep 0.01; done"
    shown = sections(debug(machine, tmp_path, RUNNING, commands))["bt"]
    assert re.search(r"^process 3 \(sh\), on cpu \d$", shown, re.MULTILINE), shown
    program = shown[shown.index("user program:") :]
    assert "last entered" not in program
    assert_in_order(["execute_while", "run_command_argument", "main", "_start"], functions(program))


# The first thread of a program that ends, while its main thread waits for that.
THREADS = r"""
break process_leave
continue
delete
echo === ps\n
duet ps
echo === bt\n
duet bt 3
echo === bt of one\n
duet bt 4
echo === syscalls\n
duet syscalls 3
kill
"""


@both_machines
def test_threads_of_a_process(machine: str, tmp_path: Path) -> None:
    shown = sections(debug(machine, tmp_path, THREADS, "/tests/threads; true", cpus=1))
    assert re.search(r"^ +3 +2 threads +sleeping on 'futex'\n +thread 4 +", shown["ps"], re.M)
    parts = shown["bt"].split("\n\n")
    heads = [part.splitlines()[0] for part in parts]
    assert heads[0] == "process 3 (threads), sleeping on 'futex'"
    assert_in_order(["sys_futex", "user_loop", "thread_join", "main"], functions(parts[0]))
    assert len(heads) > 1 and all(
        re.match(r"thread \d+ of process 3 \(threads\), ", head) for head in heads[1:]
    )
    ending = next(part for part in parts if "on cpu 0" in part)
    assert_in_order(["process_leave", "user_loop", "thread_main"], functions(ending))
    assert shown["bt of one"].startswith("thread 4 of process 3 (threads), ")
    assert re.search(r"^futex\(.*\) = \.\.\.$", shown["syscalls"], re.MULTILINE)
    assert "thread 4 of process 3 (threads):" in shown["syscalls"]


INTERRUPT = r"""
tbreak timer_interrupt
continue
echo === bt\n
duet bt
kill
"""


@both_machines
def test_backtrace_through_an_interrupt(machine: str, tmp_path: Path) -> None:
    """Whatever the timer interrupted, the backtrace reaches the bottom of the stack."""
    shown = sections(debug(machine, tmp_path, INTERRUPT, "sleep 1", cpus=1))["bt"]
    found = functions(shown)
    assert found[0] == "timer_interrupt" and "??" not in shown, shown
    assert "user_loop" in found or found[-1] == "context_start", shown


MISTAKES = r"""
python
for line in ("duet bt 999", "duet bt cpu 9", "duet bt x y z", "duet maps", "duet maps 77",
             "duet syscalls 55", "duet cpu 9", "duet break-syscall ls no_such_call",
             "duet break no-such-program main", "duet pagetable", "duet step-syscall"):
    try:
        gdb.execute(line, to_string=True)
        print(f"{line}: nothing said")
    except gdb.error as error:
        print(f"{line}: {error}")
end
kill
"""


@both_machines
def test_mistakes_get_a_sentence(machine: str, tmp_path: Path) -> None:
    output = debug(machine, tmp_path, MISTAKES, "true")
    lines = [line for line in output.splitlines() if line.startswith("duet ")]
    assert len(lines) == 11, output
    for line in lines:
        assert "Error occurred in Python" not in line and "nothing said" not in line, line
    assert "Traceback" not in output


@pytest.mark.parametrize("target, machine", [("gdb", "vkernel"), ("qemu-gdb", "x86_64")])
def test_make_starts_a_session(target: str, machine: str, tmp_path: Path) -> None:
    script = tmp_path / "script"
    script.write_text("tbreak sys_uname\ncontinue\nduet bt\ncontinue\n")
    flags = f"-nx -batch -ex 'source {script}'"
    output = run(["make", "-s", target, "CMD=uname -s", f"GDBFLAGS={flags}"])
    assert "hit Temporary breakpoint" in output and "kernel_main ()" in output
    assert_in_order(["sys_uname", "user_loop", "uname", "main"], functions(output))
    assert re.search(r"^Linux\r?$", output, re.MULTILINE), output


def test_a_kernel_that_was_started_by_hand(tmp_path: Path) -> None:
    """Without `duet boot`: the vkernel is a program like any other."""
    script = tmp_path / "script"
    script.write_text("break sys_uname\nrun\nduet bt\nkill\n")
    kernel = str(BUILD / "vkernel" / "duet")
    output = run(["gdb", "-nx", "-batch", "-x", SCRIPT, "-x", str(script), "--args",
                  kernel, "-R", str(IMAGE), "-c", "uname -s"])
    assert_in_order(["sys_uname", "user_loop", "uname", "main"], functions(output))


TRAVEL = r"""
echo === first\n
duet goto 4000
print 'schedule_point.c'::run.hash
echo === second\n
duet goto 4600
break spin_lock
print 'schedule_point.c'::run.hash
echo === third\n
duet back 600
print 'schedule_point.c'::run.hash
echo === fourth\n
duet back
duet goto 4600
print 'schedule_point.c'::run.hash
echo === late\n
duet goto 99999999
"""


def test_events_of_a_seeded_run_can_be_visited_again(tmp_path: Path) -> None:
    file = tmp_path / "travel.gdb"
    file.write_text(TRAVEL)
    schedule = tmp_path / "schedule"
    schedule.write_text("")
    start = f"duet boot --image {IMAGE} --cpus 2 --command 'echo a & echo b; wait' --seed 5"
    found = sections(
        run(
            ["gdb", "-nx", "-q", "-batch", str(BUILD / "vkernel" / "duet"), "-x", SCRIPT]
            + ["-ex", f"{start} --schedule {schedule}", "-x", str(file)]
        )
    )
    assert re.match(r"event 4000: cpu \d, ", found["first"]), found["first"]
    assert re.match(r"event 4600: cpu \d, ", found["second"])
    hashes = {name: re.findall(r"^\$\d+ = (\d+)$", found[name], re.M) for name in found}
    assert len(hashes["first"]) == len(hashes["second"]) == 1
    assert hashes["first"] == hashes["third"] != hashes["second"] == hashes["fourth"]
    assert "event 3999: " in found["fourth"]
    assert "the run ended before event 99999999" in found["late"]
