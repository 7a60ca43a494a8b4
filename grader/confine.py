"""Runs one command confined, and leaves nothing of it behind. Started by grader/sandbox.py.

    python3 -I -S confine.py SPECIFICATION -- COMMAND...

The parent stays outside, keeps the account and the limits of the whole tree of processes, and
adopts what daemonises (it is a subreaper), so that at the end it can kill all of it. The child
gives up what it does not need and becomes the command: through bwrap where the host lets us have
namespaces; else as a user of its own (if we are root) under Landlock. In both cases without new
privileges, under a seccomp filter, with resource limits, a clean environment and only those
descriptors that it was given.

This file stands alone, since a confined run begins with it some fifty times a submission: it
imports little and is started without the site's packages. How it ended is written to the file
`report`, which the command cannot reach.
"""

from __future__ import annotations

import ctypes
import errno
import json
import os
import resource
import signal
import stat
import struct
import sys
import time
from typing import Any, Dict, Iterable, List, Optional, Set, Tuple

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER, PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP = 1, 36, 38, 22
PR_CAPBSET_DROP = 24
SECCOMP_MODE_FILTER = 2
STOPS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
PAGE = resource.getpagesize()
TICK = os.sysconf("SC_CLK_TCK")
SLACK = 50  # processes between what ends a run and what the host refuses: a bomb is seen
PID_LIMIT = 1 << 22
CANNOT = 126  # the exit status when confinement failed; the command has not run

libc = ctypes.CDLL(None, use_errno=True)


class CannotConfine(Exception):
    """The host refuses a layer that was asked for."""


def prctl(*words: int) -> None:
    padded = [ctypes.c_ulong(word) for word in (*words, 0, 0, 0, 0)[1:5]]
    if libc.prctl(words[0], *padded) != 0:
        raise CannotConfine(f"prctl({words[0]}): {os.strerror(ctypes.get_errno())}")


# --- The seccomp filter: calls that neither a compiler nor a machine needs ----------------------

# x86_64 numbers (arch/x86/entry/syscalls/syscall_64.tbl).
FORBIDDEN = {
    **{"socket": 41, "shmget": 29, "semget": 64, "msgget": 68, "mq_open": 240},
    **{"add_key": 248, "request_key": 249, "keyctl": 250},
    **{"mount": 165, "umount2": 166, "pivot_root": 155, "chroot": 161, "unshare": 272},
    **{"setns": 308, "open_tree": 428, "move_mount": 429, "fsopen": 430, "fsconfig": 431},
    **{"fsmount": 432, "fspick": 433, "mount_setattr": 442, "mknod": 133, "mknodat": 259},
    **{"bpf": 321, "perf_event_open": 298, "userfaultfd": 323, "io_uring_setup": 425},
    **{"name_to_handle_at": 303, "open_by_handle_at": 304, "fanotify_init": 300},
    **{"kexec_load": 246, "kexec_file_load": 320, "init_module": 175, "finit_module": 313},
    **{"delete_module": 176, "reboot": 169, "swapon": 167, "swapoff": 168, "acct": 163},
    **{"settimeofday": 164, "clock_settime": 227, "adjtimex": 159, "clock_adjtime": 305},
    **{"sethostname": 170, "setdomainname": 171, "iopl": 172, "ioperm": 173, "syslog": 103},
    **{"quotactl": 179, "vhangup": 153, "uselib": 134, "lookup_dcookie": 212},
}
CLONE, CLONE3, CLONE_NAMESPACES = 56, 435, 0x7E020000
AUDIT_ARCH_X86_64, X32 = 0xC000003E, 0x40000000
LOAD, JUMP_EQUAL, JUMP_GREATER_EQUAL, JUMP_SET, RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
ALLOW, ERRNO_EPERM, ERRNO_ENOSYS = 0x7FFF0000, 0x00050001, 0x00050026
NUMBER, ARCHITECTURE, ARGUMENT_0 = 0, 4, 16


