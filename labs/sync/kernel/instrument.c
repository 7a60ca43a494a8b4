/*
 * Lab sync: what the compiler is told to call in the students' files.
 *
 * lab.mk has them compiled with -fsanitize=thread. Then each access to memory is announced by a
 * call of a function below, and each atomic operation is one; the functions are those of the
 * compiler's run-time library (LLVM: compiler-rt/lib/tsan/rtl/tsan_interface.h). Here they are
 * scheduling points: between a load and a store that should have been one atomic operation,
 * another CPU may go on, as on real hardware. And they tell the race detector about the orders.
 *
 * The same for functions of the kernel, by the linker's --wrap: spinlocks order memory, sleeping
 * and giving way are part of the history.
 */
#include "kern/cpu.h"
#include "kern/sched.h"
#include "kern/schedule_point.h"
#include "kern/spinlock.h"
#include "kern/wait.h"
#include "labs/sync/kernel/history.h"

#define PATIENCE 6 /* who reads a word so often and does nothing else is waiting for it */

/* (t) only the worker itself */
static struct {
    const volatile void *address; /* (t) what it read last */
    unsigned times;               /* (t) in succession */
    bool expects_draw;            /* (t) */
} workers[WORKERS_MAX];

void instrument_expect_draw(void)
{
    workers[history_worker()].expects_draw = true;
}

static void point(const volatile void *address, bool is_write)
{
    int worker = history_worker();
    bool waits;

    if (worker < 0)
        return;
    if (is_write || workers[worker].address != address)
        workers[worker].times = 0;
    workers[worker].address = address;
    waits = ++workers[worker].times > PATIENCE;
    schedule_point(waits ? SCHEDULE_RELAX : SCHEDULE_ATOMIC, (const void *)(uintptr_t)address,
                   is_write ? "store" : "load");
}

/* A worker has changed a word of memory by one atomic operation. */
static void changed(void)
{
    int worker = history_worker();

    if (worker >= 0 && workers[worker].expects_draw) {
        workers[worker].expects_draw = false;
        history_add("ticket", "draw");
    }
}

/* --- What the compiler calls --------------------------------------------------------------- */

void __tsan_init(void);
void __tsan_init(void)
{
}

void __tsan_func_entry(void *caller);
void __tsan_func_entry(void *caller)
{
    (void)caller;
}

void __tsan_func_exit(void);
void __tsan_func_exit(void)
{
}

#define PLAIN(name, is_write)                                                                      \
    void __tsan_##name(void *address);                                                             \
    void __tsan_##name(void *address)                                                              \
    {                                                                                              \
        point(address, is_write);                                                                  \
    }
