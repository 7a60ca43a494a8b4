/*
 * Signals.
 *
 * A signal that is sent becomes a bit in `pending`; the receiver acts on it itself, on its way
 * back to user mode (signal_deliver()): it ends, stops, ignores the signal, or runs a handler
 * on its user stack. Sending wakes an interruptible sleep and, when the receiver computes on
 * another CPU, kicks that CPU, so that the way back comes soon.
 *
 * What init has no handler for is not delivered to it: nothing may end process 1.
 *
 * Locks: process->lock protects the signal state. Senders also hold process_tree_lock, which
 * keeps the receiver and its thread in existence.
 */
#include "kern/signal.h"

#include "kern/abi/errno.h"
#include "kern/cpu.h"
#include "kern/machine.h"
#include "kern/oom.h"
#include "kern/print.h"
#include "kern/process.h"
#include "kern/sched.h"
#include "kern/thread.h"
#include "kern/trap.h"

#define UNBLOCKABLE (1UL << (SIGKILL - 1) | 1UL << (SIGSTOP - 1))

#define STOP_SIGNALS                                                                               \
    (1UL << (SIGSTOP - 1) | 1UL << (SIGTSTP - 1) | 1UL << (SIGTTIN - 1) | 1UL << (SIGTTOU - 1))
#define IGNORED_SIGNALS                                                                            \
    (1UL << (SIGCHLD - 1) | 1UL << (SIGURG - 1) | 1UL << (SIGWINCH - 1) | 1UL << (SIGCONT - 1))

/* What a signal does to a process that has not said otherwise (signal(7)). */
enum default_action { ACTION_END, ACTION_IGNORE, ACTION_STOP };

static enum default_action default_action(int signal)
{
    if (signal_bit(signal) & IGNORED_SIGNALS)
        return ACTION_IGNORE;
    return (signal_bit(signal) & STOP_SIGNALS) ? ACTION_STOP : ACTION_END;
}

static bool is_init(const struct process *process)
{
    return process->parent == NULL;
}

/* Whether the signal would have no effect; process->lock is held. */
static bool is_ignored(const struct process *process, int signal)
{
    uint64_t handler = process->signals.actions[signal - 1].handler;

    if (handler == SIG_IGN)
        return true;
    return handler == SIG_DFL && (default_action(signal) == ACTION_IGNORE || is_init(process));
}

/*
 * Continue or stop a process as far as that happens at the sender's; process->lock is held.
 * Returns whether it was stopped and now goes on.
 */
static bool send_job_control(struct process *process, int signal)
{
    bool was_stopped = false;

    if (signal == SIGCONT || signal == SIGKILL) {
        process->signals.pending &= ~STOP_SIGNALS;
        process->signals.is_stopping = false;
        was_stopped = process->stop_signal != 0;
        if (was_stopped) {
            process->stop_signal = 0;
            wait_wake_all(&process->continued);
        }
    } else if (signal_bit(signal) & STOP_SIGNALS) {
        process->signals.pending &= ~signal_bit(SIGCONT);
    }
    return was_stopped;
}

/* Make the receiver notice: out of its sleep, or out of user mode on another CPU. */
static void attract(struct thread *thread)
{
    sched_interrupt(thread);
    if (thread->on_cpu && thread != thread_self())
        machine_kick(thread->cpu);
}

/* The parent learns that a child stopped or continued; process_tree_lock is held. */
static void tell_parent(struct process *process)
{
    struct process *parent = process->parent;

    if (!(parent->signals.actions[SIGCHLD - 1].flags & SA_NOCLDSTOP))
        signal_send(parent, SIGCHLD);
    wait_wake_all(&parent->child_event);
}

void signal_send(struct process *process, int signal)
{
    struct signal_state *state = &process->signals;
    bool goes_on;

    assert(spin_is_held(&process_tree_lock));
    if (signal == 0 || process->state != PROCESS_ALIVE)
        return;
    spin_lock_nested(&process->lock);
    goes_on = send_job_control(process, signal) && signal == SIGCONT;
    if (!is_ignored(process, signal) || (state->blocked & signal_bit(signal))) {
        state->pending |= signal_bit(signal);
        state->sender = process_self() != NULL ? process_self()->pid : 0;
        if (!(state->blocked & signal_bit(signal)) || (signal_bit(signal) & UNBLOCKABLE))
            attract(process->thread);
    }
    spin_unlock(&process->lock);
    if (goes_on) {
        process->has_continued = true;
        tell_parent(process);
    }
}

int signal_send_group(pid_t group, int signal)
{
    int error = -ESRCH;

    spin_lock(&process_tree_lock);
    list_for_each (&process_list, process, struct process, all_link) {
        if (process->group == group) {
            signal_send(process, signal);
            error = 0;
        }
    }
    spin_unlock(&process_tree_lock);
    return error;
}

/* The signals that may be delivered now. Read without the lock by the thread itself. */
static uint64_t deliverable(const struct signal_state *state)
{
    return __atomic_load_n(&state->pending, __ATOMIC_SEQ_CST) & ~(state->blocked & ~UNBLOCKABLE);
}

bool signal_is_pending(void)
{
    struct process *self = process_self();

    return self != NULL && deliverable(&self->signals) != 0;
}

void signal_exec(struct process *process)
{
    spin_lock(&process->lock);
    for (int i = 0; i < NSIG; i++) {
        struct kernel_sigaction *action = &process->signals.actions[i];

        if (action->handler != SIG_IGN)
            *action = (struct kernel_sigaction){.handler = SIG_DFL};
    }
    process->signals.is_suspended = false;
    spin_unlock(&process->lock);
}

