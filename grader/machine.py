"""The two machines on which Duet runs, under one interface.

A `Setup` says what to boot. `Running` is a started machine: a context manager that leaves
nothing behind, whatever happens. A machine has three ways out, kept apart: the console
(its standard output), the log of kernel messages (a file), and the results channel (a file),
through which the kernel says how it ended: `exit STATUS`, or `panic MESSAGE`.
"""

from __future__ import annotations

import ctypes
import os
import re
import shlex
import signal
import subprocess
import tempfile
import threading
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, Iterator, List, Optional, Tuple, Union

from grader import image as images
from grader import sandbox, trace
from grader.hostile import TEXT_MAX, read_text, remove

MACHINES = ("vkernel", "x86_64")

# The status of a run that ended in a panic, a hang or the machine's death.
FAILED = 125

# On a serial line the end of a stream must be said in the stream: DLE E; DLE DLE is one DLE. The
# first bytes may come before the kernel does, and be lost: it waits for DLE B.
DLE = b"\x10"
START_OF_STREAM = bytes(32) + DLE + b"B"
END_OF_STREAM = DLE + b"E"
SHUTDOWN = DLE + b"T"

# How QEMU runs the CPUs: each in a thread of its own; or, so that a run can be repeated, in turns
# in one, with a clock that counts instructions, and jumps when all CPUs sleep.
EMULATION = {
    False: ["-accel", "tcg,thread=multi"],
    True: ["-accel", "tcg,thread=single", "-icount", "shift=3,sleep=off"]
    + ["-rtc", "base=2023-11-14T22:13:20,clock=vm"],
}

# A guest that breaks out of QEMU shall not start programs.
QEMU_SANDBOX = "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny"

PR_SET_PDEATHSIG = 1
libc = ctypes.CDLL(None)  # here, since a child of a process with threads must not load anything
SHUTDOWN_GRACE = 5.0


class SetupError(Exception):
    """What is wrong with what was asked for, in a sentence for people."""


@dataclass(frozen=True)
class Setup:
    """What to boot, and with what."""

    machine: str
    image: Path
    command: Optional[str] = None
    cpus: Union[int, str] = 2
    memory: str = "128M"
    writable: bool = False  # the image itself is written; else the machine works on a copy
    kernel_arguments: Tuple[str, ...] = ()
    disks: Tuple[Path, ...] = ()
    build: Path = Path("build")
    trace: Optional[Path] = None  # where the event trace goes (grader/trace.py)
    options: Tuple[str, ...] = ()  # more options of the vkernel or QEMU itself
    seed: Union[int, str, None] = None  # of a repeatable run (docs/determinism.md)
    confinement: Optional[sandbox.Confinement] = None  # else what DUET_SANDBOX says
    ram: Optional[Path] = None  # a file that is the machine's memory (grader/ram.py)
    descriptors: Tuple[int, ...] = ()  # what the machine's process inherits, beside the usual
    fail: Optional[str] = None  # what is to fail (kern/fail.c)
    vmspace: Optional[str] = None  # how the vkernel runs user programs: seccomp or ptrace

    @property
    def kernel(self) -> Path:
        return self.build / self.machine / "duet"

    def with_(self, **changes: object) -> Setup:
        return replace(self, **changes)  # type: ignore[arg-type]


@dataclass
class Outcome:
    """How a run ended."""

    status: int
    output: bytes = b""
    log: str = ""
    results: str = ""
    panic: Optional[str] = None
    hung: bool = False  # it was still running when its time was over
    ended: bool = False  # the kernel itself powered off
    errors: str = ""

    @property
    def text(self) -> str:
        return self.output.decode("utf-8", "replace")

    def panic_report(self) -> str:
        """The kernel's last words: the log from the panic on."""
        start = self.log.rfind("panic: ")
        return self.log[start:] if start >= 0 else f"panic: {self.panic}\n"


def kernel_words(setup: Setup) -> List[str]:
    seed = [] if setup.seed is None else [f"seed={setup.seed}"]
    fail = [] if setup.fail is None else [f"fail={setup.fail}"]
    return seed + fail + list(setup.kernel_arguments)


def vkernel_arguments(setup: Setup, log: Optional[Path], results: Optional[Path]) -> List[str]:
    arguments = [str(setup.kernel), "-m", setup.memory, "-n", str(setup.cpus)]
    arguments += ["-r" if setup.writable else "-R", str(setup.image)]
    for disk in setup.disks:
        arguments += ["-r", str(disk)]
    if setup.command is not None:
        arguments += ["-c", setup.command]
    if log is not None:
        arguments += ["--log", str(log)]
    if results is not None:
        arguments += ["--results", str(results)]
    if setup.ram is not None:
        arguments += ["--ram-file", str(setup.ram)]
    if setup.trace is not None:
        arguments += ["--trace", str(setup.trace)]
    if setup.vmspace is not None:
        arguments += [f"--vmspace={setup.vmspace}"]
    return arguments + list(setup.options) + kernel_words(setup)


