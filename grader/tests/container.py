"""A container like Docker's, for tests: its default seccomp filter, no privileges, little else.

The filter is an allow-list: what the vkernel and the C library need of the host, and no call that
Docker's default profile forbids. As there, all other calls fail with EPERM, clone() makes no
namespaces, and clone3() does not exist, so that the C library falls back to clone().
"""

from __future__ import annotations

import ctypes
import shlex
import struct
import subprocess
from pathlib import Path
from typing import Callable, Dict, Iterable, List

# Each of these is allowed by Docker.
ALLOWED = """
    access brk clock_gettime clock_nanosleep close close_range dup2 execve execveat exit exit_group
    fcntl fdatasync fork fstat fsync ftruncate futex getcpu getdents64 getpid getppid getrandom
    gettid getuid geteuid getgid getegid ioctl kill lseek madvise memfd_create mmap mprotect munmap
    newfstatat open openat pipe2 poll ppoll prctl pread64 prlimit64 pwrite64 read readlink recvfrom
    recvmsg rseq rt_sigaction rt_sigprocmask rt_sigreturn rt_sigsuspend rt_sigtimedwait
    sched_getaffinity sched_setaffinity sched_yield seccomp sendmsg sendto set_robust_list
    set_tid_address setrlimit setsid sigaltstack socketpair sysinfo tgkill timer_create
    timer_settime vfork wait4 waitid write writev arch_prctl
""".split()

# What Docker allows on Linux 4.8 and later only.
PTRACE = ["ptrace"]

EPERM, ENOSYS = 1, 38
CLONE_NAMESPACES = 0x7E020000
PR_SET_SECCOMP, SECCOMP_MODE_FILTER, PR_SET_NO_NEW_PRIVS = 22, 2, 38
AUDIT_ARCH_X86_64 = 0xC000003E

# Instructions of the filter (linux/bpf_common.h, linux/seccomp.h), and the data they look at.
LOAD, JUMP_EQUAL, JUMP_SET, RETURN = 0x20, 0x15, 0x45, 0x06
RET_ALLOW, RET_ERRNO = 0x7FFF0000, 0x00050000
NUMBER, ARCHITECTURE, ARGUMENT_0 = 0, 4, 16


def call_numbers() -> Dict[str, int]:
    """The host's system calls, by the headers of its C library."""
    done = subprocess.run(
        ["gcc", "-E", "-dM", "-x", "c", "-"],
        input="#include <asm/unistd_64.h>\n",
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    words = [line.split() for line in done.stdout.splitlines() if " __NR_" in line]
    return {word[1][len("__NR_") :]: int(word[2]) for word in words if word[2].isdigit()}


def instruction(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("=HBBI", code, if_true, if_false, value)


def seccomp_filter(allowed: Iterable[str]) -> bytes:
    """The filter as the host's kernel takes it."""
    numbers = call_numbers()
    permit, refuse = instruction(RETURN, RET_ALLOW), instruction(RETURN, RET_ERRNO | EPERM)
    program = [
        instruction(LOAD, ARCHITECTURE),
        instruction(JUMP_EQUAL, AUDIT_ARCH_X86_64, 1, 0),
        refuse,
        instruction(LOAD, NUMBER),
        instruction(JUMP_EQUAL, numbers["clone3"], 0, 1),
        instruction(RETURN, RET_ERRNO | ENOSYS),
    ]
    for name in allowed:
        program += [instruction(JUMP_EQUAL, numbers[name], 0, 1), permit]
    program += [
        instruction(JUMP_EQUAL, numbers["clone"], 0, 3),
        instruction(LOAD, ARGUMENT_0),
        instruction(JUMP_SET, CLONE_NAMESPACES, 1, 0),
        permit,
        refuse,
    ]
    return b"".join(program)


def refuse(errors: Dict[str, int]) -> Callable[[], None]:
    """For subprocess's preexec_fn: from now on these system calls fail with these errors."""
    numbers = call_numbers()
    program = [instruction(LOAD, NUMBER)]
    for name, error in errors.items():
        program += [instruction(JUMP_EQUAL, numbers[name], 0, 1)]
        program += [instruction(RETURN, RET_ERRNO | error)]
    program += [instruction(RETURN, RET_ALLOW)]
    instructions = ctypes.create_string_buffer(b"".join(program))
    # struct sock_fprog
    filter_program = struct.pack("@HP", len(program), ctypes.addressof(instructions))

    def install() -> None:
        library = ctypes.CDLL(None, use_errno=True)
        assert library.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
        assert library.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, filter_program) == 0
        assert instructions  # it lives until now

    return install


def container_command(filter_file: Path, writable: Iterable[Path]) -> List[str]:
    """The words before a command that runs it in the container; descriptor 9 is in use."""
    words = ["bwrap", "--unshare-all", "--die-with-parent", "--uid", "1000", "--gid", "1000"]
    words += ["--cap-drop", "ALL", "--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc"]
    words += ["--size", str(1 << 20), "--tmpfs", "/dev/shm"]
    for path in writable:
        words += ["--bind", str(path), str(path)]
    quoted = " ".join(map(shlex.quote, words))
    script = f'exec {quoted} --seccomp 9 -- "$@" 9<{shlex.quote(str(filter_file))}'
    return ["sh", "-c", script, "sh"]
