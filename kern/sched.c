/*
 * The scheduler: a run queue for each CPU, round robin, with stealing.
 *
 * A thread that becomes runnable is queued on the CPU that woke it: what woke it is in that
 * CPU's caches, and the waker often sleeps next (a pipe, a parent that waits), so that the
 * thread runs there at once. If the CPU goes on with something else for BALANCE_DELAY while
 * another CPU is idle, the idle one is kicked to take the thread over. A CPU that has nothing
 * to run first looks through the others' queues. While others wait, a thread runs for SLICE.
 *
 * Switching. A thread that gives up its CPU takes the run queue's lock, chooses, and switches;
 * the thread that continues releases the lock (sched_finish_switch()). So a queue is locked
 * from the choice until the old thread's registers are saved, and `on_cpu`, cleared then, tells
 * other CPUs that its stack is free: a thread with on_cpu set may be queued (it was woken while
 * falling asleep) but only on its own CPU, and is never stolen.
 *
 *      falls asleep:  state = SLEEPING    ...   lock queue, switch, on_cpu = false, unlock
 *      is woken:      state: SLEEPING -> RUNNING, lock queue, push, unlock
 *
 * Locks: one run queue at a time. Idle CPUs are found without a lock: a CPU sets is_idle before
 * it looks at the queues a last time, a waker queues before it looks for idle CPUs.
 */
#include "kern/sched.h"

#include "kern/clock.h"
#include "kern/cpu.h"
#include "kern/machine.h"
#include "kern/print.h"
#include "kern/process.h"
#include "kern/schedule_point.h"
#include "kern/thread.h"
#include "kern/trace.h"
#include "vm/map.h"

#define SLICE         (10 * NSEC_PER_MSEC)
#define BALANCE_DELAY (100 * NSEC_PER_USEC)

struct cpu cpus[MAX_CPUS];

struct thread *thread_self(void)
{
    bool were_on = interrupts_disable();
    struct thread *self = cpu_self()->current;

    interrupts_restore(were_on);
    return self;
}

void sched_init_cpu(struct cpu *cpu)
{
    spin_init(&cpu->queue.lock, "run queue", LOCK_RUN_QUEUE);
    list_init(&cpu->queue.threads);
    cpu->queue.slice_end = NSEC_NEVER;
    cpu->queue.balance_at = NSEC_NEVER;
}

static struct cpu *find_idle_cpu(void)
{
    for (unsigned id = 0; id < machine_cpu_count(); id++) {
        if (__atomic_load_n(&cpus[id].is_idle, __ATOMIC_SEQ_CST))
            return &cpus[id];
    }
    return NULL;
}

/* Take an idle CPU out of its sleep, so that it looks at the queues. */
static void kick_idle_cpu(void)
{
    struct cpu *idle = find_idle_cpu();

    if (idle != NULL && __atomic_exchange_n(&idle->is_idle, false, __ATOMIC_SEQ_CST)) {
        trace(TRACE_KICK, 0, idle->id, 0, 0);
        machine_kick(idle);
    }
}

static void set_deadline(struct run_queue *queue)
{
    clock_set_sched_deadline(min(queue->slice_end, queue->balance_at));
}

/* Threads wait behind the running one: bound how long. The queue of this CPU is locked. */
static void limit_running(struct run_queue *queue)
{
    nsec_t now = machine_clock();

    if (queue->slice_end == NSEC_NEVER)
        queue->slice_end = now + SLICE;
    if (queue->balance_at == NSEC_NEVER && find_idle_cpu() != NULL)
        queue->balance_at = now + BALANCE_DELAY;
    set_deadline(queue);
}

static void push(struct run_queue *queue, struct thread *thread)
{
    list_push_back(&queue->threads, &thread->run_link);
    __atomic_store_n(&queue->length, queue->length + 1, __ATOMIC_RELAXED);
}

static bool is_on_cpu(const struct thread *thread)
{
    return __atomic_load_n(&thread->on_cpu, __ATOMIC_ACQUIRE);
}