def x86_64_arguments(
    setup: Setup,
    log: Optional[Path],
    results: Optional[Path],
    stream: bool,
    terminal: Optional[str] = None,
    console_file: Optional[Path] = None,
) -> List[str]:
    """Instead of standard input and output, the console can be a pseudo-terminal, `terminal`, or
    a file for its output."""
    words = kernel_words(setup)
    if stream:
        words.append("console=stream")
    if log is not None:
        words.append("log=debugcon")
    if setup.trace is not None:
        words.append("trace")  # behind a trace=EVENTS of the user's, which comes first
    if setup.command is not None:
        words += ["--", setup.command]
    # On a terminal, ^A x ends QEMU; a stream has every byte for the guest.
    console = "stdio,id=console,signal=off" + ("" if stream else ",mux=on")
    if terminal is not None:
        console = f"serial,id=console,path={terminal}"
    if console_file is not None:
        console = file_backend("console", console_file)
    arguments = ["qemu-system-x86_64", "-machine", "q35", *EMULATION[setup.seed is not None]]
    arguments += ["-cpu", "max", "-m", setup.memory, "-smp", str(setup.cpus)]
    arguments += ["-kernel", str(setup.kernel), "-append", " ".join(words)]
    arguments += ["-nodefaults", "-no-reboot", "-display", "none"]
    arguments += ["-chardev", console, "-serial", "chardev:console"]
    if not stream and terminal is None:
        arguments += ["-mon", "chardev=console,mode=readline"]
    arguments += ["-chardev", file_backend("results", results), "-serial", "chardev:results"]
    arguments += ["-chardev", file_backend("log", log)]
    arguments += ["-device", "isa-debugcon,iobase=0xe9,chardev=log"]
    arguments += ["-device", "isa-debug-exit,iobase=0x501,iosize=2"]
    if setup.ram is not None:
        path = str(setup.ram).replace(",", ",,")
        backend = f"memory-backend-file,id=ram,share=on,mem-path={path},size={setup.memory}"
        arguments += ["-machine", "memory-backend=ram", "-object", backend]
    for number, disk in enumerate((setup.image,) + setup.disks):
        arguments += disk_arguments(number, disk, is_memory=setup.seed is not None)
    return arguments + list(setup.options)


def disk_arguments(number: int, disk: Path, is_memory: bool) -> List[str]:
    """QEMU's options for a disk; as shared memory it does at once what it is asked to."""
    path = str(disk).replace(",", ",,")
    if not is_memory:
        drive = f"if=none,id=disk{number},format=raw,file={path}"
        return ["-drive", drive, "-device", f"virtio-blk-pci,drive=disk{number},disable-legacy=on"]
    size = disk.stat().st_size
    if size & (size - 1):
        raise SetupError(f"{disk}: with a seed, the size of a disk must be a power of two")
    memory = f"memory-backend-file,id=disk{number},share=on,mem-path={path},size={size}"
    return ["-object", memory, "-device", f"ivshmem-plain,memdev=disk{number}"]


def file_backend(name: str, path: Optional[Path]) -> str:
    """QEMU's option for a character device that goes to a file, or nowhere."""
    if path is None:
        return f"null,id={name}"
    return f"file,id={name},path=" + str(path).replace(",", ",,")


def die_with_parent(number: int = signal.SIGKILL) -> None:
    """This process gets the signal when its parent dies, also after exec()."""
    libc.prctl(PR_SET_PDEATHSIG, number)


