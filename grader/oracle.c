/*
 * The oracle: run a program on host Linux as it would run on Duet.
 *
 *      oracle ROOT PROGRAM [ARGUMENT ...]
 *
 * What Linux answers is what Duet must answer, so the program gets what it would get there:
 *
 * - Only the system calls of kern/syscall_table.h; every other is ENOSYS (a seccomp filter).
 *   Calls that would touch the host as a whole (reboot, mount, umount2) are EPERM.
 * - A root folder like Duet's: /bin, /tests and /etc of ROOT (read-only), /dev with the usual
 *   few, and the rest empty and its own (a tmpfs); the working directory is /tmp/work.
 * - A world of its own: namespaces for users, mounts, processes and the rest, in which it is
 *   root and the orphans go to a process 1 that ends with it.
 *
 * The exit status is the program's, or 128 + the signal that killed it, as a shell reports it.
 * Where the host forbids namespaces, the status is 126 and nothing was run.
 */
#define _GNU_SOURCE
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define CANNOT_ISOLATE 126
#define MAX_FILTER     1024
#define X32_BIT        0x40000000

static char *const environment[] = {"PATH=/bin", "HOME=/root", NULL};

static void write_text(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY);

    if (fd < 0 || write(fd, text, strlen(text)) < 0)
        err(CANNOT_ISOLATE, "%s", path);
    close(fd);
}

/* New namespaces, in which the caller is root. Its next child is process 1. */
static void enter_namespaces(void)
{
    int flags = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWNET;
    char map[64];
    uid_t uid = getuid();
    gid_t gid = getgid();

    if (unshare(CLONE_NEWUSER | flags) == 0) {
        write_text("/proc/self/setgroups", "deny");
        snprintf(map, sizeof(map), "0 %u 1", uid);
        write_text("/proc/self/uid_map", map);
        snprintf(map, sizeof(map), "0 %u 1", gid);
        write_text("/proc/self/gid_map", map);
    } else if (unshare(flags) != 0) {
        err(CANNOT_ISOLATE, "this host forbids namespaces");
    }
}

static void bind_mount(const char *source, const char *target, unsigned long flags)
{
    if (mount(source, target, NULL, MS_BIND | MS_REC, NULL) != 0)
        err(CANNOT_ISOLATE, "bind %s", target);
    if (flags != 0)
        mount(NULL, target, NULL, MS_REMOUNT | MS_BIND | flags, NULL);
}

/* Build the root folder on a tmpfs over `root` itself, and move into it. */
static void enter_root(const char *root)
{
    static const char *const programs[] = {"bin", "tests", "etc"};
    static const char *const devices[] = {"null", "zero", "full", "random", "urandom", "tty"};
    static const char *const empty[] = {"root", "proc", "mnt", "tmp", "tmp/work"};
    char source[4096], target[4096];
    const char *top = "/tmp";

    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0)
        err(CANNOT_ISOLATE, "mount");
    int root_fd = open(root, O_PATH | O_DIRECTORY);
    if (root_fd < 0)
        err(CANNOT_ISOLATE, "%s", root);
    if (mount("tmpfs", top, "tmpfs", 0, "mode=755,size=256m") != 0)
        err(CANNOT_ISOLATE, "tmpfs");
    for (size_t i = 0; i < sizeof(programs) / sizeof(programs[0]); i++) {
        snprintf(source, sizeof(source), "/proc/self/fd/%d/%s", root_fd, programs[i]);
        snprintf(target, sizeof(target), "%s/%s", top, programs[i]);
        mkdir(target, 0755);
        bind_mount(source, target, MS_RDONLY);
    }
    snprintf(target, sizeof(target), "%s/dev", top);
    mkdir(target, 0755);
    for (size_t i = 0; i < sizeof(devices) / sizeof(devices[0]); i++) {
        snprintf(source, sizeof(source), "/dev/%s", devices[i]);
        snprintf(target, sizeof(target), "%s/dev/%s", top, devices[i]);
        close(open(target, O_CREAT | O_WRONLY, 0666));
        bind_mount(source, target, 0);
    }
    for (size_t i = 0; i < sizeof(empty) / sizeof(empty[0]); i++) {
        snprintf(target, sizeof(target), "%s/%s", top, empty[i]);
        mkdir(target, 0755);
    }
    snprintf(target, sizeof(target), "%s/tmp", top);
    chmod(target, 01777);
    snprintf(target, sizeof(target), "%s/proc", top);
    mount("proc", target, "proc", 0, NULL); /* some hosts forbid it, and few programs look */
    close(root_fd);
    if (chroot(top) != 0 || chdir("/tmp/work") != 0)
        err(CANNOT_ISOLATE, "chroot");
}

/* From here on, only the calls that Duet has. */
static void restrict_calls(void)
{
    static const int implemented[] = {
#define SYSCALL(number, name) number,
#include "kern/syscall_table.h"
#undef SYSCALL
    };
    static const int forbidden[] = {SYS_reboot, SYS_mount, SYS_umount2};
    struct sock_filter filter[MAX_FILTER];
    unsigned short length = 0;

    filter[length++] =
        (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch));
    filter[length++] =
        (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 1, 0);
    filter[length++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS);
    filter[length++] =
        (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
    for (size_t i = 0; i < sizeof(forbidden) / sizeof(forbidden[0]); i++) {
        filter[length++] =
            (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)forbidden[i], 0, 1);
        filter[length++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM);
    }
    for (size_t i = 0; i < sizeof(implemented) / sizeof(implemented[0]); i++) {
        filter[length++] =
            (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)implemented[i], 0, 1);
        filter[length++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    }
    filter[length++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS);

    struct sock_fprog program = {.len = length, .filter = filter};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0)
        err(CANNOT_ISOLATE, "seccomp");
}

static int shell_status(int status)
{
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

/* What started the tests may ignore or block signals (nohup, a shell's background job). */
static void reset_signals(void)
{
    sigset_t none;

    for (int number = 1; number < NSIG; number++)
        signal(number, SIG_DFL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Process 1: start the program, collect orphans, end with the program's status. */
static int run_init(const char *root, char **command)
{
    struct rlimit no_core = {0, 0}, stack = {8 << 20, 8 << 20};
    int status;
    pid_t child;

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    enter_root(root);
    setrlimit(RLIMIT_CORE, &no_core);
    setrlimit(RLIMIT_STACK, &stack);
    umask(022);
    child = fork();
    if (child < 0)
        err(CANNOT_ISOLATE, "fork");
    if (child == 0) {
        setsid();
        reset_signals();
        restrict_calls();
        execve(command[0], command, environment);
        warn("%s", command[0]);
        _exit(127);
    }
    while (wait(&status) != child)
        continue;
    return shell_status(status);
}

int main(int argc, char **argv)
{
    int status;
    pid_t child;

    if (argc < 3)
        errx(CANNOT_ISOLATE, "usage: oracle ROOT PROGRAM [ARGUMENT ...]");
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    enter_namespaces();
    child = fork();
    if (child < 0)
        err(CANNOT_ISOLATE, "fork");
    if (child == 0)
        return run_init(argv[1], argv + 2);
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        continue;
    return shell_status(status);
}
