/*
 * The beginning and the end of a program: from the stack that the kernel made to main(), and
 * from exit() through the atexit functions and the flush of all streams to the kernel.
 */
#include <assert.h>
#include <err.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define ATEXIT_MAX 32

int errno;
char **environ;

static const char *program_name = "?";
static void (*exit_functions[ATEXIT_MAX])(void);
static int exit_function_count;

int main(int argc, char **argv, char **envp);
_Noreturn void start_program(long *stack);

_Noreturn void start_program(long *stack)
{
    int argc = (int)stack[0];
    char **argv = (char **)&stack[1];

    environ = argv + argc + 1;
    if (argc > 0) {
        const char *slash = strrchr(argv[0], '/');
        program_name = slash ? slash + 1 : argv[0];
    }
    exit(main(argc, argv, environ));
}

const char *getprogname(void)
{
    return program_name;
}

int atexit(void (*function)(void))
{
    if (exit_function_count == ATEXIT_MAX)
        return -1;
    exit_functions[exit_function_count++] = function;
    return 0;
}

_Noreturn void exit(int status)
{
    while (exit_function_count > 0)
        exit_functions[--exit_function_count]();
    fflush(NULL);
    _exit(status);
}

_Noreturn void _exit(int status)
{
    for (;;)
        syscall(SYS_exit_group, status);
}

_Noreturn void _Exit(int status)
{
    _exit(status);
}

/* The signal must kill, whatever the program did to it. */
_Noreturn void abort(void)
{
    sigset_t set;

    raise(SIGABRT);
    signal(SIGABRT, SIG_DFL);
    sigemptyset(&set);
    sigaddset(&set, SIGABRT);
    sigprocmask(SIG_UNBLOCK, &set, NULL);
    raise(SIGABRT);
    _exit(127);
}

_Noreturn void assert_failed(const char *condition, const char *file, int line,
                             const char *function)
{
    fflush(stdout);
    fprintf(stderr, "%s: %s:%d: %s: Assertion `%s' failed.\n", program_name, file, line, function,
            condition);
    abort();
}
