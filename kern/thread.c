/*
 * Making and ending threads.
 *
 * Threads that ended are kept with their stacks for the next ones: a stack with its guard page
 * is dear to make, and a thread cannot free the stack that it stands on. The scheduler hands a
 * dead thread to thread_recycle() when another one has taken over its CPU.
 *
 * Locks: threads_lock protects the list of all threads and the list of ended ones.
 */
#include "kern/thread.h"

#include "kern/clock.h"
#include "kern/cpu.h"
#include "kern/machine.h"
#include "kern/mutex.h"
#include "kern/print.h"
#include "kern/process.h"
#include "kern/sanitizer.h"
#include "kern/string.h"
#include "kern/symbols.h"
#include "kern/trace.h"
#include "vm/heap.h"

#define CACHED_THREADS 16

static struct spinlock threads_lock = SPINLOCK_INITIALIZER("threads", LOCK_THREADS);
static struct list all_threads = LIST_INITIALIZER(all_threads);
static struct list ended_threads = LIST_INITIALIZER(ended_threads); /* by run_link */
static unsigned ended_count;
static uint32_t last_number; /* (a) of a thread */

/* The first C function on a new stack; interrupts are off. */
static void thread_main(void *argument)
{
    struct thread *self = argument;

    sched_finish_switch();
    cpu_self()->interrupts_were_on = true;
    interrupts_pop();
    self->start(self->start_argument);
    thread_exit();
}

static struct thread *take_ended(void)
{
    struct thread *thread;

    spin_lock(&threads_lock);
    thread = list_pop(&ended_threads, struct thread, run_link);
    if (thread != NULL)
        __atomic_store_n(&ended_count, ended_count - 1, __ATOMIC_RELAXED);
    spin_unlock(&threads_lock);
    return thread;
}

static void free_thread(struct thread *thread)
{
    machine_stack_destroy(thread->stack);
    kfree(thread);
}

/* Free ended threads but for so many; no lock is held. */
static void trim_ended(unsigned keep)
{
    while (__atomic_load_n(&ended_count, __ATOMIC_RELAXED) > keep) {
        struct thread *thread = take_ended();

        if (thread == NULL)
            return;
        free_thread(thread);
    }
}

static struct thread *allocate(void)
{
    struct thread *thread = take_ended();

    if (thread != NULL)
        return thread;
    thread = kzalloc(sizeof(*thread));
    if (thread == NULL)
        return NULL;
    thread->stack = machine_stack_create();
    if (thread->stack == NULL) {
        kfree(thread);
        return NULL;
    }
    return thread;
}

struct thread *thread_create(const char *name, struct process *process, void (*start)(void *),
                             void *argument)
{
    struct thread *thread;

    trim_ended(CACHED_THREADS);
    thread = allocate();
    if (thread == NULL)
        return NULL;
    thread->state = THREAD_SLEEPING;
    thread->process = process;
    thread->start = start;
    thread->start_argument = argument;
    thread->run_time = thread->woken_at = thread->syscall_began = 0;
    thread->number = __atomic_add_fetch(&last_number, 1, __ATOMIC_RELAXED);
    thread->waiting_for = NULL;
    thread->wanted_mutex = NULL;
    thread->gives_way = false;
    thread->schedule_points[0] = thread->schedule_points[1] = 0;
    thread->schedule_priority = 0;
    thread->interrupted = (struct interrupted_call){.number = -1};
    thread->tid = 0;
    thread->must_end = false;
    thread->signals = (struct thread_signals){0};
    thread->clear_child_tid = thread->robust_list = 0;
    list_node_init(&thread->process_link);
#ifdef DEBUG
    thread->history.begun = thread->history.ended = 0;
#endif
    string_copy(thread->name, name, sizeof(thread->name));
    list_node_init(&thread->run_link);
    sanitizer_unpoison(thread->stack, KERNEL_STACK_SIZE); /* the frames that the last thread left */
    context_init(&thread->context, thread->stack, thread_main, thread);
    spin_lock(&threads_lock);
    list_push_back(&all_threads, &thread->all_link);
    spin_unlock(&threads_lock);
    return thread;
}

