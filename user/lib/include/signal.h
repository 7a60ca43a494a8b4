/* Signals: signal(7), sigaction(2). */
#pragma once

#include <sys/types.h>

#include "kern/abi/signal.h"

/* The kernel's are numbers; a program's are handlers. */
#undef SIG_DFL
#undef SIG_IGN
#define SIG_DFL ((sighandler_t)0)
#define SIG_IGN ((sighandler_t)1)
#define SIG_ERR ((sighandler_t)-1)

typedef void (*sighandler_t)(int);
typedef int sig_atomic_t;
typedef uint64_t sigset_t; /* bit n - 1 is signal n */

typedef struct {
    int si_signo;
    int si_errno;
    int si_code;
    int si_padding;
    union {
        struct {
            pid_t si_pid;
            uid_t si_uid;
            int si_status;
        };
        void *si_addr;
        char si_fill[112];
    };
} siginfo_t;

struct sigaction {
    union {
        sighandler_t sa_handler;
        void (*sa_sigaction)(int, siginfo_t *, void *);
    };
    unsigned long sa_flags;
    void (*sa_restorer)(void); /* the library's own */
    sigset_t sa_mask;
};

int kill(pid_t pid, int signal);
int killpg(pid_t group, int signal);
int raise(int signal);
sighandler_t signal(int signal, sighandler_t handler);
int sigaction(int signal, const struct sigaction *action, struct sigaction *old);
int sigprocmask(int how, const sigset_t *set, sigset_t *old);
int sigpending(sigset_t *set);
int sigsuspend(const sigset_t *mask);

int sigemptyset(sigset_t *set);
int sigfillset(sigset_t *set);
int sigaddset(sigset_t *set, int signal);
int sigdelset(sigset_t *set, int signal);
int sigismember(const sigset_t *set, int signal);

/* "Terminated" and the like; "Unknown signal N". */
char *strsignal(int signal);
/* "TERM" for SIGTERM, NULL for a number that has no name; and back, -1 for no such name. */
const char *signal_name(int signal);
int signal_number(const char *name);
