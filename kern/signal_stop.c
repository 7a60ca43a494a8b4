/*
 * Stopping and continuing processes, as job control wants it.
 *
 * A stop takes three steps. A thread takes a signal whose default action is to stop, and marks
 * itself as is_stopping. If SIGCONT does not call that off, it orders the process to stop:
 * stop_signal is set and all other threads are attracted. Each thread that finds the order on its
 * way to user mode sleeps; when the last one does, the process is stopped and its parent told.
 *
 * SIGCONT and the end of the process clear the order at the sender's, and wake everybody.
 *
 * Locks: process_tree_lock protects stop_signal and stopped_count; signal_is_pending() looks
 * at stop_signal without it.
 */
#include "kern/abi/signal.h"
#include "kern/print.h"
#include "kern/process.h"
#include "kern/signal.h"
#include "kern/thread.h"

bool process_is_stopped(const struct process *process)
{
    return process->stop_signal != 0 && process->stopped_count == process->thread_count;
}

/* The parent learns that a child stopped or continued. */
static void tell_parent(struct process *process)
{
    struct process *parent = process->parent;

    if (!(parent->signals.actions[SIGCHLD - 1].flags & SA_NOCLDSTOP))
        signal_send(parent, SIGCHLD);
    wait_wake_all(&parent->child_event);
}

void signal_forget(struct process *process, uint64_t mask)
{
    __atomic_fetch_and(&process->signals.pending, ~mask, __ATOMIC_SEQ_CST);
    list_for_each (&process->threads, thread, struct thread, process_link) {
        __atomic_fetch_and(&thread->signals.pending, ~mask, __ATOMIC_SEQ_CST);
        __atomic_fetch_and(&thread->signals.assigned, ~mask, __ATOMIC_SEQ_CST);
        if (mask & STOP_SIGNALS)
            thread->signals.is_stopping = false;
    }
}

bool signal_stop_note_sent(struct process *process, int signal)
{
    bool was_stopped = process_is_stopped(process);

    if (signal_bit(signal) & STOP_SIGNALS)
        signal_forget(process, signal_bit(SIGCONT));
    if (signal != SIGCONT)
        return false;
    signal_forget(process, STOP_SIGNALS);
    __atomic_store_n(&process->stop_signal, 0, __ATOMIC_SEQ_CST);
    wait_wake_all(&process->continued);
    return was_stopped;
}

void signal_stop_continued(struct process *process)
{
    process->has_continued = true;
    tell_parent(process);
}

void signal_stop_check(struct process *process)
{
    if (process_is_stopped(process)) {
        process->stop_reported = process->has_continued = false;
        tell_parent(process);
    }
}

/* Not if SIGCONT came since the signal was taken, nor if the terminal asks for it and nobody
 * could continue the group. */
void signal_stop_begin(int signal)
{
    struct thread *self = thread_self();
    struct process *process = self->process;
    bool stops;

    spin_lock(&process_tree_lock);
    spin_lock(&process->lock);
    stops = self->signals.is_stopping && !process->is_ending && process->stop_signal == 0;
    self->signals.is_stopping = false;
    spin_unlock(&process->lock);
    if (stops && (signal == SIGSTOP || !process_group_is_orphaned(process->group))) {
        __atomic_store_n(&process->stop_signal, signal, __ATOMIC_SEQ_CST);
        list_for_each (&process->threads, thread, struct thread, process_link)
            signal_attract(thread);
    }
    spin_unlock(&process_tree_lock);
}

void signal_stop_sleep(void)
{
    struct thread *self = thread_self();
    struct process *process = self->process;

    spin_lock(&process_tree_lock);
    if (process->stop_signal != 0 && !self->must_end) {
        process->stopped_count++;
        signal_stop_check(process);
        while (process->stop_signal != 0 && !self->must_end)
            wait_sleep(&process->continued, &process_tree_lock);
        process->stopped_count--;
    }
    spin_unlock(&process_tree_lock);
}