void thread_recycle(struct thread *thread)
{
    user_frame_release(&thread->frame);
    spin_lock(&threads_lock);
    list_remove(&thread->all_link);
    list_push_back(&ended_threads, &thread->run_link);
    __atomic_store_n(&ended_count, ended_count + 1, __ATOMIC_RELAXED);
    spin_unlock(&threads_lock);
}

void thread_discard(struct thread *thread)
{
    thread_recycle(thread);
}

void thread_free_ended(void)
{
    trim_ended(0);
}

uint32_t thread_last_number(void)
{
    return __atomic_load_n(&last_number, __ATOMIC_RELAXED);
}

unsigned thread_count_after(uint32_t number)
{
    unsigned count = 0;

    spin_lock(&threads_lock);
    list_for_each (&all_threads, thread, struct thread, all_link)
        count += thread->number > number;
    spin_unlock(&threads_lock);
    return count;
}

void thread_exit(void)
{
    struct thread *self = thread_self();

    interrupts_push();
#ifdef DEBUG
    if (self->held != NULL)
        panic("thread '%s' ends holding mutex '%s'", self->name, self->held->name);
#endif
    trace_thread_end(self);
    self->process = NULL;
    self->state = THREAD_DEAD;
    sched_switch();
    panic("a dead thread was continued");
}

void thread_start_kernel(const char *name, void (*start)(void *), void *argument)
{
    struct thread *thread = thread_create(name, NULL, start, argument);

    if (thread == NULL)
        panic("no memory for kernel thread '%s'", name);
    sched_make_runnable(thread);
}

void thread_for_each(void (*visit)(struct thread *thread, void *argument), void *argument)
{
    unsigned count = 0;

    list_for_each (&all_threads, thread, struct thread, all_link) {
        if (++count > last_number)
            return; /* the list is broken */
        visit(thread, argument);
    }
}

/* How many of the threads that do not run are shown, those that hold a mutex first. */
#define THREADS_SHOWN 24

struct thread_report {
    bool holders; /* of a mutex, or the others */
    unsigned shown, left_out;
};

static bool holds_mutex(const struct thread *thread)
{
#ifdef DEBUG
    return thread->held != NULL;
#else
    (void)thread;
    return false;
#endif
}

/* An idle thread that does not run has nothing to tell. */
static bool is_idle(const struct thread *thread)
{
    return thread->cpu != NULL && thread->cpu->idle == thread;
}

static void print_thread(struct thread *thread, void *argument)
{
    static const char *const states[] = {"runnable", "sleeping", "sleeping", "dead"};
    struct thread_report *report = argument;
    vaddr_t low = (vaddr_t)thread->stack;

    if (thread->on_cpu || is_idle(thread) || thread->state == THREAD_DEAD ||
        holds_mutex(thread) != report->holders)
        return;
    if (report->shown == THREADS_SHOWN) {
        report->left_out++;
        return;
    }
    report->shown++;
    kprintf("thread %u '%s'", thread->number, thread->name);
    if (thread->process != NULL)
        kprintf(", process %d", thread->process->pid);
    kprintf(": %s", states[thread->state]);
    if (thread->waiting_for != NULL)
        kprintf(" on '%s'", thread->waiting_for);
    kprintf("\n");
    backtrace_print(0, context_frame_pointer(&thread->context), low, low + KERNEL_STACK_SIZE);
}

void thread_print_all(void)
{
    struct thread_report report = {.holders = true};

    thread_for_each(print_thread, &report);
    report.holders = false;
    thread_for_each(print_thread, &report);
    if (report.left_out > 0)
        kprintf("and %u more threads\n", report.left_out);
}
