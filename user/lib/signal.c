/* Signals: actions, masks, sets and names. */
#include <ctype.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/syscall.h>
#include <unistd.h>

#define SIGNAL_MAX NSIG

void signal_restorer(void); /* user/lib/crt0.S */

int kill(pid_t pid, int signal)
{
    return (int)syscall(SYS_kill, pid, signal);
}

int killpg(pid_t group, int signal)
{
    return kill(-group, signal);
}

int raise(int signal)
{
    return (int)syscall(SYS_tkill, gettid(), signal);
}

int pause(void)
{
    return (int)syscall(SYS_pause);
}

int sigaction(int signal, const struct sigaction *action, struct sigaction *old)
{
    struct kernel_sigaction new_action, old_action;

    if (action) {
        new_action.handler = (uint64_t)action->sa_handler;
        new_action.flags = action->sa_flags | SA_RESTORER;
        new_action.restorer = (uint64_t)signal_restorer;
        new_action.mask = action->sa_mask;
    }
    if (syscall(SYS_rt_sigaction, signal, action ? &new_action : NULL, old ? &old_action : NULL,
                sizeof(sigset_t)) < 0)
        return -1;
    if (old) {
        old->sa_handler = (sighandler_t)old_action.handler;
        old->sa_flags = old_action.flags;
        old->sa_restorer = (void (*)(void))old_action.restorer;
        old->sa_mask = old_action.mask;
    }
    return 0;
}

/* As in BSD: calls go on after the handler, which stays installed. */
sighandler_t signal(int signal, sighandler_t handler)
{
    struct sigaction action = {.sa_handler = handler, .sa_flags = SA_RESTART}, old;
    return sigaction(signal, &action, &old) < 0 ? SIG_ERR : old.sa_handler;
}

int sigprocmask(int how, const sigset_t *set, sigset_t *old)
{
    return (int)syscall(SYS_rt_sigprocmask, how, set, old, sizeof(sigset_t));
}

int sigpending(sigset_t *set)
{
    return (int)syscall(SYS_rt_sigpending, set, sizeof(sigset_t));
}

int sigsuspend(const sigset_t *mask)
{
    return (int)syscall(SYS_rt_sigsuspend, mask, sizeof(sigset_t));
}

/* --- Sets ----------------------------------------------------------------------------------- */

int sigemptyset(sigset_t *set)
{
    *set = 0;
    return 0;
}

int sigfillset(sigset_t *set)
{
    *set = ~(sigset_t)0;
    return 0;
}

/* The bit of `signal`, or 0 with errno set. */
static sigset_t signal_bit(int signal)
{
    if (signal < 1 || signal > SIGNAL_MAX) {
        errno = EINVAL;
        return 0;
    }
    return (sigset_t)1 << (signal - 1);
}

int sigaddset(sigset_t *set, int signal)
{
    sigset_t bit = signal_bit(signal);
    *set |= bit;
    return bit ? 0 : -1;
}

int sigdelset(sigset_t *set, int signal)
{
    sigset_t bit = signal_bit(signal);
    *set &= ~bit;
    return bit ? 0 : -1;
}

int sigismember(const sigset_t *set, int signal)
{
    sigset_t bit = signal_bit(signal);
    return bit ? (*set & bit) != 0 : -1;
}

/* --- Names ---------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    const char *meaning;
} signals[] = {
    [SIGHUP] = {"HUP", "Hangup"},
    [SIGINT] = {"INT", "Interrupt"},
    [SIGQUIT] = {"QUIT", "Quit"},
    [SIGILL] = {"ILL", "Illegal instruction"},
    [SIGTRAP] = {"TRAP", "Trace/breakpoint trap"},
    [SIGABRT] = {"ABRT", "Aborted"},
    [SIGBUS] = {"BUS", "Bus error"},
    [SIGFPE] = {"FPE", "Floating point exception"},
    [SIGKILL] = {"KILL", "Killed"},
    [SIGUSR1] = {"USR1", "User defined signal 1"},
    [SIGSEGV] = {"SEGV", "Segmentation fault"},
    [SIGUSR2] = {"USR2", "User defined signal 2"},
    [SIGPIPE] = {"PIPE", "Broken pipe"},
    [SIGALRM] = {"ALRM", "Alarm clock"},
    [SIGTERM] = {"TERM", "Terminated"},
    [SIGSTKFLT] = {"STKFLT", "Stack fault"},
    [SIGCHLD] = {"CHLD", "Child exited"},
    [SIGCONT] = {"CONT", "Continued"},
    [SIGSTOP] = {"STOP", "Stopped (signal)"},
    [SIGTSTP] = {"TSTP", "Stopped"},
    [SIGTTIN] = {"TTIN", "Stopped (tty input)"},
    [SIGTTOU] = {"TTOU", "Stopped (tty output)"},
    [SIGURG] = {"URG", "Urgent I/O condition"},
    [SIGXCPU] = {"XCPU", "CPU time limit exceeded"},
    [SIGXFSZ] = {"XFSZ", "File size limit exceeded"},
    [SIGVTALRM] = {"VTALRM", "Virtual timer expired"},
    [SIGPROF] = {"PROF", "Profiling timer expired"},
    [SIGWINCH] = {"WINCH", "Window changed"},
    [SIGIO] = {"POLL", "I/O possible"},
    [SIGPWR] = {"PWR", "Power failure"},
    [SIGSYS] = {"SYS", "Bad system call"},
};

#define NAMED_SIGNALS ((int)(sizeof(signals) / sizeof(signals[0])))

char *strsignal(int signal)
{
    static char unknown[32];

    if (signal > 0 && signal < NAMED_SIGNALS)
        return (char *)signals[signal].meaning;
    snprintf(unknown, sizeof(unknown), "Unknown signal %d", signal);
    return unknown;
}

const char *signal_name(int signal)
{
    return signal > 0 && signal < NAMED_SIGNALS ? signals[signal].name : NULL;
}

/* Accepts "TERM", "SIGTERM" in either case, and "15". */
int signal_number(const char *name)
{
    if (isdigit((unsigned char)*name)) {
        char *end;
        long number = strtol(name, &end, 10);
        return *end || number > SIGNAL_MAX ? -1 : (int)number;
    }
    if (strncasecmp(name, "SIG", 3) == 0)
        name += 3;
    for (int i = 1; i < NAMED_SIGNALS; i++) {
        if (strcasecmp(signals[i].name, name) == 0)
            return i;
    }
    return -1;
}
