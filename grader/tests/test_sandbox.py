"""Each layer of the confinement is attacked, in each form that this host offers."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from pathlib import Path
from typing import Callable, Dict, List, Tuple

import pytest

from grader import confine, sandbox
from grader.sandbox import Confinement, Limits, Report
from grader.tests.support import wait_for

FORMS = [name for name, _ in sandbox.choices() if name != "user"]

Attack = Callable[..., Tuple[str, Report]]


@pytest.fixture(params=FORMS)
def confinement(request: pytest.FixtureRequest) -> Confinement:
    try:
        return Confinement.probe(request.param)
    except sandbox.SandboxError as error:
        pytest.skip(str(error))


@pytest.fixture
def attack(confinement: Confinement, tmp_path: Path) -> Attack:
    """Run a Python program or a shell command confined: what it printed, how it ended."""
    scratch = tmp_path / "scratch"
    scratch.mkdir()

    def run(program: str, *words: str, **more: object) -> Tuple[str, Report]:
        command = ["/usr/bin/python3", "-I", "-S", "-c", program, *words]
        report = tmp_path / "report"
        done = confinement.run(command, report, timeout=120, writable=[scratch], **more)
        return done.stdout.decode("utf-8", "replace"), sandbox.read_report(report)

    run.scratch = scratch  # type: ignore[attr-defined]
    return run


def test_what_is_not_named_cannot_be_read(attack: Attack, tmp_path: Path) -> None:
    hidden, shown = tmp_path / "hidden_test.py", tmp_path / "shown"
    hidden.write_text("the answer")
    shown.write_text("the question")
    for path in (tmp_path, hidden, shown):
        os.chmod(path, 0o755)
    text, _ = attack("import sys; print(open(sys.argv[1]).read())", str(shown), readable=[shown])
    assert text == "the question\n"
    secrets = [str(hidden), str(hidden.parent / "." / "hidden_test.py"), "/etc/passwd"]
    secrets += [f"/proc/{os.getpid()}/root{hidden}", f"/proc/{os.getpid()}/environ"]
    for secret in secrets:
        text, report = attack("import sys; print(open(sys.argv[1]).read())", secret)
        assert "the answer" not in text and report.status == 1, secret
    names, _ = attack("import os, sys; print(os.listdir(sys.argv[1]))", str(tmp_path))
    assert "hidden_test" not in names


def test_only_the_scratch_folder_can_be_written(attack: Attack, tmp_path: Path) -> None:
    outside = tmp_path / "results.json"
    outside.write_text("{}")
    os.chmod(outside, 0o666)
    os.chmod(tmp_path, 0o777)
    program = "import sys; open(sys.argv[1], 'w').write('100 points')"
    scratch = attack.scratch  # type: ignore[attr-defined]
    _, report = attack(program, str(scratch / "mine"))
    assert report.status == 0 and (scratch / "mine").read_text() == "100 points"
    for target in (outside, tmp_path / "new", Path("/usr/x"), Path("/tmp/x"), Path("/x")):
        text, report = attack(program, str(target), readable=[outside])
        assert report.status == 1, f"{target}: {text}"
    assert outside.read_text() == "{}" and not (tmp_path / "new").exists()
    link = "import os, sys; os.symlink(sys.argv[1], 'link'); open('link', 'w').write('100 points')"
    attack(link, str(outside))
    assert outside.read_text() == "{}"


def test_there_is_no_network(attack: Attack) -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        program = "import socket, sys; socket.create_connection(('127.0.0.1', int(sys.argv[1])), 5)"
        text, report = attack(program, str(server.getsockname()[1]))
    assert report.status == 1 and "PermissionError" in text


def test_descriptors_are_not_inherited(attack: Attack, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("the answer")
    with open(secret) as file:
        os.set_inheritable(file.fileno(), True)
        program = "import os\nfor n in range(3, 64):\n try: print(os.pread(n, 99, 0))\n"
        text, _ = attack(program + " except OSError: pass")
    assert "the answer" not in text


def test_a_named_descriptor_is_kept(confinement: Confinement, tmp_path: Path) -> None:
    memory = os.memfd_create("ram")
    os.write(memory, b"shared")
    program = f"import os; print(os.pread({memory}, 6, 0)); open('/dev/fd/{memory}', 'r+b')"
    command = confinement.command(
        ["/usr/bin/python3", "-I", "-c", program], writable=[tmp_path], descriptors=[memory]
    )
    done = subprocess.run(command, stdout=subprocess.PIPE, pass_fds=(memory,), timeout=60)
    os.close(memory)
    assert done.stdout == b"b'shared'\n" and done.returncode == 0


def test_other_processes_cannot_be_killed(confinement: Confinement, attack: Attack) -> None:
    if not confinement.is_sufficient:
        pytest.skip("it is known that they can: see is_sufficient")
    with subprocess.Popen(["sleep", "600"]) as victim:
        text, report = attack("import os, sys; os.kill(int(sys.argv[1]), 9)", str(victim.pid))
        assert report.status == 1 and "Error" in text
        if "uid" in confinement.layers or "namespaces" in confinement.layers:
            attack("import os; os.kill(-1, 15)")
        assert victim.poll() is None
        victim.kill()


def survivors(mark: str) -> List[str]:
    """The processes in whose command line there is this mark."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if mark.encode() in path.read_bytes() and int(path.parent.name) != os.getpid():
                found.append(path.parent.name)
        except OSError:
            pass
    return found