#define PLAIN_SIZE(size)                                                                           \
    PLAIN(read##size, false)                                                                       \
    PLAIN(write##size, true)                                                                       \
    PLAIN(unaligned_read##size, false)                                                             \
    PLAIN(unaligned_write##size, true)                                                             \
    PLAIN(volatile_read##size, false)                                                              \
    PLAIN(volatile_write##size, true)
PLAIN_SIZE(1)
PLAIN_SIZE(2)
PLAIN_SIZE(4)
PLAIN_SIZE(8)
PLAIN_SIZE(16)

void __tsan_read_range(void *address, size_t size);
void __tsan_read_range(void *address, size_t size)
{
    (void)size;
    point(address, false);
}

void __tsan_write_range(void *address, size_t size);
void __tsan_write_range(void *address, size_t size)
{
    (void)size;
    point(address, true);
}

/* One operation, `body`, which sets `result`. The races hear of it before anybody else can go on.
 */
#define OPERATION(type, function, parameters, is_read, is_write, body)                             \
    type function parameters;                                                                      \
    type function parameters                                                                       \
    {                                                                                              \
        int worker = history_worker();                                                             \
        type result;                                                                               \
        bool were_on;                                                                              \
                                                                                                   \
        point(a, is_write);                                                                        \
        were_on = history_begin();                                                                 \
        body;                                                                                      \
        if (worker >= 0)                                                                           \
            race_atomic(worker, a, order, is_read, is_write);                                      \
        history_end(were_on);                                                                      \
        if (is_read && is_write)                                                                   \
            changed();                                                                             \
        return result;                                                                             \
    }
#define MODIFY(type, bits, name)                                                                   \
    OPERATION(type, __tsan_atomic##bits##_##name, (volatile type * a, type value, int order),      \
              true, true, result = __atomic_##name(a, value, __ATOMIC_SEQ_CST))
#define ATOMICS(type, bits)                                                                        \
    OPERATION(type, __tsan_atomic##bits##_load, (const volatile type *a, int order), true, false,  \
              result = __atomic_load_n(a, __ATOMIC_SEQ_CST))                                       \
    OPERATION(type, __tsan_atomic##bits##_store, (volatile type * a, type value, int order),       \
              false, true, __atomic_store_n(a, result = value, __ATOMIC_SEQ_CST))                  \
    OPERATION(type, __tsan_atomic##bits##_exchange, (volatile type * a, type value, int order),    \
              true, true, result = __atomic_exchange_n(a, value, __ATOMIC_SEQ_CST))                \
    MODIFY(type, bits, fetch_add)                                                                  \
    MODIFY(type, bits, fetch_sub)                                                                  \
    MODIFY(type, bits, fetch_and)                                                                  \
    MODIFY(type, bits, fetch_or)                                                                   \
    MODIFY(type, bits, fetch_xor)                                                                  \
    COMPARE(type, bits, strong)                                                                    \
    COMPARE(type, bits, weak)

/* A compare-and-exchange that changes nothing is a load. */
#define COMPARE(type, bits, name)                                                                  \
    bool __tsan_atomic##bits##_compare_exchange_##name(volatile type *a, type *expected,           \
                                                       type value, int order, int failure);        \
    bool __tsan_atomic##bits##_compare_exchange_##name(volatile type *a, type *expected,           \
                                                       type value, int order, int failure)         \
    {                                                                                              \
        int worker = history_worker();                                                             \
        bool is_done, were_on;                                                                     \
                                                                                                   \
        point(a, true);                                                                            \
        were_on = history_begin();                                                                 \
        is_done = __atomic_compare_exchange_n(a, expected, value, false, __ATOMIC_SEQ_CST,         \
                                              __ATOMIC_SEQ_CST);                                   \
        if (worker >= 0)                                                                           \
            race_atomic(worker, a, is_done ? order : failure, true, is_done);                      \
        history_end(were_on);                                                                      \
        if (is_done)                                                                               \
            changed();                                                                             \
        return is_done;                                                                            \
    }

ATOMICS(uint8_t, 8)
ATOMICS(uint16_t, 16)
ATOMICS(uint32_t, 32)
ATOMICS(uint64_t, 64)

void __tsan_atomic_thread_fence(int order);
void __tsan_atomic_thread_fence(int order)
{
    int worker = history_worker();
    bool were_on = history_begin();

    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    if (worker >= 0)
        race_fence(worker, order);
    history_end(were_on);
}

void __tsan_atomic_signal_fence(int order);
void __tsan_atomic_signal_fence(int order)
{
    (void)order;
}

/* --- What the linker wraps ------------------------------------------------------------------ */

static void note(void (*what)(int, const volatile void *), const struct spinlock *lock)
{
    int worker = history_worker();
    bool were_on;

    if (worker < 0)
        return;
    were_on = history_begin();
    what(worker, lock);
    history_end(were_on);
}

void __real_spin_lock(struct spinlock *lock);
void __wrap_spin_lock(struct spinlock *lock);
void __wrap_spin_lock(struct spinlock *lock)
{
    __real_spin_lock(lock);
    note(race_acquire, lock);
}

bool __real_spin_trylock(struct spinlock *lock);
bool __wrap_spin_trylock(struct spinlock *lock);
bool __wrap_spin_trylock(struct spinlock *lock)
{
    bool is_taken = __real_spin_trylock(lock);

    if (is_taken)
        note(race_acquire, lock);
    return is_taken;
}

void __real_spin_unlock(struct spinlock *lock);
void __wrap_spin_unlock(struct spinlock *lock);
void __wrap_spin_unlock(struct spinlock *lock)
{
    note(race_release, lock);
    __real_spin_unlock(lock);
}

void __real_wait_sleep(struct wait_queue *queue, struct spinlock *lock);
void __wrap_wait_sleep(struct wait_queue *queue, struct spinlock *lock);
void __wrap_wait_sleep(struct wait_queue *queue, struct spinlock *lock)
{
    history_add("thread", "sleep");
    __real_wait_sleep(queue, lock);
    history_add("thread", "wake");
}

/* With a strategy of priorities, who gives way is not the first again. */
void __real_sched_give_way(void);
void __wrap_sched_give_way(void);
void __wrap_sched_give_way(void)
{
    if (history_worker() >= 0) {
        history_add("thread", "yield");
        schedule_point(SCHEDULE_RELAX, NULL, NULL);
    }
    __real_sched_give_way();
}
