/*
 * Signals (POSIX; signal(7)): sending, masks, actions, and delivery at the return to user mode.
 */
#pragma once

#include "kern/abi/signal.h"
#include "kern/spinlock.h"
#include "kern/types.h"

struct process;
struct trap;

typedef uint64_t sigset_t_kernel; /* bit n - 1 is signal n */

struct signal_state {
    uint64_t pending;   /* sent and not delivered */
    uint64_t blocked;   /* the mask */
    uint64_t suspended; /* the mask to restore after rt_sigsuspend(2) */
    bool is_suspended;
    bool is_stopping; /* took a signal that stops it; SIGCONT calls that off */
    int code;         /* of the fault that sent the newest SIGSEGV, SIGFPE, ... */
    uaddr_t address;  /* and its address */
    pid_t sender;     /* of the newest kill(2) */
    struct kernel_sigaction actions[NSIG];
};

/* Send `signal` to a process; process_tree_lock is held. 0 is only a test. */
void signal_send(struct process *process, int signal);

/* Bit of a signal in a mask. */
static inline uint64_t signal_bit(int signal)
{
    return 1UL << (signal - 1);
}

/* Send to all processes of a group. Returns 0 or -ESRCH. Takes process_tree_lock. Any context. */
int signal_send_group(pid_t group, int signal);

/* Whether the current thread has a signal that would end an interruptible sleep. */
bool signal_is_pending(void);

/* exec: handlers go back to the default action; what is ignored stays so. */
void signal_exec(struct process *process);

/* The current program did something that the processor refused. */
void signal_from_trap(const struct trap *trap);

/*
 * Before the return to user mode: act on pending signals (end the process, or make its handler
 * run), and make an interrupted system call again or end it.
 */
void signal_deliver(void);
