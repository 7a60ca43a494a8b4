/*
 * Sleep locks and condition variables, built from a spinlock and a wait queue.
 *
 * A mutex that is released wakes the longest sleeper, which then competes for it with threads
 * that come by: that is not fair, but a thread that runs need not wait for one that must first
 * be scheduled. In debug builds each thread chains the mutexes that it holds, newest first, for
 * the order check.
 */
#include "kern/mutex.h"

#include "kern/cpu.h"
#include "kern/print.h"
#include "kern/solutions.h"
#include "kern/thread.h"
#include "kern/trace.h"

void mutex_init(struct mutex *mutex, const char *name, enum lock_rank rank)
{
    *mutex = (struct mutex){.rank = rank, .name = name};
    spin_init(&mutex->lock, name, LOCK_SLEEP_LOCK);
    wait_queue_init(&mutex->waiters);
}

#ifdef DEBUG
static void check_order(const struct mutex *mutex, const struct thread *self, bool is_nested)
{
    const struct mutex *newest = self->held;

    if (__atomic_load_n(&mutex->holder, __ATOMIC_RELAXED) == self)
        panic("mutex '%s' taken twice by one thread", mutex->name);
    if (newest != NULL &&
        (mutex->rank < newest->rank || (mutex->rank == newest->rank && !is_nested)))
        panic("lock order: mutex '%s' (rank %d) taken while '%s' (rank %d) is held", mutex->name,
              mutex->rank, newest->name, newest->rank);
}
#endif

static void note_taken(struct mutex *mutex, struct thread *self, vaddr_t caller)
{
    __atomic_store_n(&mutex->holder, self, __ATOMIC_RELAXED); /* others look, if it is they */
#ifdef DEBUG
    mutex->taken_at = caller;
    mutex->previous = self->held;
    self->held = mutex;
#else
    (void)caller;
#endif
}

static void note_released(struct mutex *mutex, struct thread *self)
{
#ifdef DEBUG
    struct mutex **link = &self->held;

    if (mutex->holder != self)
        panic("mutex '%s' released by a thread that does not hold it", mutex->name);
    while (*link != mutex)
        link = &(*link)->previous;
    *link = mutex->previous;
#else
    (void)self;
#endif
    __atomic_store_n(&mutex->holder, NULL, __ATOMIC_RELEASE);
}

#if SOL_SYNC
/* Wait until the mutex is free, and make it the current thread's, which has it from `caller`. */
static void acquire(struct mutex *mutex, vaddr_t caller)
{
    struct thread *self = thread_self();
    nsec_t began = 0;

    spin_lock(&mutex->lock);
    if (mutex->holder != NULL)
        began = trace_name(TRACE_LOCK_WAIT, mutex->name);
    self->wanted_mutex = mutex;
    while (mutex->holder != NULL)
        wait_sleep(&mutex->waiters, &mutex->lock);
    self->wanted_mutex = NULL;
    if (began != 0)
        trace(TRACE_LOCK_TAKEN, 0, (uint64_t)mutex->name, (uint64_t)began, 0);
    note_taken(mutex, self, caller);
    spin_unlock(&mutex->lock);
}

/* Make the mutex free, and wake the longest sleeper. The current thread has it. */
static void release(struct mutex *mutex)
{
    spin_lock(&mutex->lock);
    note_released(mutex, thread_self());
    if (!list_is_empty(&mutex->waiters.waiters))
        trace_name(TRACE_LOCK_RELEASED, mutex->name);
    wait_wake_one(&mutex->waiters);
    spin_unlock(&mutex->lock);
}
#else
/*
 * Lab sync, step 2. Nobody gets in who may not, but who waits asks again and again, and has the
 * CPU meanwhile. Let it sleep in mutex->waiters instead, with thread_self()->wanted_mutex saying
 * what it waits for (the explanation of a deadlock uses that), and release() wake one.
 */
static void acquire(struct mutex *mutex, vaddr_t caller)
{
    spin_lock(&mutex->lock);
    while (mutex->holder != NULL) {
        spin_unlock(&mutex->lock);
        sched_give_way();
        spin_lock(&mutex->lock);
    }
    note_taken(mutex, thread_self(), caller);
    spin_unlock(&mutex->lock);
}

static void release(struct mutex *mutex)
{
    spin_lock(&mutex->lock);
    note_released(mutex, thread_self());
    spin_unlock(&mutex->lock);
}
#endif

static void take(struct mutex *mutex, bool is_nested, vaddr_t caller)
{
    assert_may_sleep();
#ifdef DEBUG
    check_order(mutex, thread_self(), is_nested);
#else
    (void)is_nested;
#endif
    acquire(mutex, caller);
}

void mutex_lock(struct mutex *mutex)
{
    take(mutex, false, (vaddr_t)__builtin_return_address(0));
}

void mutex_lock_nested(struct mutex *mutex)
{
    take(mutex, true, (vaddr_t)__builtin_return_address(0));
}

bool mutex_trylock(struct mutex *mutex)
{
    bool is_free;

    spin_lock(&mutex->lock);
    is_free = mutex->holder == NULL;
    if (is_free)
        note_taken(mutex, thread_self(), (vaddr_t)__builtin_return_address(0));
    spin_unlock(&mutex->lock);
    return is_free;
}

void mutex_unlock(struct mutex *mutex)
{
    release(mutex);
}

bool mutex_is_taken(const struct mutex *mutex)
{
    return __atomic_load_n(&mutex->holder, __ATOMIC_ACQUIRE) != NULL;
}

bool mutex_is_held(struct mutex *mutex)
{
    return __atomic_load_n(&mutex->holder, __ATOMIC_RELAXED) == thread_self();
}

void condvar_init(struct condvar *condvar)
{
    spin_init(&condvar->lock, "condition variable", LOCK_CONDVAR);
    wait_queue_init(&condvar->waiters);
}

#if SOL_SYNC
void condvar_wait(struct condvar *condvar, struct mutex *mutex)
{
    /* A signal needs condvar->lock, so none is lost between the two releases. */
    spin_lock(&condvar->lock);
    mutex_unlock(mutex);
    wait_sleep(&condvar->waiters, &condvar->lock);
    spin_unlock(&condvar->lock);
    mutex_lock(mutex);
}

void condvar_signal(struct condvar *condvar)
{
    spin_lock(&condvar->lock);
    wait_wake_one(&condvar->waiters);
    spin_unlock(&condvar->lock);
}

void condvar_broadcast(struct condvar *condvar)
{
    spin_lock(&condvar->lock);
    wait_wake_all(&condvar->waiters);
    spin_unlock(&condvar->lock);
}
#else
/* Lab sync, step 3. The condition may hold now or not: the caller tests it again, and again. */
void condvar_wait(struct condvar *condvar, struct mutex *mutex)
{
    (void)condvar;
    mutex_unlock(mutex);
    sched_give_way();
    mutex_lock(mutex);
}

void condvar_signal(struct condvar *condvar)
{
    (void)condvar;
}

void condvar_broadcast(struct condvar *condvar)
{
    (void)condvar;
}
#endif