def seccomp_program() -> bytes:
    """The filter; calls of other architectures and namespaces of one's own are refused, too."""

    def step(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
        return struct.pack("=HBBI", code, if_true, if_false, value)

    refuse = step(RETURN, ERRNO_EPERM)
    program = [step(LOAD, ARCHITECTURE), step(JUMP_EQUAL, AUDIT_ARCH_X86_64, 1, 0), refuse]
    program += [step(LOAD, NUMBER), step(JUMP_GREATER_EQUAL, X32, 0, 1), refuse]
    program += [step(JUMP_EQUAL, CLONE3, 0, 1), step(RETURN, ERRNO_ENOSYS)]
    for number in FORBIDDEN.values():
        program += [step(JUMP_EQUAL, number, 0, 1), refuse]
    program += [step(JUMP_EQUAL, CLONE, 0, 3), step(LOAD, ARGUMENT_0)]
    program += [step(JUMP_SET, CLONE_NAMESPACES, 0, 1), refuse, step(RETURN, ALLOW)]
    return b"".join(program)


class SockFprog(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_void_p)]


def set_seccomp() -> None:
    program = seccomp_program()
    text = ctypes.create_string_buffer(program, len(program))
    description = SockFprog(len(program) // 8, ctypes.addressof(text))
    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.addressof(description))


# --- Landlock: only what is named can be opened ------------------------------------------------

LANDLOCK_CREATE, LANDLOCK_ADD, LANDLOCK_RESTRICT = 444, 445, 446
EXECUTE, WRITE_FILE, READ_FILE, READ_DIR, TRUNCATE, IOCTL_DEV = 1, 2, 4, 8, 1 << 14, 1 << 15
FILE_RIGHTS = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | IOCTL_DEV
BASIC_RIGHTS, REFER = (1 << 13) - 1, 1 << 13


def landlock_version() -> int:
    """0 if there is none."""
    return max(0, libc.syscall(LANDLOCK_CREATE, None, 0, 1))


def set_landlock(readable: Iterable[str], writable: Iterable[str]) -> None:
    version = landlock_version()
    if version == 0:
        raise CannotConfine("this kernel has no Landlock")
    handled = BASIC_RIGHTS
    for since, right in ((2, REFER), (3, TRUNCATE), (5, IOCTL_DEV)):
        handled |= right if version >= since else 0
    network = 3 if version >= 4 else 0
    scopes = 3 if version >= 6 else 0  # abstract sockets and signals stay inside
    size = 24 if version >= 6 else 16 if version >= 4 else 8
    attributes = struct.pack("=QQQ", handled, network, scopes)[:size]
    ruleset = libc.syscall(LANDLOCK_CREATE, attributes, ctypes.c_size_t(size), 0)
    if ruleset < 0:
        raise CannotConfine(f"Landlock: {os.strerror(ctypes.get_errno())}")
    for paths, rights in ((readable, EXECUTE | READ_FILE | READ_DIR), (writable, handled)):
        for path in paths:
            try:
                place = os.open(path, os.O_PATH | os.O_CLOEXEC)
            except OSError:
                continue
            here = rights & handled
            if not os.path.isdir(path):
                here &= FILE_RIGHTS
            rule = struct.pack("=Qi", here, place)
            if libc.syscall(LANDLOCK_ADD, ruleset, 1, rule, 0) != 0:
                raise CannotConfine(f"Landlock: {path}: {os.strerror(ctypes.get_errno())}")
            os.close(place)
    if libc.syscall(LANDLOCK_RESTRICT, ruleset, 0) != 0:
        raise CannotConfine(f"Landlock: {os.strerror(ctypes.get_errno())}")
    os.close(ruleset)


# --- The child ---------------------------------------------------------------------------------

SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib64", "/lib32", "/etc/ld.so.cache")
SYSTEM += ("/etc/alternatives",)
DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom")


def parents(path: str) -> List[str]:
    """The folders above a path, but for the root."""
    parts = path.split("/")[1:-1]
    return ["/" + "/".join(parts[: number + 1]) for number in range(len(parts))]


