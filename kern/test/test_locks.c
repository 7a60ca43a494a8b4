/* unit: kern/mutex.c kern/spinlock.c kern/wait.c kern/ticket_lock.c kern/semaphore.c kern/rwlock.c
 * kern/test/check.c kern/test/fake_cpu.c kern/test/fake_trace.c */
/*
 * Locks and wait queues, without a machine: one pretended CPU with two threads. A thread that
 * would sleep calls `while_asleep` instead, which plays what others do meanwhile.
 */
#include "kern/test/check.h"

#include "kern/abi/errno.h"
#include "kern/clock.h"
#include "kern/cpu.h"
#include "kern/mutex.h"
#include "kern/print.h"
#include "kern/rwlock.h"
#include "kern/sched.h"
#include "kern/semaphore.h"
#include "kern/signal.h"
#include "kern/thread.h"
#include "kern/ticket_lock.h"
#include "kern/wait.h"
#include <asm/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

struct cpu cpus[MAX_CPUS];

static struct thread main_thread, other_thread;
static bool signal_pending;
static struct timeout *set_timeout;
static void (*while_asleep)(void);
static unsigned sleeps;

struct thread *thread_self(void)
{
    return cpus[0].current;
}

bool is_panicking(void)
{
    return false;
}

void panic_check(void)
{
}

bool signal_is_pending(void)
{
    return signal_pending;
}

void timeout_init(struct timeout *timeout, void (*function)(void *), void *argument)
{
    *timeout = (struct timeout){.function = function, .argument = argument};
}

void timeout_set(struct timeout *timeout, nsec_t deadline)
{
    timeout->deadline = deadline;
    set_timeout = timeout;
}

bool timeout_cancel(struct timeout *timeout)
{
    bool was_set = set_timeout == timeout;

    set_timeout = NULL;
    return was_set;
}

void sched_make_runnable(struct thread *thread)
{
    thread->state = THREAD_RUNNING;
}

void sched_switch(void)
{
    sleeps++;
    CHECK(cpus[0].interrupts_off == 1);
    CHECK(main_thread.state != THREAD_RUNNING);
    while_asleep();
    CHECK(main_thread.state == THREAD_RUNNING); /* or it would sleep for ever */
}

static void reset(void)
{
    memset(cpus, 0, sizeof(cpus));
    cpus[0].machine.self = &cpus[0];
    cpus[0].machine.interrupts_on = 1;
    cpus[0].current = &main_thread;
    main_thread = (struct thread){.state = THREAD_RUNNING};
    other_thread = (struct thread){.state = THREAD_RUNNING};
    signal_pending = false;
    set_timeout = NULL;
    sleeps = 0;
}

static struct spinlock low, high, condition_lock;
static struct wait_queue queue;
static struct mutex mutex;

static void test_spinlocks(void)
{
    reset();
    spin_init(&low, "low", LOCK_PIPE);
    spin_init(&high, "high", LOCK_TTY);
    spin_lock(&low);
    CHECK(!interrupts_are_enabled());
    spin_lock(&high);
    spin_unlock(&low); /* in any order */
    CHECK(!interrupts_are_enabled());
    spin_unlock(&high);
    CHECK(interrupts_are_enabled());

    spin_lock(&low);
    CHECK_PANICS(spin_lock(&low), "taken twice");
    reset();
    spin_init(&low, "low", LOCK_PIPE);
    spin_init(&high, "high", LOCK_TTY);
    spin_lock(&high);
    CHECK_PANICS(spin_lock(&low), "lock order");
    reset();
    spin_init(&low, "low", LOCK_PIPE);
    CHECK_PANICS(spin_unlock(&low), "does not hold it");
}

static void test_trylock(void)
{
    reset();
    spin_init(&low, "low", LOCK_PIPE);
    CHECK(spin_trylock(&low));
    CHECK(!spin_trylock(&low));
    CHECK(!interrupts_are_enabled());
    spin_unlock(&low);
    CHECK(interrupts_are_enabled());
}

static void wake_queue(void)
{
    wait_wake_one(&queue);
}

static void fire_timeout(void)
{
    set_timeout->function(set_timeout->argument);
}

static void fire_timeout_then_wake(void)
{
    fire_timeout();
    wait_wake_one(&queue);
}

static void send_signal(void)
{
    signal_pending = true;
    main_thread.state = THREAD_RUNNING;
}

static int sleep_with(void (*meanwhile)(void), nsec_t deadline)
{
    int result;

    reset();
    spin_init(&condition_lock, "condition", LOCK_PIPE);
    wait_queue_init(&queue);
    while_asleep = meanwhile;
    spin_lock(&condition_lock);
    result = wait_sleep_until(&queue, &condition_lock, deadline, true);
    CHECK(spin_is_held(&condition_lock));
    CHECK(list_is_empty(&queue.waiters));
    spin_unlock(&condition_lock);
    CHECK(interrupts_are_enabled());
    CHECK(sleeps == 1);
    return result;
}

static void test_wait(void)
{
    CHECK(sleep_with(wake_queue, NSEC_NEVER) == 0);
    CHECK(sleep_with(wake_queue, 5) == 0);
    CHECK(sleep_with(fire_timeout, 5) == -ETIMEDOUT);
    CHECK(sleep_with(fire_timeout_then_wake, 5) == 0); /* a wake-up is never lost */
    CHECK(sleep_with(send_signal, NSEC_NEVER) == -EINTR);
}