@dataclass
class Running:
    """A started machine. Its files lie in a folder of its own, which is removed at the end."""

    setup: Setup
    stream: bool = True
    stdin: Union[int, IO[bytes], None] = subprocess.PIPE
    stdout: Union[int, IO[bytes], None] = subprocess.PIPE
    stderr: Union[int, IO[bytes], None] = None
    script: Optional[bytes] = None  # all input of the console, where it must be known before
    confinement: Optional[sandbox.Confinement] = field(init=False)
    scratch: Path = field(init=False)
    process: "subprocess.Popen[bytes]" = field(init=False)

    def __post_init__(self) -> None:
        self.confinement = self.setup.confinement or sandbox.from_environment()
        self.scratch = Path(tempfile.mkdtemp(prefix="duet-"))
        try:
            self._start()
        except BaseException:
            remove(self.scratch)
            raise

    @property
    def is_scripted(self) -> bool:
        """Nothing that comes when it comes may reach QEMU, if its run is to be repeated: input is
        a file from which the kernel reads when it wants to, and output a file that never blocks."""
        repeatable = self.setup.machine == "x86_64" and self.setup.seed is not None
        return repeatable and self.stream and self.script is not None

    def _start(self) -> None:
        setup = self.setup
        if self.confinement is not None:
            setup = resolved(setup)
        if setup.machine == "x86_64" and not setup.writable and setup.image.is_file():
            # QEMU's own snapshot mode would leave its file elsewhere.
            setup = setup.with_(image=images.copy(setup.image, self.scratch / "root.img"))
        if setup.machine == "vkernel":
            arguments = vkernel_arguments(setup, self.log_file, self.results_file)
        else:
            console = self.console_file if self.is_scripted else None
            arguments = x86_64_arguments(
                setup, self.log_file, self.results_file, self.stream, console_file=console
            )
        if self.is_scripted:
            input_file = self.scratch / "input"
            input_file.write_bytes(self.script or b"")
            arguments += ["-fw_cfg", f"name=opt/duet/input,file={input_file}"]
            self.console_file.touch()
            self.stdin = self.stdout = subprocess.DEVNULL
        if setup.machine == "x86_64" and setup.trace is not None:
            self.channel.create(setup.cpus, setup.kernel_arguments)
            arguments += self.channel.options()
        if self.confinement is not None:
            arguments = self._confined(setup, arguments)
        with open(self.scratch / "errors", "wb") as errors:
            self.process = subprocess.Popen(
                arguments,
                stdin=self.stdin,
                stdout=self.stdout,
                stderr=self.stderr if self.stderr is not None else errors,
                preexec_fn=die_with_parent,
                pass_fds=setup.descriptors,
            )
        if setup.machine == "x86_64" and self.stream and self.process.stdin is not None:
            self.process.stdin.write(START_OF_STREAM)
            self.process.stdin.flush()

    def _confined(self, setup: Setup, arguments: List[str]) -> List[str]:
        """The machine in the sandbox, with no more files than it needs."""
        assert self.confinement is not None
        if setup.machine == "x86_64":
            arguments = [*arguments, "-sandbox", QEMU_SANDBOX]
        traces = []
        if setup.machine == "vkernel" and setup.trace is not None:
            setup.trace.touch()
            traces = [setup.trace]
        images_written = [setup.image] if setup.writable else []
        return self.confinement.command(
            arguments,
            readable=[setup.kernel, *([] if setup.writable else [setup.image])],
            writable=[self.scratch, *images_written, *setup.disks, *traces],
            limits=sandbox.limits_from_environment(),
            descriptors=setup.descriptors,
            report=self.report_file,
        )

    def __enter__(self) -> Running:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        if self.setup.machine == "x86_64" and self.setup.trace is not None:
            self.channel.save(self.setup.trace)
        for stream in (self.process.stdin, self.process.stdout):
            if stream is not None:
                try:
                    stream.close()
                except BrokenPipeError:
                    pass
        remove(self.scratch)
        self.report_file.unlink(missing_ok=True)

    @property
    def report_file(self) -> Path:
        """How the sandbox ended: beside the scratch folder, where the machine cannot write."""
        return self.scratch.with_name(self.scratch.name + ".report")

    @property
    def console_file(self) -> Path:
        return self.scratch / "console"

    def console_output(self) -> Iterator[bytes]:
        """What the machine writes to its console, as it comes, to the end."""
        if not self.is_scripted:
            assert self.process.stdout is not None
            descriptor = self.process.stdout.fileno()
            yield from iter(lambda: os.read(descriptor, 65536), b"")
            return
        with open(self.console_file, "rb") as console:
            is_last = False
            while True:
                block = console.read(65536)
                if block:
                    yield block
                elif is_last:
                    return
                else:
                    is_last = self.process.poll() is not None
                    time.sleep(0.0 if is_last else 0.02)

    @property
    def log_file(self) -> Path:
        return self.scratch / "log"

    @property
    def results_file(self) -> Path:
        return self.scratch / "results"

    @property
    def channel(self) -> trace.Channel:
        return trace.Channel(self.scratch / "trace")

    def log(self) -> str:
        return read_text(self.log_file)

    def results(self) -> str:
        return read_text(self.results_file)

    def send(self, data: bytes) -> None:
        """Type these bytes at the console (stdin must be a pipe)."""
        assert self.process.stdin is not None
        if self.setup.machine == "x86_64" and self.stream:
            data = data.replace(DLE, DLE + DLE)
        self.process.stdin.write(data)
        self.process.stdin.flush()

    def end_input(self) -> None:
        """The stream on the console's input ends here."""
        assert self.process.stdin is not None
        if self.setup.machine == "x86_64":
            self.process.stdin.write(END_OF_STREAM)
            self.process.stdin.flush()
        else:
            self.process.stdin.close()

    def kill(self) -> None:
        if self.process.poll() is not None:
            return
        if self.setup.trace is not None:
            if self.setup.machine == "vkernel":
                self.process.send_signal(signal.SIGQUIT)  # it writes its trace and ends
            else:
                self._ask_for_the_end()
            try:
                self.process.wait(SHUTDOWN_GRACE)
            except subprocess.TimeoutExpired:
                pass
        if self.confinement is not None:
            self.process.terminate()  # the sandbox ends everything in it
            try:
                self.process.wait(2 * SHUTDOWN_GRACE)
            except subprocess.TimeoutExpired:
                pass
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        """Ask for an orderly end, and insist after a while."""
        if self.process.poll() is None:
            self._ask_for_the_end()
            try:
                self.process.wait(SHUTDOWN_GRACE)
            except subprocess.TimeoutExpired:
                self.kill()

    def _ask_for_the_end(self) -> None:
        """A signal to QEMU would end it at once, so the kernel is asked, where it is listening."""
        if self.setup.machine == "x86_64" and self.stream and self.process.stdin is not None:
            try:
                self.process.stdin.write(SHUTDOWN)
                self.process.stdin.flush()
                return
            except (OSError, ValueError):
                pass
        self.process.terminate()

    def verdict(self, hung: bool = False, output: bytes = b"") -> Outcome:
        """How the machine ended, once its process is gone."""
        outcome = Outcome(
            FAILED,
            output=output,
            log=self.log(),
            results=self.results(),
            hung=hung,
            errors=read_text(self.scratch / "errors"),
        )
        # Programs may write to the channel as well: the kernel's word is the last.
        last = outcome.results.rstrip("\n").rpartition("\n")[2]
        panic, ended = re.search(r"panic (.*)$", last), re.search(r"exit (\d{1,9})$", last)
        if panic:
            outcome.panic = panic.group(1)
        elif ended and not hung:  # one that has hung may have been asked to end
            outcome.ended = True
            outcome.status = int(ended.group(1))
        if self.confinement is not None:
            report = sandbox.read_report(self.report_file)
            if report.why not in ("exit", "stopped"):
                outcome.hung = outcome.hung or report.why in ("cpu", "time")
                outcome.ended, outcome.status = False, FAILED
                outcome.errors += f"the {self.setup.machine} machine {report}\n"
        return outcome

    def wait(self, timeout: Optional[float]) -> Outcome:
        """Wait until the machine ends; after `timeout` seconds it is killed and has hung.

        A timer kills it, since Popen.wait() with a timeout polls and notices the end late.
        """
        hung = threading.Event()

        def expire() -> None:
            hung.set()
            self.kill()

        timer = threading.Timer(timeout, expire) if timeout is not None else None
        if timer is not None:
            timer.daemon = True
            timer.start()
        try:
            self.process.wait()
        finally:
            if timer is not None:
                timer.cancel()
        return self.verdict(hung.is_set())