def bwrap_words(spec: Dict[str, Any], filter_descriptor: int) -> List[str]:
    """What comes before the command where there are namespaces."""
    words = ["bwrap", "--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts"]
    words += ["--unshare-cgroup-try", "--die-with-parent", "--new-session"]
    if spec["uid"]:  # root: the command gets a user of its own, further down
        words += ["--cap-drop", "ALL", "--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID"]
        words += ["--cap-add", "CAP_SETPCAP"]
        bound = [*SYSTEM, *DEVICES, *spec["readable"], *spec["writable"]]
        for folder in sorted({parent for path in bound for parent in parents(path)}):
            if folder not in spec["readable"] and folder not in spec["writable"]:
                words += ["--perms", "0755", "--dir", folder]
    else:
        words += ["--unshare-user"]
    for path in SYSTEM:
        if os.path.islink(path) and path.count("/") == 1:
            words += ["--symlink", os.readlink(path), path]
        else:
            words += ["--ro-bind-try", path, path]
    for path in DEVICES:
        words += ["--dev-bind-try", path, path]
    words += ["--symlink", "/proc/self/fd", "/dev/fd", "--proc", "/proc"]
    for path in spec["readable"]:
        words += ["--ro-bind", path, path]
    for path in spec["writable"]:
        words += ["--bind", path, path]
    words += ["--remount-ro", "/", "--seccomp", str(filter_descriptor)]
    words += ["--", "/usr/bin/prlimit", f"--nproc={spec['processes'] + SLACK}", "--"]
    if spec["uid"]:
        identity = str(spec["uid"])
        words += ["/usr/bin/setpriv", "--reuid", identity, "--regid", identity, "--clear-groups"]
        words += ["--no-new-privs", "--inh-caps=-all", "--bounding-set=-all", "--"]
    return [*words, "/usr/bin/env", "-C", spec["cwd"]]


def limit(which: int, value: int) -> None:
    hard = resource.getrlimit(which)[1]
    if hard != resource.RLIM_INFINITY:
        value = min(value, hard)
    resource.setrlimit(which, (value, value))


def close_all_but(kept: Set[int]) -> None:
    for name in os.listdir("/proc/self/fd"):
        descriptor = int(name)
        if descriptor > 2 and descriptor not in kept:
            try:
                os.close(descriptor)
            except OSError:
                pass


def become(spec: Dict[str, Any], command: List[str]) -> None:
    """Give up what the command must not have, and become it."""
    kept = set(spec["descriptors"])
    close_all_but(kept)
    for descriptor in kept:
        os.set_inheritable(descriptor, True)
    for number in (signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_DFL)  # Python ignores them, and that is inherited
    os.setsid()
    os.umask(0o022)
    limit(resource.RLIMIT_CORE, 0)
    limit(resource.RLIMIT_FSIZE, spec["file_size"])
    limit(resource.RLIMIT_DATA, spec["data"])
    limit(resource.RLIMIT_NOFILE, 1024)
    limit(resource.RLIMIT_MEMLOCK, 8 << 20)
    limit(resource.RLIMIT_CPU, int(spec["cpu"]) + 5)
    layers = spec["layers"]
    if "namespaces" in layers:
        program = os.memfd_create("filter", 0)
        os.write(program, seccomp_program())
        os.lseek(program, 0, os.SEEK_SET)
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        words = bwrap_words(spec, program) + command
        os.execve(spec["bwrap"], words, spec["environment"])
    os.chdir(spec["cwd"])
    if "uid" in layers:
        for capability in range(64):
            libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)
        os.setgroups([])
        os.setresgid(*[spec["uid"]] * 3)
        os.setresuid(*[spec["uid"]] * 3)
        limit(resource.RLIMIT_NPROC, spec["processes"] + SLACK)
    elif "limits" in layers:
        limit(resource.RLIMIT_NPROC, spec["processes"] + SLACK + processes_of(os.getuid()))
    prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if "no-new-privileges" in layers:
        prctl(PR_SET_NO_NEW_PRIVS, 1)
    if "landlock" in layers:
        set_landlock([*SYSTEM, "/proc", *spec["readable"]], [*DEVICES, *spec["writable"]])
    if "seccomp" in layers:
        set_seccomp()
    os.execvpe(command[0], command, spec["environment"])


# --- The parent: accounts, limits, the end -------------------------------------------------------


def processes_of(uid: int) -> int:
    """How many threads run as this user: what RLIMIT_NPROC counts."""
    total = 0
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                if os.stat(f"/proc/{name}").st_uid == uid:
                    total += len(os.listdir(f"/proc/{name}/task"))
            except OSError:
                pass
    return total


def descendants() -> Dict[int, List[str]]:
    """All that this process is an ancestor of: /proc/PID/stat, from the state on."""
    fields: Dict[int, List[str]] = {}
    children: Dict[int, List[int]] = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat", "rb") as file:
                    text = file.read().decode("ascii", "replace").rpartition(")")[2].split()
            except OSError:
                continue
            fields[int(name)] = text
            children.setdefault(int(text[1]), []).append(int(name))
    found, pending = {}, list(children.get(os.getpid(), []))
    while pending:
        pid = pending.pop()
        found[pid] = fields[pid]
        pending += children.get(pid, [])
    return found


