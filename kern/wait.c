/*
 * Wait queues. The waiter lies on the sleeper's stack; whoever ends the sleep (a wake-up, the
 * timeout, a signal) makes the thread runnable, and only a wake-up takes the waiter off the
 * queue and marks it. So a wake-up that meets a timeout or a signal is never lost: the sleeper
 * reports the wake-up first.
 *
 * The order that closes the race with signals: the sleeper publishes its state, then looks for
 * a pending signal; a sender publishes the signal, then looks at the state.
 */
#include "kern/wait.h"

#include "kern/abi/errno.h"
#include "kern/clock.h"
#include "kern/cpu.h"
#include "kern/print.h"
#include "kern/sched.h"
#include "kern/schedule_point.h"
#include "kern/signal.h"
#include "kern/thread.h"

struct waiter {
    struct list_node link; /* the queue's lock */
    struct thread *thread; /* (i) */
    bool is_woken;         /* the queue's lock */
    bool is_timed_out;     /* (a) */
};

void wait_queue_init(struct wait_queue *queue)
{
    spin_init(&queue->lock, "wait queue", LOCK_WAIT_QUEUE);
    list_init(&queue->waiters);
}

static void time_out(void *argument)
{
    struct waiter *waiter = argument;

    __atomic_store_n(&waiter->is_timed_out, true, __ATOMIC_RELEASE);
    sched_make_runnable(waiter->thread);
}

/* Undo the decision to sleep, unless someone woke us already and we are on a run queue. */
static bool stay_awake(struct thread *self)
{
    enum thread_state expected = THREAD_SLEEPING_INTERRUPTIBLE;

    return __atomic_compare_exchange_n(&self->state, &expected, THREAD_RUNNING, false,
                                       __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}

static int sleep_on(struct wait_queue *queue, struct spinlock *lock, nsec_t deadline,
                    bool interruptible)
{
    struct thread *self = thread_self();
    struct waiter waiter = {.thread = self};
    struct timeout timeout;

    assert(spin_is_held(lock));
    interrupts_push();
    spin_lock(&queue->lock);
    list_push_back(&queue->waiters, &waiter.link);
    __atomic_store_n(&self->state, interruptible ? THREAD_SLEEPING_INTERRUPTIBLE : THREAD_SLEEPING,
                     __ATOMIC_SEQ_CST);
    spin_unlock(&queue->lock);
    self->waiting_for = lock->name;
    if (deadline != NSEC_NEVER) {
        timeout_init(&timeout, time_out, &waiter);
        timeout_set(&timeout, deadline);
    }
    spin_unlock(lock);
    schedule_point(SCHEDULE_ATOMIC, queue, "wait:before-switch");
    if (!(interruptible && signal_is_pending() && stay_awake(self)))
        sched_switch();
    interrupts_pop();

    if (deadline != NSEC_NEVER)
        timeout_cancel(&timeout);
    self->waiting_for = NULL;
    spin_lock(lock);
    spin_lock(&queue->lock);
    list_remove(&waiter.link);
    spin_unlock(&queue->lock);
    if (waiter.is_woken)
        return 0;
    return waiter.is_timed_out ? -ETIMEDOUT : -EINTR;
}

void wait_sleep(struct wait_queue *queue, struct spinlock *lock)
{
    sleep_on(queue, lock, NSEC_NEVER, false);
}

int wait_sleep_interruptible(struct wait_queue *queue, struct spinlock *lock)
{
    return wait_sleep_until(queue, lock, NSEC_NEVER, true);
}

int wait_sleep_until(struct wait_queue *queue, struct spinlock *lock, nsec_t deadline,
                     bool interruptible)
{
    if (interruptible && signal_is_pending())
        return -EINTR;
    return sleep_on(queue, lock, deadline, interruptible);
}

static void wake_first(struct wait_queue *queue)
{
    struct waiter *waiter = list_pop(&queue->waiters, struct waiter, link);

    waiter->is_woken = true;
    sched_make_runnable(waiter->thread);
}

void wait_wake_one(struct wait_queue *queue)
{
    spin_lock(&queue->lock);
    if (!list_is_empty(&queue->waiters))
        wake_first(queue);
    spin_unlock(&queue->lock);
}

void wait_wake_all(struct wait_queue *queue)
{
    spin_lock(&queue->lock);
    while (!list_is_empty(&queue->waiters))
        wake_first(queue);
    spin_unlock(&queue->lock);
}