/* The CPU whose queue a woken thread goes to. Interrupts are off. */
static struct cpu *choose_cpu(struct thread *thread)
{
    if (is_on_cpu(thread))
        return __atomic_load_n(&thread->cpu, __ATOMIC_RELAXED);
    return cpu_self();
}

static void enqueue(struct thread *thread)
{
    struct cpu *cpu;

    interrupts_push();
    trace_wake(thread);
    cpu = choose_cpu(thread);
    spin_lock(&cpu->queue.lock);
    push(&cpu->queue, thread);
    if (cpu == cpu_self()) {
        if (cpu->current == cpu->idle)
            cpu->need_resched = true;
        else
            limit_running(&cpu->queue);
    }
    spin_unlock(&cpu->queue.lock);
    interrupts_pop();
}

/* Leave the state `from`, if that is what the thread is in; whoever does must enqueue it. */
static bool leave_sleep(struct thread *thread, enum thread_state from)
{
    return __atomic_compare_exchange_n(&thread->state, &from, THREAD_RUNNING, false,
                                       __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}

void sched_make_runnable(struct thread *thread)
{
    if (leave_sleep(thread, THREAD_SLEEPING) || leave_sleep(thread, THREAD_SLEEPING_INTERRUPTIBLE))
        enqueue(thread);
}

void sched_interrupt(struct thread *thread)
{
    if (leave_sleep(thread, THREAD_SLEEPING_INTERRUPTIBLE))
        enqueue(thread);
}

/* The first thread of a queue that may run on `cpu`, taken off; NULL when there is none. In a
 * controlled run it may be another than the first. */
static struct thread *take(struct cpu *cpu, struct run_queue *queue)
{
    struct thread *candidates[SCHEDULE_THREADS_MAX], *chosen;
    unsigned count = 0;

    assert((queue->length == 0) == list_is_empty(&queue->threads));
    list_for_each (&queue->threads, thread, struct thread, run_link) {
        if (is_on_cpu(thread) && __atomic_load_n(&thread->cpu, __ATOMIC_RELAXED) != cpu)
            continue;
        candidates[count++] = thread;
        if (!schedule_is_controlled || count == SCHEDULE_THREADS_MAX)
            break;
    }
    if (count == 0)
        return NULL;
    chosen = candidates[schedule_choose_thread(candidates, count)];
    list_remove(&chosen->run_link);
    __atomic_store_n(&queue->length, queue->length - 1, __ATOMIC_RELAXED);
    return chosen;
}

static void activate_pmap(struct thread *thread)
{
    bool has_map = thread->process != NULL && thread->process->map != NULL;

    machine_pmap_activate(has_map ? &thread->process->map->pmap : NULL);
}

/* Continue `next` on this CPU, whose queue is locked. Returns when `self` is continued. */
static void switch_to(struct cpu *cpu, struct thread *self, struct thread *next)
{
    bool were_on = cpu->interrupts_were_on;
    nsec_t now = machine_clock();

    assert(!is_on_cpu(next)); /* one CPU at a time runs it */
    __atomic_store_n(&self->run_time, self->run_time + now - self->ran_since, __ATOMIC_RELAXED);
    __atomic_store_n(&next->ran_since, now, __ATOMIC_RELAXED);
    __atomic_store_n(&next->cpu, cpu, __ATOMIC_RELAXED);
    __atomic_store_n(&next->on_cpu, true, __ATOMIC_RELEASE); /* who sees it sees on which CPU */
    cpu->current = next;
    cpu->previous = self;
    trace_switch(self, next, self->ran_since, now);
    cpu->queue.slice_end = cpu->queue.length > 0 ? now + SLICE : NSEC_NEVER;
    if (cpu->queue.length > 0)
        set_deadline(&cpu->queue);
    activate_pmap(next);
    context_switch(&self->context, &next->context);
    sched_finish_switch();
    cpu_self()->interrupts_were_on = were_on;
}

void sched_finish_switch(void)
{
    struct cpu *cpu = cpu_self();
    struct thread *previous = cpu->previous;
    bool is_dead = __atomic_load_n(&previous->state, __ATOMIC_RELAXED) == THREAD_DEAD;

    __atomic_store_n(&previous->on_cpu, false, __ATOMIC_RELEASE);
    spin_unlock(&cpu->queue.lock);
    if (is_dead)
        thread_recycle(previous);
}

/* Choose who runs next on this CPU and switch to it; releases the queue's lock. */
static void choose_and_switch(struct cpu *cpu)
{
    struct thread *self = cpu->current, *next;

    cpu->need_resched = false;
    next = take(cpu, &cpu->queue);
    if (next == NULL)
        next = cpu->idle;
    if (next == self)
        spin_unlock(&cpu->queue.lock);
    else
        switch_to(cpu, self, next);
}

void sched_switch(void)
{
    struct cpu *cpu = cpu_self();

    assert(cpu->interrupts_off == 1);
    spin_lock(&cpu->queue.lock);
    choose_and_switch(cpu);
}

void sched_give_way(void)
{
    struct thread *self;
    struct cpu *cpu;

    interrupts_push();
    cpu = cpu_self();
    self = cpu->current;
    self->gives_way = true;
    spin_lock(&cpu->queue.lock);
    if (self != cpu->idle) {
        /* Who is about to sleep has interrupts off. */
        assert(__atomic_load_n(&self->state, __ATOMIC_RELAXED) == THREAD_RUNNING);
        push(&cpu->queue, self);
    }
    choose_and_switch(cpu);
    self->gives_way = false;
    interrupts_pop();
}

void sched_check(void)
{
    if (__atomic_load_n(&cpu_self()->need_resched, __ATOMIC_RELAXED))
        sched_give_way();
}

void interrupt_return(void)
{
    struct cpu *cpu = cpu_self();

    /* The idle thread looks for itself as soon as machine_idle() returns. */
    if (cpu->need_resched && cpu->current != cpu->idle)
        sched_give_way();
}

void sched_timer(void)
{
    struct cpu *cpu = cpu_self();
    struct run_queue *queue = &cpu->queue;
    nsec_t now = machine_clock();
    bool should_balance = false;

    spin_lock(&queue->lock);
    if (queue->length == 0) {
        queue->slice_end = queue->balance_at = NSEC_NEVER;
    } else {
        if (now >= queue->slice_end) {
            cpu->need_resched = true;
            queue->slice_end = now + SLICE;
        }
        if (now >= queue->balance_at) {
            should_balance = true;
            queue->balance_at = NSEC_NEVER;
        }
        set_deadline(queue);
    }
    spin_unlock(&queue->lock);
    if (should_balance)
        kick_idle_cpu();
}

void kick_interrupt(void)
{
    panic_check();
    trace_name(TRACE_INTERRUPT, "kick");
    cpu_self()->need_resched = true;
}

/* Move a thread from another CPU's queue to this one's. Returns whether there was one. */
static bool steal(struct cpu *cpu)
{
    for (unsigned i = 1; i < machine_cpu_count(); i++) {
        struct cpu *victim = &cpus[(cpu->id + i) % machine_cpu_count()];
        struct thread *thread = NULL;

        if (__atomic_load_n(&victim->queue.length, __ATOMIC_RELAXED) == 0)
            continue;
        spin_lock(&victim->queue.lock);
        thread = take(cpu, &victim->queue);
        spin_unlock(&victim->queue.lock);
        if (thread != NULL) {
            spin_lock(&cpu->queue.lock);
            push(&cpu->queue, thread);
            spin_unlock(&cpu->queue.lock);
            return true;
        }
    }
    return false;
}

static bool has_work(struct cpu *cpu)
{
    return __atomic_load_n(&cpu->queue.length, __ATOMIC_SEQ_CST) > 0 || steal(cpu);
}

void sched_idle(void)
{
    struct cpu *cpu;

    interrupts_push();
    cpu = cpu_self();
    for (;;) {
        if (!has_work(cpu)) {
            __atomic_store_n(&cpu->is_idle, true, __ATOMIC_SEQ_CST);
            if (!has_work(cpu)) {
                interrupts_pop();
                interrupts_disable();
                machine_idle();
                interrupts_push();
            }
            __atomic_store_n(&cpu->is_idle, false, __ATOMIC_SEQ_CST);
        }
        sched_switch();
    }
}
