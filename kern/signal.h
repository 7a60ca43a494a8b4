/*
 * Signals (POSIX; signal(7)): sending, masks, actions, and delivery at the return to user mode.
 */
#pragma once

#include "kern/abi/signal.h"
#include "kern/thread.h"
#include "kern/types.h"

struct process;
struct trap;

#define UNBLOCKABLE (1UL << (SIGKILL - 1) | 1UL << (SIGSTOP - 1))
#define STOP_SIGNALS                                                                               \
    (1UL << (SIGSTOP - 1) | 1UL << (SIGTSTP - 1) | 1UL << (SIGTTIN - 1) | 1UL << (SIGTTOU - 1))

/* What the threads of a process have in common. process->lock, but for reading `pending`. */
struct signal_state {
    uint64_t pending; /* sent to the process while all its threads blocked them */
    struct signal_source sources[SIGNAL_COUNT];
    struct kernel_sigaction actions[SIGNAL_COUNT];
};

/*
 * Send `signal` to a process, or to one thread of one with an si_code of SI_USER or SI_TKILL;
 * process_tree_lock is held. 0 is only a test.
 */
void signal_send(struct process *process, int signal);
void signal_send_thread(struct thread *thread, int signal, int code);

/* Bit of a signal in a mask. */
static inline uint64_t signal_bit(int signal)
{
    return 1UL << (signal - 1);
}

/* Send to all processes of a group. Returns 0 or -ESRCH. Takes process_tree_lock. Any context. */
int signal_send_group(pid_t group, int signal);

/* Whether the current thread has a signal, or another reason, to end an interruptible sleep. */
bool signal_is_pending(void);

/* Make a thread notice what was done to it: out of its sleep, or out of user mode. Any context. */
void signal_attract(struct thread *thread);

/* Whether the current program runs on its alternate stack; and setting that (size 0: none): 0,
 * -EPERM (it runs there), or -ENOMEM (too small). */
bool signal_is_on_stack(void);
int signal_set_stack(uaddr_t stack, size_t size) must_check;

/* Change the current thread's mask; what it was to act on and blocks now goes to another thread. */
void signal_set_mask(uint64_t mask);

/* Forget the signals of `mask` that were sent to the process or its threads, and not acted on.
 * process->lock is held. */
void signal_forget(struct process *process, uint64_t mask);

/* `thread`, of the same process, will act on no more signals. process->lock is held. */
void signal_hand_on(struct process *process, struct thread *thread);

/* exec: handlers go back to the default action; what is ignored stays so. */
void signal_exec(void);

/* The current program did something that the processor refused. */
void signal_from_trap(const struct trap *trap);

/*
 * Before the return to user mode: act on pending signals (end the process, or make its handler
 * run), stop with the process, and make an interrupted system call again or end it.
 */
void signal_deliver(void);

/*
 * Stopping and continuing, kern/signal_stop.c. process_tree_lock is held, and by the first two
 * process->lock, too.
 *
 * _note_sent: a signal for the process was sent: stop signals and SIGCONT undo each other. Returns
 * whether the process was stopped and now goes on. _continued: it does; its parent learns it.
 * _check: a thread has stopped or left: if that was the last one that ran, the process is
 * stopped, and its parent learns it. _sleep: take part in a stop.
 */
bool signal_stop_note_sent(struct process *process, int signal) must_check;
void signal_stop_continued(struct process *process);
void signal_stop_check(struct process *process);

/* The current thread took a signal that stops its process; no lock is held. */
void signal_stop_begin(int signal);

/* Sleep as long as the current thread's process is stopped; no lock is held. */
void signal_stop_sleep(void);