def memory_of_one(pid: int) -> Tuple[int, int]:
    """Private and shared memory; a shared page counts in part for each process that maps it."""
    with open(f"/proc/{pid}/statm", "rb") as file:
        _, resident, shared = map(int, file.read().split()[:3])
    try:
        with open(f"/proc/{pid}/smaps_rollup", "rb") as file:
            words = [line.split() for line in file.read().splitlines()[1:]]
    except PermissionError:  # it does not let itself be looked at
        return resident * PAGE, 0
    except FileNotFoundError:  # this kernel does not tell
        return (resident - shared) * PAGE, 0
    table = {line[0]: int(line[1]) << 10 for line in words}
    private = table.get(b"Pss_Anon:", table.get(b"Pss:", 0)) + table.get(b"SwapPss:", 0)
    return private, table.get(b"Pss_Shmem:", 0)


def memory_of(processes: Iterable[int]) -> Tuple[int, int]:
    """The memory of all, and what their files without a name take of the disk. Shared memory is
    what is mapped of it, or what open files in memory hold, whichever is more: most is both."""
    private, mapped, files, nameless = 0, 0, {}, {}
    for pid in processes:
        try:
            own, shared = memory_of_one(pid)
            private, mapped = private + own, mapped + shared
            for name in os.listdir(f"/proc/{pid}/fd"):
                path = f"/proc/{pid}/fd/{name}"
                status = os.stat(path)
                if status.st_nlink == 0 and stat.S_ISREG(status.st_mode):
                    if os.readlink(path).startswith("/memfd:"):
                        files[status.st_ino] = status.st_blocks * 512
                    else:
                        nameless[status.st_dev, status.st_ino] = status.st_blocks * 512
        except (OSError, ValueError):
            pass  # it has just ended
    return private + max(mapped, sum(files.values())), sum(nameless.values())


def disk_use(folders: Iterable[str]) -> int:
    total, pending = 0, list(folders)
    while pending:
        try:
            with os.scandir(pending.pop()) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        pending.append(entry.path)
                    total += entry.stat(follow_symlinks=False).st_blocks * 512
        except OSError as error:
            if error.errno == errno.ENAMETOOLONG:  # who goes so deep wants to hide something
                return sys.maxsize
    return total


class Account:
    """What the confined processes have used, and whether that is too much."""

    def __init__(self, spec: Dict[str, Any]) -> None:
        self.spec, self.started = spec, time.monotonic()
        self.peak, self.cpu, self.disk_before = 0, 0.0, disk_use(spec["writable"])

    def excess(self) -> Optional[str]:
        """The limit that was exceeded, if one was."""
        alive = descendants()
        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
        ticks = sum(sum(map(int, fields[11:15])) for fields in alive.values())
        self.cpu = max(self.cpu, usage.ru_utime + usage.ru_stime + ticks / TICK)
        memory, nameless = memory_of(alive)
        self.peak = max(self.peak, memory)
        spec = self.spec
        if memory > spec["memory"]:
            return "memory"
        if self.cpu > spec["cpu"]:
            return "cpu"
        if time.monotonic() - self.started > spec["seconds"]:
            return "time"
        if len(alive) > spec["processes"]:
            return "processes"
        if disk_use(spec["writable"]) + nameless - self.disk_before > spec["disk"]:
            return "disk"
        return None


def kill_all(spec: Dict[str, Any]) -> None:
    """Kill every descendant. New ones may come while we look, so until there are none."""
    while True:
        alive = descendants()
        if "uid" in spec["layers"] and len(alive) > 1:
            helper = os.fork()
            if helper == 0:  # all that this user has, at one blow
                try:
                    os.setresuid(*[spec["uid"]] * 3)
                    os.kill(-1, signal.SIGKILL)
                finally:
                    os._exit(0)
            os.waitpid(helper, 0)
        for pid in alive:
            try:
                os.kill(pid, signal.SIGKILL)
            except OSError:
                pass
        try:
            while os.waitpid(-1, 0 if alive else os.WNOHANG)[0]:
                alive = {}
        except ChildProcessError:
            return


