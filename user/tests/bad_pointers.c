/*
 * A bad pointer in a system call is the error EFAULT: it neither kills the program nor harms the
 * kernel. Every call that takes a pointer is given several that a program must not use.
 */
#include "check.h"

#include <poll.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#define PAGE 4096UL

static int file, directory, ends[2];
static char good[PAGE];

struct attempt {
    const char *name;
    long number;
    long arguments[6];
};

/* Stands for the bad pointer in a list of arguments. */
#define BAD 0x5bad5badL
#define AT  AT_FDCWD
#define OK  ((long)good)

/* Replace BAD and make the call. */
static void attempt(const struct attempt *a, const char *kind, unsigned long bad)
{
    long v[6];
    char what[64];
    for (int i = 0; i < 6; i++)
        v[i] = a->arguments[i] == BAD ? (long)bad : a->arguments[i];
    snprintf(what, sizeof(what), "%s, %s", a->name, kind);
    show(what, syscall(a->number, v[0], v[1], v[2], v[3], v[4], v[5]));
}

/* Calls whose first argument is a path; the second one is a good pointer or a number. */
static const struct path_call {
    const char *name;
    long number;
    bool takes_pointer;
} path_calls[] = {
    {"open", SYS_open, false},      {"stat", SYS_stat, true},
    {"lstat", SYS_lstat, true},     {"access", SYS_access, false},
    {"execve", SYS_execve, false},  {"truncate", SYS_truncate, false},
    {"chdir", SYS_chdir, false},    {"mkdir", SYS_mkdir, false},
    {"rmdir", SYS_rmdir, false},    {"creat", SYS_creat, false},
    {"unlink", SYS_unlink, false},  {"chmod", SYS_chmod, false},
    {"chown", SYS_chown, false},    {"lchown", SYS_lchown, false},
    {"mknod", SYS_mknod, false},    {"statfs", SYS_statfs, true},
    {"rename", SYS_rename, true},   {"link", SYS_link, true},
    {"symlink", SYS_symlink, true}, {"readlink", SYS_readlink, true},
};

static void attempt_all(const char *kind, unsigned long bad)
{
    const struct attempt attempts[] = {
        {"read", SYS_read, {file, BAD, 10}},
        {"write", SYS_write, {file, BAD, 10}},
        {"pread64", SYS_pread64, {file, BAD, 10, 0}},
        {"pwrite64", SYS_pwrite64, {file, BAD, 10, 0}},
        {"readv", SYS_readv, {file, BAD, 1}},
        {"writev", SYS_writev, {file, BAD, 1}},
        {"pipe write", SYS_write, {ends[1], BAD, 10}},
        {"pipe read", SYS_read, {ends[0], BAD, 1}},
        {"stat, result", SYS_stat, {(long)".", BAD}},
        {"lstat, result", SYS_lstat, {(long)".", BAD}},
        {"fstat", SYS_fstat, {file, BAD}},
        {"newfstatat", SYS_newfstatat, {AT, BAD, OK, 0}},
        {"newfstatat, result", SYS_newfstatat, {AT, (long)".", BAD, 0}},
        {"poll", SYS_poll, {BAD, 1, 0}},
        {"rt_sigaction, new", SYS_rt_sigaction, {SIGUSR1, BAD, 0, 8}},
        {"rt_sigaction, old", SYS_rt_sigaction, {SIGUSR1, 0, BAD, 8}},
        {"rt_sigprocmask, new", SYS_rt_sigprocmask, {SIG_BLOCK, BAD, 0, 8}},
        {"rt_sigprocmask, old", SYS_rt_sigprocmask, {SIG_BLOCK, 0, BAD, 8}},
        {"rt_sigpending", SYS_rt_sigpending, {BAD, 8}},
        {"rt_sigsuspend", SYS_rt_sigsuspend, {BAD, 8}},
        {"pipe", SYS_pipe, {BAD}},
        {"pipe2", SYS_pipe2, {BAD, 0}},
        {"nanosleep", SYS_nanosleep, {BAD, 0}},
        {"clock_nanosleep", SYS_clock_nanosleep, {1, 0, BAD, 0}},
        {"clock_gettime", SYS_clock_gettime, {1, BAD}},
        {"clock_getres", SYS_clock_getres, {1, BAD}},
        {"gettimeofday", SYS_gettimeofday, {BAD, 0}},
        {"time", SYS_time, {BAD}},
        {"times", SYS_times, {BAD}},
        {"uname", SYS_uname, {BAD}},
        {"sysinfo", SYS_sysinfo, {BAD}},
        {"getcwd", SYS_getcwd, {BAD, 100}},
        {"getdents64", SYS_getdents64, {directory, BAD, 1000}},
        {"getrandom", SYS_getrandom, {BAD, 10, 0}},
        {"readlink, result", SYS_readlink, {(long)"symlink", BAD, 10}},
        {"symlink, second", SYS_symlink, {(long)"target", BAD}},
        {"link, second", SYS_link, {(long)"file", BAD}},
        {"rename, second", SYS_rename, {(long)"file", BAD}},
        {"execve, argv", SYS_execve, {(long)"/bin/true", BAD, 0}},
        {"execve, envp", SYS_execve, {(long)"/bin/true", 0, BAD}},
        {"statfs, result", SYS_statfs, {(long)".", BAD}},
        {"fstatfs", SYS_fstatfs, {file, BAD}},
        {"prlimit64, old", SYS_prlimit64, {0, 7, 0, BAD}},
        {"prlimit64, new", SYS_prlimit64, {0, 7, BAD, 0}},
        {"openat", SYS_openat, {AT, BAD, O_RDONLY, 0}},
        {"mkdirat", SYS_mkdirat, {AT, BAD, 0777}},
        {"unlinkat", SYS_unlinkat, {AT, BAD, 0}},
        {"renameat", SYS_renameat, {AT, BAD, AT, (long)"x"}},
        {"linkat", SYS_linkat, {AT, BAD, AT, (long)"x", 0}},
        {"symlinkat", SYS_symlinkat, {BAD, AT, (long)"x"}},
        {"readlinkat", SYS_readlinkat, {AT, BAD, OK, 10}},
        {"fchmodat", SYS_fchmodat, {AT, BAD, 0777}},
        {"fchownat", SYS_fchownat, {AT, BAD, 0, 0, 0}},
        {"faccessat", SYS_faccessat, {AT, BAD, 0}},
        {"utimensat, path", SYS_utimensat, {AT, BAD, 0, 0}},
        {"utimensat, times", SYS_utimensat, {AT, (long)"file", BAD, 0}},
    };
    for (size_t i = 0; i < sizeof(path_calls) / sizeof(path_calls[0]); i++) {
        const struct path_call *call = &path_calls[i];
        struct attempt on_path = {call->name, call->number, {BAD, call->takes_pointer ? OK : 0}};
        if (call->number == SYS_readlink)
            on_path.arguments[2] = 10;
        attempt(&on_path, kind, bad);
    }
    for (size_t i = 0; i < sizeof(attempts) / sizeof(attempts[0]); i++)
        attempt(&attempts[i], kind, bad);
}