DAEMON = """
import os, sys, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        for name in (0, 1, 2): os.close(name)
        time.sleep(600)
    os._exit(0)
print("started")
"""


def test_a_daemon_does_not_survive(attack: Attack) -> None:
    text, report = attack(DAEMON, "mark-of-a-daemon")
    assert text == "started\n" and report.why == "exit"
    assert survivors("mark-of-a-daemon") == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_nothing_survives_the_launcher(
    confinement: Confinement, tmp_path: Path, number: signal.Signals
) -> None:
    if number == signal.SIGKILL and "namespaces" not in confinement.layers:
        pytest.skip("only the end of a namespace takes all with it")
    mark = f"mark-{confinement.layers[0]}-{number}"
    program = "import time; print('up', flush=True); time.sleep(600)"
    command = confinement.command(["/usr/bin/python3", "-c", program, mark], writable=[tmp_path])
    with subprocess.Popen(command, stdout=subprocess.PIPE) as launcher:
        assert launcher.stdout is not None and launcher.stdout.readline() == b"up\n"
        assert len(survivors(mark)) > 1
        launcher.send_signal(number)
        launcher.wait(60)
    wait_for(lambda: not survivors(mark))


BOMB = """
import os
while True:
    try:
        os.fork()
    except OSError:
        pass
"""

HOG = "blocks = []\nwhile True: blocks.append(bytearray(b'x' * (1 << 20)))"
MEMORY_FILES = """
import os, time
files = [os.memfd_create(str(n)) for n in range(8)]
for file in files:
    for _ in range(32): os.write(file, bytes(1 << 20))
time.sleep(600)
"""
DISK = """
import time
for number in range(1000):
    open(str(number), 'wb').write(b'x' * (1 << 20))
time.sleep(600)
"""

# All of one size, and none of it private.
SHARED = """
import mmap, os, time
memory = mmap.mmap(-1, 200 << 20)
for at in range(0, len(memory), 4096): memory[at] = 1
time.sleep(600)
"""
CLOSED_FILE = """
import mmap, os, time
file = os.memfd_create("hidden")
os.truncate(file, 200 << 20)
memory = mmap.mmap(file, 200 << 20)
os.close(file)
for at in range(0, len(memory), 4096): memory[at] = 1
time.sleep(600)
"""
NAMELESS = """
import os, time
for number in range(40):
    file = os.open("file", os.O_RDWR | os.O_CREAT)
    os.unlink("file")
    os.write(file, b"x" * (1 << 20))
time.sleep(600)
"""
DEEP = """
import os, time
for number in range(30):
    os.mkdir("d" * 200)
    os.chdir("d" * 200)
time.sleep(600)
"""
# Each process ends at once, when there is a next one: the launcher adopts them all.
ORPHANS = """
import os, time
if os.fork() == 0:
    while os.fork() == 0 or os._exit(0): pass
time.sleep(600)
"""

EXCESSES: Dict[str, Tuple[str, Dict[str, object], Tuple[str, ...]]] = {
    "processes": (BOMB, {"processes": 20}, ("processes",)),
    "memory": (HOG, {"memory": 100 << 20, "data": 150 << 20}, ("memory", "exit")),
    "files in memory": (MEMORY_FILES, {"memory": 100 << 20}, ("memory",)),
    "shared memory": (SHARED, {"memory": 100 << 20}, ("memory",)),
    "mapped file in memory": (CLOSED_FILE, {"memory": 100 << 20}, ("memory",)),
    "files without a name": (NAMELESS, {"disk": 20 << 20}, ("disk",)),
    "folders too deep to look into": (DEEP, {}, ("disk",)),
    "orphans": (ORPHANS, {"seconds": 0.5}, ("time",)),
    "disk": (DISK, {"disk": 20 << 20}, ("disk",)),
    "processor time": ("while True: pass", {"cpu": 0.5}, ("cpu",)),
    "time": ("import time; time.sleep(600)", {"seconds": 0.5}, ("time",)),
}


