/*
 * Signals.
 *
 * A signal that is sent becomes a bit that waits for the receiver, a thread, which acts on it on
 * its way back to user mode (signal_deliver()): it ends the process, stops it, ignores the signal,
 * or runs a handler on its user stack. Sending wakes an interruptible sleep and, when the receiver
 * computes on another CPU, kicks that CPU, so that the way back comes soon.
 *
 *      tkill(2), a fault -------------------------> thread->signals.pending
 *      kill(2) --- to a thread that does not
 *              \   block the signal --------------> thread->signals.assigned
 *               \- when all block it ------------> process->signals.pending, where the first
 *                                                  thread that unblocks it finds it
 *
 * A thread that blocks what it was assigned, or ends, hands it on to another one. SIGKILL
 * never waits: it ends the process at once, as far as the sender can (kern/thread_group.c).
 *
 * What init has no handler for is not delivered to it: nothing may end process 1.
 *
 * Locks: process->lock protects the signal state of the process and its threads. Senders also hold
 * process_tree_lock, which keeps the receiver in existence.
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

/* What may be a fault of the program's: taken before the others. */
#define FAULT_SIGNALS                                                                              \
    (1UL << (SIGSEGV - 1) | 1UL << (SIGBUS - 1) | 1UL << (SIGFPE - 1) | 1UL << (SIGILL - 1) |      \
     1UL << (SIGTRAP - 1))
#define IGNORED_SIGNALS                                                                            \
    (1UL << (SIGCHLD - 1) | 1UL << (SIGURG - 1) | 1UL << (SIGWINCH - 1) | 1UL << (SIGCONT - 1))

_Static_assert(SIGNAL_COUNT == NSIG, "one number");

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

/* --- Sending -------------------------------------------------------------------------------- */

void signal_attract(struct thread *thread)
{
    sched_interrupt(thread);
    if (__atomic_load_n(&thread->on_cpu, __ATOMIC_ACQUIRE) && thread != thread_self())
        machine_kick(__atomic_load_n(&thread->cpu, __ATOMIC_RELAXED));
}

static struct signal_source source_of_sender(int code)
{
    const struct process *sender = process_self();

    return (struct signal_source){.code = code, .sender = sender != NULL ? sender->pid : 0};
}

/* The thread that is to act on a signal sent to its process: the first that does not block it. */
static struct thread *find_receiver(struct process *process, uint64_t bit)
{
    list_for_each (&process->threads, thread, struct thread, process_link) {
        if (!(thread->signals.blocked & bit))
            return thread;
    }
    return NULL;
}

static bool is_assigned(struct process *process, uint64_t bit)
{
    list_for_each (&process->threads, thread, struct thread, process_link) {
        if (thread->signals.assigned & bit)
            return true;
    }
    return false;
}

/* Let the signal of `bit` wait for `receiver`, NULL: for whoever unblocks it. */
static void assign(struct process *process, struct thread *receiver, uint64_t bit)
{
    if (receiver == NULL) {
        __atomic_fetch_or(&process->signals.pending, bit, __ATOMIC_SEQ_CST);
    } else if (!is_assigned(process, bit)) {
        __atomic_fetch_or(&receiver->signals.assigned, bit, __ATOMIC_SEQ_CST);
        signal_attract(receiver);
    }
}

static void send_to_process(struct process *process, int signal)
{
    struct thread *receiver = find_receiver(process, signal_bit(signal));

    if (receiver != NULL && is_ignored(process, signal))
        return;
    process->signals.sources[signal - 1] = source_of_sender(SI_USER);
    assign(process, receiver, signal_bit(signal));
}

static void send_to_thread(struct thread *thread, int signal, int code)
{
    uint64_t bit = signal_bit(signal);
    bool is_blocked = (thread->signals.blocked & bit) != 0;

    if (!is_blocked && is_ignored(thread->process, signal))
        return;
    thread->signals.sources[signal - 1] = source_of_sender(code);
    __atomic_fetch_or(&thread->signals.pending, bit, __ATOMIC_SEQ_CST);
    if (!is_blocked)
        signal_attract(thread);
}

/* To `thread` of the process, or to whichever (NULL). */
static void send(struct process *process, struct thread *thread, int signal, int code)
{
    bool goes_on;

    assert(spin_is_held(&process_tree_lock));
    if (signal == 0 || process->state != PROCESS_ALIVE)
        return;
    if (signal == SIGKILL) {
        if (!is_init(process))
            process_end(process, SIGKILL);
        return;
    }
    spin_lock_nested(&process->lock);
    goes_on = signal_stop_note_sent(process, signal);
    if (thread != NULL)
        send_to_thread(thread, signal, code);
    else
        send_to_process(process, signal);
    spin_unlock(&process->lock);
    if (goes_on)
        signal_stop_continued(process);
}