def resolved(setup: Setup) -> Setup:
    """The same, with whole paths: a confined machine has a folder of its own."""
    return setup.with_(
        build=setup.build.resolve(),
        image=setup.image.resolve(),
        disks=tuple(disk.resolve() for disk in setup.disks),
        trace=None if setup.trace is None else setup.trace.resolve(),
    )


def run(setup: Setup, stdin: bytes = b"", timeout: float = 120.0) -> Outcome:
    """Boot, feed the console, and collect everything until the machine ends.

    A machine that is silent on all channels for `timeout` seconds has hung. How long it takes
    in all does not matter, so that a slow host fails no test.
    """
    with Running(setup, script=stdin) as machine:
        output = bytearray()

        def feed() -> None:
            try:
                if not machine.is_scripted:
                    machine.send(stdin)
                    machine.end_input()
            except (BrokenPipeError, ValueError):
                pass

        def collect() -> None:
            for block in machine.console_output():
                output.extend(block)
                if len(output) > TEXT_MAX:
                    machine.kill()

        threads = [threading.Thread(target=work, daemon=True) for work in (feed, collect)]
        for thread in threads:
            thread.start()
        said, since, hung = -1, time.monotonic(), False
        while machine.process.poll() is None and not hung:
            files = (machine.log_file, machine.results_file)
            now_said = len(output) + sum(file.stat().st_size for file in files if file.exists())
            if now_said != said:
                said, since = now_said, time.monotonic()
            hung = time.monotonic() > since + timeout
            try:
                machine.process.wait(0.5)
            except subprocess.TimeoutExpired:
                pass
        machine.kill()
        threads[1].join(5.0)
        return machine.verdict(hung, bytes(output))


def split_words(text: str) -> Tuple[str, ...]:
    return tuple(shlex.split(text))
