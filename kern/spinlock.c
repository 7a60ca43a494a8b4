/*
 * Spinlocks, and the count of reasons why a CPU has interrupts disabled.
 *
 * The lock is a word that an atomic exchange sets; waiting CPUs read until it looks free, so
 * that its cache line stays shared meanwhile (test-and-test-and-set). In debug builds each CPU
 * chains the spinlocks that it holds, newest first, which is all that the order check needs:
 * the newest one has the highest rank.
 */
#include "kern/spinlock.h"

#include "kern/cpu.h"
#include "kern/print.h"
#include "kern/schedule_point.h"
#include "kern/trace.h"

void spin_init(struct spinlock *lock, const char *name, enum lock_rank rank)
{
    *lock = (struct spinlock)SPINLOCK_INITIALIZER(name, rank);
}

void interrupts_push(void)
{
    bool were_on = interrupts_disable();
    struct cpu *cpu = cpu_self();

    if (cpu->interrupts_off++ == 0)
        cpu->interrupts_were_on = were_on;
}

void interrupts_pop(void)
{
    struct cpu *cpu = cpu_self();

    assert(!interrupts_are_enabled());
    assert(cpu->interrupts_off > 0);
    if (--cpu->interrupts_off == 0)
        interrupts_restore(cpu->interrupts_were_on);
}

#ifdef DEBUG
static void check_order(const struct spinlock *lock, bool is_nested)
{
    const struct spinlock *newest = cpu_self()->held;

    if (newest == NULL || is_panicking())
        return;
    if (lock->rank < newest->rank || (lock->rank == newest->rank && !is_nested))
        panic("lock order: '%s' (rank %d) taken while '%s' (rank %d) is held", lock->name,
              lock->rank, newest->name, newest->rank);
}

static void note_taken(struct spinlock *lock, vaddr_t taken_at)
{
    struct cpu *cpu = cpu_self();

    __atomic_store_n(&lock->holder, cpu, __ATOMIC_RELAXED); /* others look, if it is they */
    lock->taken_at = taken_at;
    lock->previous = cpu->held;
    cpu->held = lock;
}

static void note_released(struct spinlock *lock)
{
    struct spinlock **link = &cpu_self()->held;

    if (lock->holder != cpu_self())
        panic("spinlock '%s' released by a CPU that does not hold it", lock->name);
    while (*link != lock)
        link = &(*link)->previous;
    *link = lock->previous;
    __atomic_store_n(&lock->holder, NULL, __ATOMIC_RELAXED);
}
#endif

/* What lies in memory that was freed, also while somebody waits for it, has no rank any more. */
static void check_is_lock(const struct spinlock *lock)
{
    assert((unsigned)lock->rank <= LOCK_LOG);
    (void)lock;
}

static bool try_take(struct spinlock *lock)
{
    return __atomic_exchange_n(&lock->locked, 1, __ATOMIC_ACQUIRE) == 0;
}

/* The lock is another CPU's: wait a moment. */
static void relax(const struct spinlock *lock)
{
    if (!schedule_spin(lock, lock->name))
        cpu_relax();
}

static void spin(struct spinlock *lock)
{
    nsec_t began = trace_clock();

    do {
        while (__atomic_load_n(&lock->locked, __ATOMIC_RELAXED) != 0) {
            panic_check();
            check_is_lock(lock);
            relax(lock);
        }
    } while (!try_take(lock));
    trace(TRACE_LOCK_SPUN, 0, (uint64_t)lock->name, (uint64_t)began, 0);
}

static inline void take(struct spinlock *lock, bool is_nested, vaddr_t caller)
{
    check_is_lock(lock);
    schedule_point(SCHEDULE_LOCK, lock, lock->name);
    interrupts_push();
#ifdef DEBUG
    if (__atomic_load_n(&lock->holder, __ATOMIC_RELAXED) == cpu_self())
        panic("spinlock '%s' taken twice by one CPU", lock->name);
    check_order(lock, is_nested);
#endif
    if (!try_take(lock))
        spin(lock);
#ifdef DEBUG
    note_taken(lock, caller);
#else
    (void)is_nested;
    (void)caller;
#endif
}

void spin_lock(struct spinlock *lock)
{
    take(lock, false, (vaddr_t)__builtin_return_address(0));
}

void spin_lock_nested(struct spinlock *lock)
{
    take(lock, true, (vaddr_t)__builtin_return_address(0));
}

bool spin_trylock(struct spinlock *lock)
{
    schedule_point(SCHEDULE_LOCK, lock, lock->name);
    interrupts_push();
    if (!try_take(lock)) {
        interrupts_pop();
        return false;
    }
#ifdef DEBUG
    note_taken(lock, (vaddr_t)__builtin_return_address(0));
#endif
    return true;
}

void spin_unlock(struct spinlock *lock)
{
#ifdef DEBUG
    note_released(lock);
#endif
    __atomic_store_n(&lock->locked, 0, __ATOMIC_RELEASE);
    interrupts_pop();
    schedule_point(SCHEDULE_UNLOCK, lock, NULL);
}

bool spin_is_held(const struct spinlock *lock)
{
#ifdef DEBUG
    return __atomic_load_n(&lock->holder, __ATOMIC_RELAXED) == cpu_self();
#else
    (void)lock;
    return true;
#endif
}

void assert_may_sleep(void)
{
#ifdef DEBUG
    if (is_panicking())
        return;
    if (!interrupts_are_enabled())
        panic("sleeping with %s%s",
              cpu_self()->held != NULL ? "a spinlock held: " : "interrupts off",
              cpu_self()->held != NULL ? cpu_self()->held->name : "");
#endif
}