def supervise(child: int, spec: Dict[str, Any]) -> Tuple[str, int]:
    """Wait for the command's end, or bring it about. Returns why it ended, and its status."""
    account, interval = Account(spec), 0.02
    why, status, next_look = "", 0, account.started + interval
    while not why:
        left = max(0.0, next_look - time.monotonic())
        got = signal.sigtimedwait((*STOPS, signal.SIGCHLD, signal.SIGQUIT), left)
        if got is not None and got.si_signo in STOPS:
            why = "stopped"
        elif got is not None and got.si_signo == signal.SIGQUIT:
            pass_on(signal.SIGQUIT)
        try:
            pid = -1
            while pid != 0 and time.monotonic() < next_look + interval:  # orphans may be endless
                pid, code = os.waitpid(-1, os.WNOHANG)
                if pid == child:
                    is_signal = os.WIFSIGNALED(code)
                    status = 128 + os.WTERMSIG(code) if is_signal else os.WEXITSTATUS(code)
                    why = why or "exit"
        except ChildProcessError:
            why = why or "exit"
        started = time.monotonic()
        if not why and started >= next_look:
            why = account.excess() or ""
            interval = min(interval * 1.5, 0.1)
            next_look = time.monotonic() + interval + 4 * (time.monotonic() - started)
    kill_all(spec)
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    report = {"why": why, "status": status, "memory": account.peak}
    report["cpu"] = usage.ru_utime + usage.ru_stime
    report["seconds"] = time.monotonic() - account.started
    if spec.get("report"):
        with open(spec["report"], "w", encoding="ascii") as file:
            json.dump(report, file)
    return why, status


def pass_on(number: int) -> None:
    """The signal is for the command itself, behind bwrap and its like: the deepest first child."""
    for pid in sorted(descendants()):
        try:
            executable = os.path.basename(os.readlink(f"/proc/{pid}/exe"))
            if executable not in ("bwrap", "setpriv", "prlimit"):
                os.kill(pid, number)
                return
        except OSError:
            pass


def own_all(paths: Iterable[str], uid: int) -> None:
    """What the command may write becomes its user's."""
    for top in paths:
        os.chown(top, uid, uid, follow_symlinks=False)
        for folder, folders, files in os.walk(top):
            for name in (*folders, *files):
                os.chown(os.path.join(folder, name), uid, uid, follow_symlinks=False)


def open_ways(paths: Iterable[str], temporary: str) -> None:
    """Let another user come to these paths where folders for temporary files, which only their
    owner may enter, stand in the way."""
    for path in paths:
        for folder in parents(path):
            mode = os.stat(folder).st_mode
            if folder.startswith(temporary + "/") and not mode & 0o001:
                os.chmod(folder, mode & 0o7777 | 0o001)


def choose_uid() -> int:
    """A user that nobody is, different for runs at the same time. Where users are few, one takes
    the first whose name is free: a socket's, which is free again when this process ends."""
    with open("/proc/self/uid_map", encoding="ascii") as file:
        size = max(int(line.split()[2]) for line in file)
    if size > 1_900_000_000:
        return 1_879_000_000 + os.getpid() % PID_LIMIT
    import socket

    for uid in range(max(1, size - 4096), max(2, size - 96)):
        holder = socket.socket(socket.AF_UNIX)
        try:
            holder.bind(f"\0duet-uid-{uid}")
            holder.detach()
            return uid
        except OSError:
            holder.close()
    raise CannotConfine("every user that could run the command is in use")


def main() -> int:
    spec, command = json.loads(sys.argv[1]), sys.argv[3:]
    prctl(PR_SET_CHILD_SUBREAPER, 1)
    prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    signal.pthread_sigmask(signal.SIG_BLOCK, (*STOPS, signal.SIGCHLD, signal.SIGQUIT))
    spec["uid"] = choose_uid() if "uid" in spec["layers"] else 0
    if spec["uid"]:
        own_all(spec["writable"], spec["uid"])
        if "namespaces" not in spec["layers"]:
            open_ways([*spec["readable"], *spec["writable"]], spec["temporary"])
    child = os.fork()
    if child == 0:
        try:
            signal.pthread_sigmask(signal.SIG_SETMASK, ())
            become(spec, command)
        except (OSError, CannotConfine) as error:
            os.write(2, f"confine: {error}\n".encode())
        finally:
            os._exit(CANNOT)
    # The console belongs to the command: an end of it must be seen when the command ends.
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(null, descriptor)
    for descriptor in spec["descriptors"]:
        os.close(descriptor)
    why, status = supervise(child, spec)
    return status if why == "exit" else 125


if __name__ == "__main__":
    sys.exit(main())