void signal_send(struct process *process, int signal)
{
    send(process, NULL, signal, SI_USER);
}

void signal_send_thread(struct thread *thread, int signal, int code)
{
    send(thread->process, thread, signal, code);
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

/* Find others for what is assigned to `thread`, of the signals in `mask`. */
static void hand_on(struct process *process, struct thread *thread, uint64_t mask)
{
    mask &= thread->signals.assigned;
    __atomic_fetch_and(&thread->signals.assigned, ~mask, __ATOMIC_SEQ_CST);
    for (; mask != 0; mask &= mask - 1) {
        uint64_t bit = mask & -mask;

        assign(process, find_receiver(process, bit), bit);
    }
}

void signal_hand_on(struct process *process, struct thread *thread)
{
    thread->signals.blocked = ~0UL;
    hand_on(process, thread, ~0UL);
}

/* --- The receiver's side -------------------------------------------------------------------- */

/* Change the mask; process->lock is held. */
static void set_mask(struct thread *self, uint64_t mask)
{
    self->signals.blocked = mask & ~UNBLOCKABLE;
    hand_on(self->process, self, self->signals.blocked);
}

void signal_set_mask(uint64_t mask)
{
    struct thread *self = thread_self();

    spin_lock(&self->process->lock);
    set_mask(self, mask);
    spin_unlock(&self->process->lock);
}

/* What the current thread may act on: sent to it, and sent to its process. Needs no lock. */
static uint64_t deliverable_own(const struct thread *self)
{
    return __atomic_load_n(&self->signals.pending, __ATOMIC_SEQ_CST) & ~self->signals.blocked;
}

static uint64_t deliverable_common(const struct thread *self)
{
    return __atomic_load_n(&self->signals.assigned, __ATOMIC_SEQ_CST) |
           (__atomic_load_n(&self->process->signals.pending, __ATOMIC_SEQ_CST) &
            ~self->signals.blocked);
}

bool signal_is_pending(void)
{
    const struct thread *self = thread_self();

    if (self->process == NULL)
        return false;
    return __atomic_load_n(&self->must_end, __ATOMIC_SEQ_CST) ||
           __atomic_load_n(&self->process->stop_signal, __ATOMIC_SEQ_CST) != 0 ||
           (deliverable_own(self) | deliverable_common(self)) != 0;
}

void signal_exec(void)
{
    struct thread *self = thread_self();
    struct process *process = self->process;

    spin_lock(&process->lock);
    for (int i = 0; i < NSIG; i++) {
        struct kernel_sigaction *action = &process->signals.actions[i];

        if (action->handler != SIG_IGN)
            *action = (struct kernel_sigaction){.handler = SIG_DFL};
    }
    self->signals.is_suspended = false;
    self->signals.stack = self->signals.stack_size = 0;
    spin_unlock(&process->lock);
}

void signal_from_trap(const struct trap *trap)
{
    struct thread *self = thread_self();
    struct process *process = self->process;
    struct kernel_sigaction *action = &process->signals.actions[trap->signal - 1];
    uint64_t bit = signal_bit(trap->signal);

    /* A program cannot go on behind a fault: if it blocks or ignores the signal, it ends. */
    spin_lock(&process->lock);
    if ((self->signals.blocked & bit) || action->handler == SIG_IGN) {
        self->signals.blocked &= ~bit;
        *action = (struct kernel_sigaction){.handler = SIG_DFL};
    }
    __atomic_fetch_or(&self->signals.pending, bit, __ATOMIC_SEQ_CST);
    self->signals.sources[trap->signal - 1] =
        (struct signal_source){.code = trap->code, .address = trap->address};
    spin_unlock(&process->lock);
    if (is_init(process) && action->handler == SIG_DFL)
        panic("init got signal %d at 0x%lx (address 0x%lx)", trap->signal, frame_pc(&self->frame),
              trap->address);
}

/* Take the next signal to act on, with its source and its action; 0 when there is none. */
static int take(struct thread *self, struct signal_source *source, struct kernel_sigaction *action)
{
    struct signal_state *common = &self->process->signals;
    struct thread_signals *own = &self->signals;
    uint64_t ready, bit;
    bool is_own;
    int signal = 0;

    spin_lock(&self->process->lock);
    ready = deliverable_own(self);
    is_own = ready != 0;
    if (!is_own)
        ready = deliverable_common(self);
    if (ready & FAULT_SIGNALS)
        ready &= FAULT_SIGNALS;
    if (ready != 0) {
        signal = __builtin_ctzl(ready) + 1;
        bit = signal_bit(signal);
        *source = is_own ? own->sources[signal - 1] : common->sources[signal - 1];
        if (is_own)
            __atomic_fetch_and(&own->pending, ~bit, __ATOMIC_SEQ_CST);
        else if (own->assigned & bit)
            __atomic_fetch_and(&own->assigned, ~bit, __ATOMIC_SEQ_CST);
        else
            __atomic_fetch_and(&common->pending, ~bit, __ATOMIC_SEQ_CST);
        *action = common->actions[signal - 1];
        own->is_stopping = (bit & STOP_SIGNALS) != 0;
        if (action->handler > SIG_IGN && (action->flags & SA_RESETHAND))
            common->actions[signal - 1].handler = SIG_DFL;
    }
    spin_unlock(&self->process->lock);
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

bool signal_is_on_stack(void)
{
    const struct thread *self = thread_self();
    uaddr_t sp = frame_stack(&self->frame);

    return sp > self->signals.stack && sp - self->signals.stack <= self->signals.stack_size;
}

int signal_set_stack(uaddr_t stack, size_t size)
{
    struct thread *self = thread_self();

    if (signal_is_on_stack())
        return -EPERM;
    if (size != 0 && size < MINSIGSTKSZ)
        return -ENOMEM;
    self->signals.stack = stack;
    self->signals.stack_size = size;
    return 0;
}

/* Where the handler is to run. */
static void choose_stack(const struct thread_signals *state, struct signal_request *request)
{
    bool is_on = signal_is_on_stack();

    request->saved.stack = state->stack;
    request->saved.stack_size = state->stack_size;
    if ((request->flags & SA_ONSTACK) && state->stack_size != 0 && !is_on)
        request->top = state->stack + state->stack_size;
    if (is_on || request->top != 0)
        request->bottom = state->stack;
}

/* Have the program continue in its handler. */
static void run_handler(struct thread *self, int signal, const struct signal_source *source,
                        const struct kernel_sigaction *action)
{
    struct thread_signals *state = &self->signals;
    struct signal_request request = {
        .signal = signal,
        .code = source->code,
        .address = source->address,
        .sender = source->sender,
        .handler = action->handler,
        .restorer = action->restorer,
        .flags = action->flags,
    };
    uint64_t mask;
    int error;

    choose_stack(state, &request);
    self->interrupted.deadline = 0; /* the handler's calls are others */
    spin_lock(&self->process->lock);
    request.saved.mask = state->is_suspended ? state->suspended : state->blocked;
    state->is_suspended = false;
    mask = state->blocked | action->mask;
    if (!(action->flags & SA_NODEFER))
        mask |= signal_bit(signal);
    set_mask(self, mask);
    spin_unlock(&self->process->lock);
    while ((error = user_frame_push_signal(&self->frame, &request)) == -ENOMEM && !self->must_end)
        oom_kill(); /* go on when there is room, or to the end if it is this process's */
    if (error == -EFAULT)
        process_exit(SIGSEGV);
}

/* After rt_sigsuspend(2) when no handler ran: the old mask comes back. */
static void end_suspension(struct thread *self)
{
    spin_lock(&self->process->lock);
    if (self->signals.is_suspended) {
        self->signals.is_suspended = false;
        set_mask(self, self->signals.suspended);
    }
    spin_unlock(&self->process->lock);
}

/* Act on one signal. */
static void deliver(struct thread *self, int signal, const struct signal_source *source,
                    const struct kernel_sigaction *action)
{
    if (action->handler == SIG_IGN)
        return;
    if (action->handler != SIG_DFL) {
        finish_interrupted(restarts_with(action));
        run_handler(self, signal, source, action);
        return;
    }
    if (is_init(self->process))
        return;
    if (default_action(signal) == ACTION_STOP)
        signal_stop_begin(signal);
    else if (default_action(signal) == ACTION_END)
        process_exit(signal);
}

void signal_deliver(void)
{
    struct thread *self = thread_self();
    struct kernel_sigaction action;
    struct signal_source source;
    int signal;

    for (;;) {
        if (self->must_end)
            process_leave(0);
        if (self->process->stop_signal != 0)
            signal_stop_sleep();
        else if ((signal = take(self, &source, &action)) != 0)
            deliver(self, signal, &source, &action);
        else
            break;
    }
    finish_interrupted(true);
    end_suspension(self);
}
