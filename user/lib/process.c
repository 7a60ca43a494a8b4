/*
 * System calls on processes, their memory, their time and the machine; execvp() with its search
 * along PATH.
 */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <sys/time.h>
#include <sys/times.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* --- Processes ------------------------------------------------------------------------------ */

pid_t fork(void)
{
    return (pid_t)syscall(SYS_fork);
}

pid_t wait4(pid_t pid, int *status, int options, void *usage)
{
    return (pid_t)syscall(SYS_wait4, pid, status, options, usage);
}

pid_t waitpid(pid_t pid, int *status, int options)
{
    return wait4(pid, status, options, NULL);
}

pid_t wait(int *status)
{
    return waitpid(-1, status, 0);
}

pid_t getpid(void)
{
    return (pid_t)syscall(SYS_getpid);
}

pid_t getppid(void)
{
    return (pid_t)syscall(SYS_getppid);
}

pid_t gettid(void)
{
    return (pid_t)syscall(SYS_gettid);
}

int setpgid(pid_t pid, pid_t group)
{
    return (int)syscall(SYS_setpgid, pid, group);
}

pid_t getpgid(pid_t pid)
{
    return (pid_t)syscall(SYS_getpgid, pid);
}

pid_t getpgrp(void)
{
    return getpgid(0);
}

pid_t setsid(void)
{
    return (pid_t)syscall(SYS_setsid);
}

pid_t getsid(pid_t pid)
{
    return (pid_t)syscall(SYS_getsid, pid);
}

uid_t getuid(void)
{
    return (uid_t)syscall(SYS_getuid);
}

uid_t geteuid(void)
{
    return (uid_t)syscall(SYS_geteuid);
}

gid_t getgid(void)
{
    return (gid_t)syscall(SYS_getgid);
}

gid_t getegid(void)
{
    return (gid_t)syscall(SYS_getegid);
}

int setuid(uid_t user)
{
    return (int)syscall(SYS_setuid, user);
}

int setgid(gid_t group)
{
    return (int)syscall(SYS_setgid, group);
}

int sched_yield(void)
{
    return (int)syscall(SYS_sched_yield);
}

int sched_getaffinity(pid_t pid, size_t size, void *mask)
{
    return syscall(SYS_sched_getaffinity, pid, size, mask) < 0 ? -1 : 0;
}

/* --- exec ----------------------------------------------------------------------------------- */

int execve(const char *path, char *const argv[], char *const envp[])
{
    return (int)syscall(SYS_execve, path, argv, envp);
}

int execv(const char *path, char *const argv[])
{
    return execve(path, argv, environ);
}

int execvp(const char *file, char *const argv[])
{
    return execvpe(file, argv, environ);
}

/*
 * Try `file` in each folder of PATH. The error is EACCES if one was found that may not be run,
 * whatever the folders after it answered (execvp(3)).
 */
int execvpe(const char *file, char *const argv[], char *const envp[])
{
    if (!*file) {
        errno = ENOENT;
        return -1;
    }
    if (strchr(file, '/'))
        return execve(file, argv, envp);

    const char *folders = getenv("PATH");
    if (!folders)
        folders = "/bin:/usr/bin";
    bool is_forbidden = false;
    for (const char *end;; folders = end + 1) {
        char path[PATH_MAX];
        end = strchrnul(folders, ':');
        size_t length = (size_t)(end - folders);
        if (length + strlen(file) + 2 <= sizeof(path)) {
            memcpy(path, folders, length);
            path[length] = '\0';
            if (length > 0)
                path[length++] = '/';
            strcpy(path + length, file);
            execve(path, argv, envp);
            if (errno == EACCES)
                is_forbidden = true;
            else if (errno != ENOENT && errno != ENOTDIR)
                return -1;
        }
        if (!*end)
            break;
    }
    errno = is_forbidden ? EACCES : ENOENT;
    return -1;
}

/* The arguments of execl as a vector on the caller's stack frame. */
#define EXEC_ARGUMENTS_MAX 64

static int collect_arguments(char **argv, const char *first, va_list rest)
{
    int count = 0;
    for (const char *argument = first; argument; argument = va_arg(rest, const char *)) {
        if (count == EXEC_ARGUMENTS_MAX) {
            errno = E2BIG;
            return -1;
        }
        argv[count++] = (char *)argument;
    }
    argv[count] = NULL;
    return 0;
}