@pytest.mark.parametrize("what", EXCESSES)
def test_excess_ends_the_run(attack: Attack, what: str) -> None:
    program, limits, ends = EXCESSES[what]
    _, report = attack(program, limits=Limits(**limits), readable=[])  # type: ignore[arg-type]
    assert report.why in ends and (report.why != "exit" or report.status != 0), str(report)


def test_a_file_cannot_grow_beyond_its_limit(attack: Attack) -> None:
    program = "import signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
    program += "open('big', 'wb').truncate(1 << 30)"
    text, report = attack(program, limits=Limits(file_size=1 << 20))
    assert report.status == 1 and "File too large" in text


FORBIDDEN_CALLS = """
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
calls = {"keyctl": (250, 0, -3, 0), "unshare": (272, 0x10000000), "bpf": (321, 0, 0, 0),
         "userfaultfd": (323, 0), "io_uring_setup": (425, 1, 0), "socket": (41, 1, 1, 0),
         "shmget": (29, 0, 4096, 0o1600), "clone": (56, 0x10000011, 0, 0, 0, 0),
         "x32 getpid": (0x40000000 + 39,)}
for name, words in calls.items():
    answer = libc.syscall(*words)
    if answer == 0 and name == "clone": os._exit(0)
    print(name, answer, ctypes.get_errno())
"""


def test_dangerous_calls_are_refused(attack: Attack) -> None:
    text, _ = attack(FORBIDDEN_CALLS)
    lines = text.splitlines()
    assert len(lines) == 9 and all(line.endswith(" -1 1") for line in lines), text


def test_privileges_are_gone(attack: Attack) -> None:
    text, _ = attack("print(open('/proc/self/status').read())")
    fields = dict(line.split(":\t", 1) for line in text.splitlines() if ":\t" in line)
    assert fields["NoNewPrivs"] == "1" and fields["Seccomp"] == "2"
    assert int(fields["CapEff"], 16) == 0 and int(fields["CapBnd"], 16) == 0 or os.geteuid() != 0
    if os.geteuid() == 0:
        assert int(fields["Uid"].split()[0]) >= 1000
    text, _ = attack("import os; print(sorted(os.environ))")
    assert text.replace("'PWD', ", "") == "['HOME', 'LC_ALL', 'PATH', 'TMPDIR']\n"


def test_a_choice_that_does_not_exist_is_said() -> None:
    with pytest.raises(sandbox.SandboxError, match="must be auto, none, or of"):
        Confinement.probe("nonsense")


@pytest.mark.parametrize(
    "layers, version, is_sufficient",
    [
        (("namespaces",), 0, True),
        (("landlock",), 5, False),  # signals go out
        (("landlock",), 6, True),
        (("uid", "landlock"), 2, False),  # what can be read can be truncated
        (("uid", "landlock"), 3, True),
        (("uid",), 7, False),
    ],
)
def test_what_is_strong_enough(
    monkeypatch: pytest.MonkeyPatch, layers: Tuple[str, ...], version: int, is_sufficient: bool
) -> None:
    monkeypatch.setattr(sandbox, "landlock_version", lambda: version)
    assert Confinement(layers).is_sufficient == is_sufficient
    monkeypatch.setattr(sandbox, "_probe", lambda _: Confinement(layers))
    assert Confinement.for_submissions(is_trusted=True).layers == layers
    if not is_sufficient:
        with pytest.raises(sandbox.SandboxError, match="neither namespaces"):
            Confinement.for_submissions(is_trusted=False)


def test_users_are_not_shared(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Many processes: by their numbers; few users: each takes one that nobody has."""
    table, real_open = tmp_path / "uid_map", open
    monkeypatch.setattr(
        confine, "open", lambda _, **more: real_open(table, **more), raising=False
    )
    table.write_text("0 0 4294967295\n")
    chosen = set()
    for pid in (1, 100_001, 4_194_303):
        monkeypatch.setattr(os, "getpid", lambda pid=pid: pid)
        chosen.add(confine.choose_uid())
    assert len(chosen) == 3 and all(1_879_000_000 <= uid < 1_900_000_000 for uid in chosen)
    table.write_text("0 100000 65536\n")
    chosen = {confine.choose_uid() for _ in range(3)}
    assert len(chosen) == 3 and all(60_000 < uid < 65_536 for uid in chosen)


def test_nothing_of_ours_is_told_without_layers(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("DUET_KEY_FILE", "/secret")
    monkeypatch.setenv("MAKEFLAGS", "-n")
    done = Confinement(()).run(["/usr/bin/env"], tmp_path / "report")
    assert b"LC_ALL=C" in done.stdout
    assert b"/secret" not in done.stdout and b"MAKEFLAGS" not in done.stdout


def test_the_strongest_form_is_chosen() -> None:
    assert Confinement.probe("auto").is_sufficient
    assert not Confinement.probe("none").is_sufficient and str(Confinement.probe("none")) == "none"
