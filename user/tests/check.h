/*
 * What the test programs share. A test program prints what the system answered, one line a
 * question, and exits with 0; whoever runs it compares its output with what it prints on Linux.
 * So it prints nothing that may differ from run to run: no process ids, addresses or times.
 *
 * Output goes straight to write(2), a line a call: a child that forks must not print again what
 * its parent had in a buffer.
 */
#pragma once

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#define MAYBE_UNUSED __attribute__((unused))

/* Print a line; the newline is added. */
MAYBE_UNUSED __attribute__((format(printf, 1, 2))) static void say(const char *format, ...)
{
    char line[512];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(line, sizeof(line) - 1, format, arguments);
    va_end(arguments);
    if (length > (int)sizeof(line) - 2)
        length = (int)sizeof(line) - 2;
    line[length++] = '\n';
    if (write(STDOUT_FILENO, line, (size_t)length) != length)
        _exit(99);
}

/* The name of an error number. */
MAYBE_UNUSED static const char *error_name(int error)
{
    static char unknown[24];
    static const struct {
        int error;
        const char *name;
    } names[] = {
#define NAME(error) {error, #error}
        NAME(EPERM),      NAME(ENOENT),    NAME(ESRCH),   NAME(EINTR),     NAME(EIO),
        NAME(ENXIO),      NAME(E2BIG),     NAME(ENOEXEC), NAME(EBADF),     NAME(ECHILD),
        NAME(EAGAIN),     NAME(ENOMEM),    NAME(EACCES),  NAME(EFAULT),    NAME(ENOTBLK),
        NAME(EBUSY),      NAME(EEXIST),    NAME(EXDEV),   NAME(ENODEV),    NAME(ENOTDIR),
        NAME(EISDIR),     NAME(EINVAL),    NAME(ENFILE),  NAME(EMFILE),    NAME(ENOTTY),
        NAME(ETXTBSY),    NAME(EFBIG),     NAME(ENOSPC),  NAME(ESPIPE),    NAME(EROFS),
        NAME(EMLINK),     NAME(EPIPE),     NAME(EDOM),    NAME(ERANGE),    NAME(EDEADLK),
        NAME(ENOSYS),     NAME(ENOTEMPTY), NAME(ELOOP),   NAME(EOVERFLOW), NAME(ENAMETOOLONG),
        NAME(EOPNOTSUPP), NAME(ETIMEDOUT),
#undef NAME
    };
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (names[i].error == error)
            return names[i].name;
    }
    snprintf(unknown, sizeof(unknown), "error %d", error);
    return unknown;
}

/* Print the result of a call: its value, or the error's name. Returns it. */
MAYBE_UNUSED static long show(const char *what, long result)
{
    if (result == -1)
        say("%s: %s", what, error_name(errno));
    else
        say("%s: %ld", what, result);
    return result;
}

/* The same for a result that differs from run to run: only whether it is an error. */
MAYBE_UNUSED static long show_success(const char *what, long result)
{
    say("%s: %s", what, result == -1 ? error_name(errno) : "ok");
    return result;
}

/* Print how a process ended. */
MAYBE_UNUSED static void show_status(const char *what, int status)
{
    int signal = WIFSTOPPED(status) ? WSTOPSIG(status) : WTERMSIG(status);
    const char *name = signal_name(signal), *how = WIFSTOPPED(status) ? "stopped" : "killed";
    if (WIFEXITED(status))
        say("%s: exited with %d", what, WEXITSTATUS(status));
    else if (name != NULL)
        say("%s: %s by SIG%s", what, how, name);
    else
        say("%s: %s by signal %d", what, how, signal);
}

/* End the test when a call that must work does not. */
MAYBE_UNUSED static long must(const char *what, long result)
{
    if (result == -1) {
        say("%s failed: %s", what, error_name(errno));
        _exit(98);
    }
    return result;
}

/* Wait for one child; its status. */
MAYBE_UNUSED static int wait_for(pid_t pid)
{
    int status = 0;
    while (waitpid(pid, &status, 0) < 0) {
        if (errno != EINTR)
            must("waitpid", -1);
    }
    return status;
}

/* Run a function in a child, which exits with its result, and print how that ended. */
MAYBE_UNUSED static void show_child(const char *what, int (*function)(void))
{
    pid_t pid = (pid_t)must("fork", fork());
    if (pid == 0)
        _exit(function());
    show_status(what, wait_for(pid));
}

/* A file with some text. */
MAYBE_UNUSED static void write_file(const char *path, const char *text)
{
    int fd = (int)must(path, open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644));
    if (write(fd, text, strlen(text)) != (ssize_t)strlen(text))
        say("%s: short write", path);
    close(fd);
}

/* Print the text of a file. */
MAYBE_UNUSED static void show_file(const char *path)
{
    char buffer[256];
    int fd = open(path, O_RDONLY);
    ssize_t n = fd >= 0 ? read(fd, buffer, sizeof(buffer) - 1) : -1;
    if (n < 0) {
        say("%s: %s", path, error_name(errno));
    } else {
        buffer[n] = '\0';
        say("%s: \"%s\"", path, buffer);
    }
    if (fd >= 0)
        close(fd);
}