int execl(const char *path, const char *argument, ...)
{
    char *argv[EXEC_ARGUMENTS_MAX + 1];
    va_list rest;
    va_start(rest, argument);
    int result = collect_arguments(argv, argument, rest);
    va_end(rest);
    return result < 0 ? -1 : execve(path, argv, environ);
}

int execlp(const char *file, const char *argument, ...)
{
    char *argv[EXEC_ARGUMENTS_MAX + 1];
    va_list rest;
    va_start(rest, argument);
    int result = collect_arguments(argv, argument, rest);
    va_end(rest);
    return result < 0 ? -1 : execvp(file, argv);
}

int system(const char *command)
{
    if (!command)
        return access("/bin/sh", X_OK) == 0;
    pid_t pid = vfork();
    if (pid < 0)
        return -1;
    if (pid == 0) {
        execl("/bin/sh", "sh", "-c", command, NULL);
        _exit(127);
    }
    int status;
    while (waitpid(pid, &status, 0) < 0) {
        if (errno != EINTR)
            return -1;
    }
    return status;
}

/* --- Memory --------------------------------------------------------------------------------- */

void *mmap(void *address, size_t size, int protection, int flags, int fd, off_t offset)
{
    return (void *)syscall(SYS_mmap, address, size, protection, flags, fd, offset);
}

int munmap(void *address, size_t size)
{
    return (int)syscall(SYS_munmap, address, size);
}

int mprotect(void *address, size_t size, int protection)
{
    return (int)syscall(SYS_mprotect, address, size, protection);
}

int madvise(void *address, size_t size, int advice)
{
    return (int)syscall(SYS_madvise, address, size, advice);
}

/* The kernel answers with the break that holds now, changed or not, and never with an error. */
static char *current_break;

int brk(void *end)
{
    current_break = (char *)syscall(SYS_brk, end);
    if (current_break == end)
        return 0;
    errno = ENOMEM;
    return -1;
}

void *sbrk(long increment)
{
    if (!current_break)
        brk(NULL);
    char *old = current_break;
    if (increment != 0 && brk(old + increment) < 0)
        return (void *)-1;
    return old;
}

/* --- Time ----------------------------------------------------------------------------------- */

time_t time(time_t *now)
{
    struct timespec time = {0, 0};
    clock_gettime(CLOCK_REALTIME, &time);
    if (now)
        *now = time.tv_sec;
    return time.tv_sec;
}

int gettimeofday(struct timeval *time, void *zone)
{
    return (int)syscall(SYS_gettimeofday, time, zone);
}

int clock_gettime(clockid_t clock, struct timespec *time)
{
    return (int)syscall(SYS_clock_gettime, clock, time);
}

int clock_getres(clockid_t clock, struct timespec *resolution)
{
    return (int)syscall(SYS_clock_getres, clock, resolution);
}

/* Unlike all others this one returns the error (clock_nanosleep(2)). */
int clock_nanosleep(clockid_t clock, int flags, const struct timespec *time,
                    struct timespec *remaining)
{
    int saved = errno;
    int error = syscall(SYS_clock_nanosleep, clock, flags, time, remaining) < 0 ? errno : 0;
    errno = saved;
    return error;
}

int nanosleep(const struct timespec *time, struct timespec *remaining)
{
    return (int)syscall(SYS_nanosleep, time, remaining);
}

unsigned sleep(unsigned seconds)
{
    struct timespec time = {seconds, 0};
    return nanosleep(&time, &time) < 0 ? (unsigned)time.tv_sec : 0;
}

int usleep(unsigned microseconds)
{
    struct timespec time = {microseconds / 1000000, microseconds % 1000000 * 1000};
    return nanosleep(&time, NULL);
}

clock_t times(struct tms *used)
{
    return syscall(SYS_times, used);
}

/* --- The machine ---------------------------------------------------------------------------- */

int uname(struct utsname *name)
{
    return (int)syscall(SYS_uname, name);
}

int sysinfo(struct sysinfo *info)
{
    return (int)syscall(SYS_sysinfo, info);
}

int system_is_duet(void)
{
    struct utsname name;
    return uname(&name) == 0 && strncmp(name.version, "Duet", 4) == 0;
}

int power_off(int status)
{
    if (!system_is_duet()) {
        errno = EPERM;
        return -1;
    }
    return (int)syscall(SYS_reboot, (unsigned long)LINUX_REBOOT_MAGIC1,
                        (unsigned long)LINUX_REBOOT_MAGIC2,
                        (unsigned long)LINUX_REBOOT_CMD_POWER_OFF, (long)status);
}