/* A child's status that cannot be stored: the child is gone all the same. */
static void attempt_wait(void)
{
    pid_t pid = (pid_t)must("fork", fork());
    if (pid == 0)
        _exit(3);
    show("wait4, status", syscall(SYS_wait4, pid, 8L, 0, 0));
    show("wait4 again", syscall(SYS_wait4, pid, 0, 0, 0));
}

/* Vectors and strings that begin well. */
static void attempt_partly_bad(void)
{
    char *pages = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    char *edge = pages + PAGE;
    must("munmap", munmap(edge, PAGE));
    memset(pages, 'a', PAGE);
    show("open, path without an end", open(edge - 5, O_RDONLY));
    memcpy(edge - 5, "file", 5);
    show_success("open, path up to the end", open(edge - 5, O_RDONLY));
    show("stat, result over the edge", syscall(SYS_stat, "file", edge - 50));
    show("clock_gettime over the edge", syscall(SYS_clock_gettime, 1, edge - 8));
    show("pipe over the edge", syscall(SYS_pipe, edge - 4));
    char **argv = (char **)(edge - 2 * sizeof(char *));
    argv[0] = argv[1] = "true";
    show("execve, argv without an end", syscall(SYS_execve, "/bin/true", argv, 0));
    argv[1] = (char *)8;
    show("execve, bad string in argv", syscall(SYS_execve, "/bin/true", argv, 0));
    struct iovec vector[2] = {{good, 5}, {(void *)8, 5}};
    show("writev to the pipe, bad base first", writev(ends[1], &vector[1], 1));
    show("readv, bad base", readv(file, &vector[1], 1));
    show("write, bad length", write(ends[1], good, (size_t)-1) == -1 ? 0 : 1);
}

/* The result may not go where the program may not write itself. */
static void attempt_read_only(void)
{
    char *page = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    show("read to read-only memory", read(file, page, 10));
    show("stat to read-only memory", stat(".", (struct stat *)page));
    show("stat to the program's text", stat(".", (struct stat *)(uintptr_t)attempt_wait));
    show("write from read-only memory", write(ends[1], page, 4));
    must("mprotect", mprotect(page, PAGE, PROT_NONE));
    show("write from PROT_NONE", write(ends[1], page, 4));
}

int main(void)
{
    write_file("file", "0123456789 and more");
    must("symlink", symlink("target", "symlink"));
    file = (int)must("open", open("file", O_RDWR));
    directory = (int)must("open", open(".", O_RDONLY | O_DIRECTORY));
    must("pipe", pipe(ends));
    must("write", write(ends[1], "pipe", 4));
    attempt_all("page 0", 8);
    attempt_all("unmapped", 0x123456789000UL);
    attempt_all("just above user memory", 0x7ffffffff000UL);
    attempt_all("kernel memory", 0xffff888000001000UL);
    attempt_all("last page", 0xfffffffffffff000UL);
    attempt_all("not canonical", 0x800000000000UL);
    attempt_wait();
    attempt_partly_bad();
    attempt_read_only();
    show("file size afterwards", lseek(file, 0, SEEK_END));
    return 0;
}
