/*
 * The threads of a process: how they join it, leave it, and are made to leave.
 *
 *      clone(CLONE_THREAD)                     process_leave()
 *      ------ thread_group_join() ---> listed ----------------> gone; the last one ends the process
 *
 * The process's pid is the thread id of its leader: its first thread, and after an exec the one
 * that called it. The leader may leave before the others: nothing but the id is special about it.
 *
 * No thread can end another one. It sets must_end and attracts it, and the other one leaves on
 * its way back to user mode, before which no sleep that can be interrupted keeps it. That is how
 * exit_group(2) and fatal signals end a process, and how exec(2) gets rid of the other threads.
 *
 * A thread leaves by one step under process_tree_lock: it is off the list, its process is NULL
 * and no page table of the process is active any more. After that the process may be gone.
 *
 * Locks: process_tree_lock, then process->lock, both to change the list.
 */
#include "kern/abi/errno.h"
#include "kern/cpu.h"
#include "kern/futex.h"
#include "kern/machine.h"
#include "kern/print.h"
#include "kern/process.h"
#include "kern/thread.h"

nsec_t thread_cpu_time(const struct thread *thread)
{
    nsec_t since = 0;

    /* It may be switched meanwhile: then the time is that of a moment ago. */
    if (__atomic_load_n(&thread->on_cpu, __ATOMIC_ACQUIRE))
        since = machine_clock() - __atomic_load_n(&thread->ran_since, __ATOMIC_RELAXED);
    return __atomic_load_n(&thread->run_time, __ATOMIC_RELAXED) + since;
}

nsec_t process_cpu_time(struct process *process)
{
    nsec_t time = process->ended_time;

    assert(spin_is_held(&process_tree_lock));
    list_for_each (&process->threads, thread, struct thread, process_link)
        time += thread_cpu_time(thread);
    return time;
}

struct thread *thread_group_find(pid_t tid)
{
    assert(spin_is_held(&process_tree_lock));
    list_for_each (&process_list, process, struct process, all_link) {
        list_for_each (&process->threads, thread, struct thread, process_link) {
            if (thread->tid == tid)
                return thread;
        }
    }
    return NULL;
}

/* --- Joining -------------------------------------------------------------------------------- */

void thread_group_add(struct process *process, struct thread *thread, pid_t tid)
{
    thread->tid = tid;
    spin_lock(&process->lock);
    list_push_back(&process->threads, &thread->process_link);
    __atomic_store_n(&process->thread_count, process->thread_count + 1, __ATOMIC_RELAXED);
    spin_unlock(&process->lock);
}

int thread_group_join(struct thread *thread)
{
    pid_t tid;
    int error = 0;

    spin_lock(&process_tree_lock);
    if (thread_self()->must_end)
        error = -EINTR;
    else if ((tid = process_allocate_id()) == 0)
        error = -EAGAIN;
    else
        thread_group_add(process_self(), thread, tid);
    spin_unlock(&process_tree_lock);
    return error;
}

/* --- Ending others -------------------------------------------------------------------------- */

/* Ask all threads but one (NULL: all) to end; process_tree_lock is held. */
static void end_all_but(struct process *process, const struct thread *spared)
{
    list_for_each (&process->threads, thread, struct thread, process_link) {
        if (thread == spared)
            continue;
        __atomic_store_n(&thread->must_end, true, __ATOMIC_SEQ_CST);
        signal_attract(thread);
    }
    wait_wake_all(&process->continued);   /* those that are stopped */
    wait_wake_all(&process->child_event); /* those that wait for a vfork */
}

void process_end(struct process *process, int status)
{
    assert(spin_is_held(&process_tree_lock));
    if (process->is_ending)
        return;
    process->is_ending = true;
    process->status = status;
    __atomic_store_n(&process->stop_signal, 0, __ATOMIC_SEQ_CST);
    end_all_but(process, NULL);
}

int thread_group_end_others(void)
{
    struct thread *self = thread_self();
    struct process *process = self->process;
    int error = 0;

    spin_lock(&process_tree_lock);
    if (!self->must_end)
        end_all_but(process, self);
    while (!self->must_end && process->thread_count > 1)
        wait_sleep(&process->thread_left, &process_tree_lock);
    if (self->must_end)
        error = -EINTR;
    else if (self->tid != process->pid) {
        self->tid = process->pid;
        process_release_id();
    }
    spin_unlock(&process_tree_lock);
    return error;
}

/* --- Leaving -------------------------------------------------------------------------------- */

void process_exit(int status)
{
    spin_lock(&process_tree_lock);
    process_end(process_self(), status);
    spin_unlock(&process_tree_lock);
    process_leave(status);
}

/* Take the current thread off the list; process_tree_lock is held. */
static void unlist(struct process *process, struct thread *self)
{
    if (self->tid != process->pid)
        process_release_id();
    spin_lock(&process->lock);
    list_remove(&self->process_link);
    __atomic_store_n(&process->thread_count, process->thread_count - 1, __ATOMIC_RELAXED);
    signal_hand_on(process, self);
    spin_unlock(&process->lock);
    process->ended_time += thread_cpu_time(self);
}

void process_leave(int status)
{
    struct thread *self = thread_self();
    struct process *process = self->process;

    futex_leave_program();
    spin_lock(&process_tree_lock);
    unlist(process, self);
    if (process->thread_count == 0) {
        if (!process->is_ending)
            process->status = status;
        process->is_ending = true;
        __atomic_store_n(&process->stop_signal, 0, __ATOMIC_SEQ_CST);
        spin_unlock(&process_tree_lock);
        process_become_zombie();
    }
    signal_stop_check(process);
    wait_wake_all(&process->thread_left);
    self->process = NULL;
    machine_pmap_activate(NULL);
    spin_unlock(&process_tree_lock);
    thread_exit();
}