void signal_from_trap(const struct trap *trap)
{
    struct process *self = process_self();
    struct signal_state *state = &self->signals;
    uint64_t bit = signal_bit(trap->signal);

    /* A program cannot go on behind a fault: if it blocks or ignores the signal, it ends. */
    spin_lock(&self->lock);
    if ((state->blocked & bit) || state->actions[trap->signal - 1].handler == SIG_IGN) {
        state->blocked &= ~bit;
        state->actions[trap->signal - 1] = (struct kernel_sigaction){.handler = SIG_DFL};
    }
    state->pending |= bit;
    state->code = trap->code;
    state->address = trap->address;
    spin_unlock(&self->lock);
    if (is_init(self) && state->actions[trap->signal - 1].handler == SIG_DFL)
        panic("init got signal %d at 0x%lx (address 0x%lx)", trap->signal,
              frame_pc(&thread_self()->frame), trap->address);
}

/*
 * Sleep until continued. Not if SIGCONT or SIGKILL came since the signal was taken, nor if the
 * terminal asks for it and nobody could continue the group. process->lock is not held.
 */
static void stop(struct process *self, int signal)
{
    bool stops;

    spin_lock(&process_tree_lock);
    spin_lock_nested(&self->lock);
    stops = self->signals.is_stopping;
    self->signals.is_stopping = false;
    spin_unlock(&self->lock);
    if (stops && (signal == SIGSTOP || !process_group_is_orphaned(self->group))) {
        self->stop_signal = signal;
        self->stop_reported = self->has_continued = false;
        tell_parent(self);
    }
    while (self->stop_signal != 0)
        wait_sleep(&self->continued, &process_tree_lock);
    spin_unlock(&process_tree_lock);
}

/* Take the next signal to act on, with its action; 0 when there is none. */
static int take(struct process *self, struct kernel_sigaction *action)
{
    struct signal_state *state = &self->signals;
    uint64_t ready;
    int signal = 0;

    spin_lock(&self->lock);
    ready = deliverable(state);
    if (ready != 0) {
        /* What ends the process first, then what a fault sent, then by number. */
        uint64_t first = ready & signal_bit(SIGKILL);

        if (first == 0)
            first = ready & (signal_bit(SIGSEGV) | signal_bit(SIGBUS) | signal_bit(SIGFPE) |
                             signal_bit(SIGILL) | signal_bit(SIGTRAP));
        signal = __builtin_ctzl(first != 0 ? first : ready) + 1;
        state->pending &= ~signal_bit(signal);
        *action = state->actions[signal - 1];
        state->is_stopping = (signal_bit(signal) & STOP_SIGNALS) != 0;
        if (action->handler > SIG_IGN && (action->flags & SA_RESETHAND))
            state->actions[signal - 1].handler = SIG_DFL;
    }
    spin_unlock(&self->lock);
    return signal;
}

/* End an interrupted system call, or make it again. */
static void finish_interrupted(bool restart)
{
    struct thread *self = thread_self();
    struct interrupted_call *call = &self->interrupted;

    if (call->number < 0)
        return;
    if (restart) {
        frame_restart_syscall(&self->frame, (uint64_t)call->number);
    } else {
        frame_set_result(&self->frame, -EINTR);
        call->deadline = 0;
    }
    call->number = -1;
}

/* A handler is going to run: what of the system call that it interrupts? */
static bool restarts_with(const struct kernel_sigaction *action)
{
    return (action->flags & SA_RESTART) && !thread_self()->interrupted.unless_handled;
}

/* Memory is needed to go on: false when it is this process that has to go for it. */
static bool make_room(const struct process *self)
{
    oom_kill();
    return !(self->signals.pending & signal_bit(SIGKILL));
}

/* Have the program continue in its handler. */
static void run_handler(struct process *self, int signal, const struct kernel_sigaction *action)
{
    struct signal_state *state = &self->signals;
    struct signal_request request = {
        .signal = signal,
        .code = state->code,
        .address = state->address,
        .sender = state->sender,
        .handler = action->handler,
        .restorer = action->restorer,
        .flags = action->flags,
    };
    int error;

    spin_lock(&self->lock);
    request.saved_mask = state->is_suspended ? state->suspended : state->blocked;
    state->is_suspended = false;
    state->blocked |= action->mask;
    if (!(action->flags & SA_NODEFER))
        state->blocked |= signal_bit(signal);
    state->blocked &= ~UNBLOCKABLE;
    state->code = SI_USER;
    spin_unlock(&self->lock);
    do
        error = user_frame_push_signal(&thread_self()->frame, &request);
    while (error == -ENOMEM && make_room(self));
    if (error == -EFAULT)
        process_exit(SIGSEGV);
}

/* After rt_sigsuspend(2) when no handler ran: the old mask comes back. */
static void end_suspension(struct process *self)
{
    spin_lock(&self->lock);
    if (self->signals.is_suspended) {
        self->signals.blocked = self->signals.suspended;
        self->signals.is_suspended = false;
    }
    spin_unlock(&self->lock);
}

void signal_deliver(void)
{
    struct process *self = process_self();
    struct kernel_sigaction action;
    int signal;

    while ((signal = take(self, &action)) != 0) {
        if (action.handler == SIG_IGN)
            continue;
        if (action.handler != SIG_DFL) {
            finish_interrupted(restarts_with(&action));
            run_handler(self, signal, &action);
            continue;
        }
        if (is_init(self) && signal != SIGKILL)
            continue;
        if (default_action(signal) == ACTION_STOP)
            stop(self, signal);
        else if (default_action(signal) == ACTION_END)
            process_exit(signal);
    }
    finish_interrupted(true);
    end_suspension(self);
}