static void test_wait_with_signal_pending(void)
{
    reset();
    spin_init(&condition_lock, "condition", LOCK_PIPE);
    wait_queue_init(&queue);
    signal_pending = true;
    spin_lock(&condition_lock);
    CHECK(wait_sleep_interruptible(&queue, &condition_lock) == -EINTR);
    spin_unlock(&condition_lock);
    CHECK(sleeps == 0);
}

static void other_releases_mutex(void)
{
    cpus[0].current = &other_thread;
    mutex_unlock(&mutex);
    cpus[0].current = &main_thread;
}

static void test_mutex(void)
{
    reset();
    mutex_init(&mutex, "mutex", LOCK_VNODE);
    mutex_lock(&mutex);
    CHECK(mutex_is_held(&mutex));
    CHECK(!mutex_trylock(&mutex));
    CHECK_PANICS(mutex_lock(&mutex), "taken twice");
    mutex_unlock(&mutex);
    CHECK(!mutex_is_held(&mutex));

    cpus[0].current = &other_thread;
    CHECK(mutex_trylock(&mutex));
    cpus[0].current = &main_thread;
    CHECK_PANICS(mutex_unlock(&mutex), "does not hold it");
}

static void test_mutex_contended(void)
{
    reset();
    mutex_init(&mutex, "mutex", LOCK_VNODE);
    cpus[0].current = &other_thread;
    mutex_lock(&mutex);
    cpus[0].current = &main_thread;
    while_asleep = other_releases_mutex;
    mutex_lock(&mutex);
    CHECK(sleeps == 1);
    CHECK(mutex_is_held(&mutex));
    mutex_unlock(&mutex);
}

static void test_mutex_order(void)
{
    struct mutex before;

    reset();
    mutex_init(&mutex, "vnode", LOCK_VNODE);
    mutex_init(&before, "file", LOCK_FILE);
    mutex_lock(&mutex);
    CHECK_PANICS(mutex_lock(&before), "lock order");
    reset();
    mutex_init(&mutex, "vnode", LOCK_VNODE);
    spin_init(&low, "low", LOCK_PIPE);
    spin_lock(&low);
    CHECK_PANICS(mutex_lock(&mutex), "sleeping with a spinlock held: low");
}

static void test_ticket_lock(void)
{
    struct ticket_lock lock, outer;

    reset();
    ticket_init(&lock);
    ticket_init(&outer);
    lock.next = lock.serving = UINT32_MAX; /* so that the numbers wrap around */
    for (int i = 0; i < 3; i++) {
        ticket_lock(&outer);
        ticket_lock(&lock);
        CHECK(!ticket_trylock(&lock));
        ticket_unlock(&lock);
        CHECK(!interrupts_are_enabled()); /* the outer one is still held */
        ticket_unlock(&outer);
        CHECK(interrupts_are_enabled());
        CHECK(ticket_trylock(&lock));
        CHECK(!interrupts_are_enabled());
        ticket_unlock(&lock);
        CHECK(interrupts_are_enabled());
    }
    CHECK(lock.next == lock.serving);
}

static struct semaphore semaphore;

/* A unit comes, and somebody else takes it before the sleeper looks; then there is one for it. */
static void give_after_a_thief(void)
{
    semaphore_give(&semaphore);
    if (sleeps == 1)
        CHECK(semaphore_try(&semaphore));
}

static void test_semaphore(void)
{
    reset();
    semaphore_init(&semaphore, "semaphore", 2);
    semaphore_take(&semaphore);
    CHECK(semaphore_try(&semaphore));
    CHECK(!semaphore_try(&semaphore));
    semaphore_give(&semaphore);
    CHECK(semaphore_try(&semaphore));
    while_asleep = give_after_a_thief;
    semaphore_take(&semaphore);
    CHECK(sleeps == 2);
    CHECK(!semaphore_try(&semaphore));
    CHECK(interrupts_are_enabled());
}

static struct rwlock rwlock;

static void writer_leaves(void)
{
    rwlock_write_unlock(&rwlock);
}

static void reader_leaves(void)
{
    rwlock_read_unlock(&rwlock);
}

static void test_rwlock(void)
{
    reset();
    rwlock_init(&rwlock, "rwlock");
    rwlock_read_lock(&rwlock);
    rwlock_read_lock(&rwlock); /* on another's behalf: readers do not wait for readers */
    CHECK(sleeps == 0);
    rwlock_read_unlock(&rwlock);
    while_asleep = reader_leaves; /* the last reader lets the writer in */
    rwlock_write_lock(&rwlock);
    CHECK(sleeps == 1);
    while_asleep = writer_leaves; /* which lets the next one in, reader or writer */
    rwlock_write_lock(&rwlock);
    CHECK(sleeps == 2);
    rwlock_read_lock(&rwlock);
    CHECK(sleeps == 3);
    rwlock_read_unlock(&rwlock);
    rwlock_write_lock(&rwlock); /* all have left: it is free */
    CHECK(sleeps == 3);
    rwlock_write_unlock(&rwlock);
    CHECK(interrupts_are_enabled());
}

int main(void)
{
    syscall(SYS_arch_prctl, ARCH_SET_GS, &cpus[0].machine);
    test_spinlocks();
    test_trylock();
    test_wait();
    test_wait_with_signal_pending();
    test_mutex();
    test_mutex_contended();
    test_mutex_order();
    test_ticket_lock();
    test_semaphore();
    test_rwlock();
    return check_report();
}
