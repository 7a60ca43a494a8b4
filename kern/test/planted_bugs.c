/*
 * Bugs on purpose, for grader/tests/test_sanitizers.py and test_panic.py. They are no part of any
 * other kernel:
 *
 *      make EXTRA_SOURCES=kern/test/planted_bugs.c EXTRA_LDFLAGS=-Wl,--wrap=fs_mount_root
 *
 * makes a kernel in which the word bug=NAME runs one of them right before the root file system
 * is mounted. Everything is volatile, so that the compiler sees nothing of what is wrong.
 */
#include "kern/clock.h"
#include "kern/cmdline.h"
#include "kern/cpu.h"
#include "kern/machine.h"
#include "kern/mutex.h"
#include "kern/print.h"
#include "kern/string.h"
#include "vm/heap.h"
#include "vm/page.h"

int __real_fs_mount_root(const char *disk, bool read_only);
int __wrap_fs_mount_root(const char *disk, bool read_only);

static volatile int zero;
static volatile char sink;

static __attribute__((noinline)) void use_after_free(void)
{
    volatile char *object = kmalloc(40);

    kfree((void *)object);
    sink = object[8];
}

static __attribute__((noinline)) void heap_overflow(void)
{
    volatile char *object = kmalloc(21);

    object[21 + zero] = 1;
    kfree((void *)object);
}

static __attribute__((noinline)) void heap_overflow_in_library(void)
{
    volatile char *object = kmalloc(100);

    memset((void *)object, 0, 101 + (size_t)zero);
    kfree((void *)object);
}

static __attribute__((noinline)) void page_after_release(void)
{
    struct page *page = page_alloc(0);
    volatile char *data = page_data(page);

    page_release(page);
    sink = data[100];
}

static __attribute__((noinline)) void buffer_overflow(void)
{
    volatile char buffer[16] = {0};

    buffer[16 + zero] = 1;
    sink = buffer[zero];
}

static __attribute__((noinline)) int stack_overflow(int depth)
{
    volatile char frame[512];

    frame[zero] = (char)depth;
    if (zero == 0)
        depth += stack_overflow(depth + 1);
    return depth + frame[zero];
}

static __attribute__((noinline)) int stack_overflow_by_large_frames(int depth)
{
    volatile char frame[3 * PAGE_SIZE];

    frame[zero] = (char)depth;
    if (zero == 0)
        depth += stack_overflow_by_large_frames(depth + 1);
    return depth + frame[zero];
}

static void large_frames(void)
{
    sink = (char)stack_overflow_by_large_frames(0);
}

static void deep_recursion(void)
{
    sink = (char)stack_overflow(0);
}

static __attribute__((noinline)) void undefined_shift(void)
{
    sink = (char)(1 << (zero + 33));
}

static __attribute__((noinline)) void misaligned_access(void)
{
    static uint64_t words[2];
    const volatile uint32_t *word = (const void *)((char *)words + 2 + zero);

    sink = (char)*word;
}

static __attribute__((noinline)) void null_pointer(void)
{
    const volatile char *nothing = (const volatile char *)(uintptr_t)zero;

    sink = *nothing;
}

/* A fault with values in registers that the report must show. */
static __attribute__((noinline)) void fault_with_registers(void)
{
    __asm__ volatile("movabs $0x123456789abcdef0, %%r12\n\t"
                     "mov $0x77777777, %%esi\n\t"
                     "movb $0, 16"
                     :
                     :
                     : "r12", "rsi", "memory");
}

static struct mutex outer_mutex, inner_mutex;
static struct spinlock inner_spinlock = SPINLOCK_INITIALIZER("planted spinlock", LOCK_LOG);

static struct spinlock sleep_lock = SPINLOCK_INITIALIZER("planted event", LOCK_FUTEX);
static struct wait_queue nobody = WAIT_QUEUE_INITIALIZER(nobody);

static void mutexes_init(void)
{
    mutex_init(&outer_mutex, "planted outer", LOCK_FILE);
    mutex_init(&inner_mutex, "planted inner", LOCK_MAP);
}

static __attribute__((noinline)) void panic_with_locks(void)
{
    mutexes_init();
    mutex_lock(&outer_mutex);
    mutex_lock(&inner_mutex);
    spin_lock(&inner_spinlock);
    panic("with locks held");
}

/* What the report follows is broken. */
static __attribute__((noinline)) void panic_in_the_report(void)
{
    mutexes_init();
    mutex_lock(&outer_mutex);
    outer_mutex.previous = (struct mutex *)(uintptr_t)(16 + zero);
    panic("the first one");
}

static __attribute__((noinline)) void wait_for_ever(void *unused)
{
    (void)unused;
    (void)!clock_sleep_until(NSEC_NEVER - 1);
}

/* No timer will end it. */
static __attribute__((noinline)) void wait_for_ever_without_time(void)
{
    spin_lock(&sleep_lock);
    wait_sleep(&nobody, &sleep_lock);
}

static __attribute__((noinline)) void wait_for_mutex(void *unused)
{
    (void)unused;
    mutex_lock(&outer_mutex);
}

static __attribute__((noinline)) void hold_mutex(void *unused)
{
    mutex_lock(&inner_mutex);
    wait_for_ever(unused);
}

static __attribute__((noinline)) void panic_with_many_threads(void)
{
    mutexes_init();
    for (int i = 0; i < 200; i++)
        thread_start_kernel("sleeper", wait_for_ever, NULL);
    mutex_lock(&outer_mutex);
    thread_start_kernel("waiter", wait_for_mutex, NULL);
    thread_start_kernel("holder", hold_mutex, NULL);
    (void)!clock_sleep_until(machine_clock() + 50 * NSEC_PER_MSEC);
    while (__atomic_load_n(&inner_mutex.holder, __ATOMIC_RELAXED) == NULL)
        sched_give_way();
    panic("with many threads");
}

static struct mutex left_mutex, right_mutex;

/* With its brother, which takes them in the other order: each ends up with one. */
static __attribute__((noinline)) void take_both(void *right_first)
{
    struct mutex *first = right_first != NULL ? &right_mutex : &left_mutex;
    struct mutex *second = right_first != NULL ? &left_mutex : &right_mutex;

    mutex_lock(first);
    while (!mutex_is_taken(second))
        sched_give_way();
    mutex_lock_nested(second);
}

static __attribute__((noinline)) void deadlock(void)
{
    mutex_init(&left_mutex, "planted left", LOCK_FILE);
    mutex_init(&right_mutex, "planted right", LOCK_FILE);
    thread_start_kernel("lefty", take_both, NULL);
    thread_start_kernel("righty", take_both, &right_mutex);
    wait_for_ever_without_time();
}

static struct spinlock left_spinlock = SPINLOCK_INITIALIZER("planted left", LOCK_FUTEX);
static struct spinlock right_spinlock = SPINLOCK_INITIALIZER("planted right", LOCK_FUTEX);

static __attribute__((noinline)) void spin_on_both(void *right_first)
{
    struct spinlock *first = right_first != NULL ? &right_spinlock : &left_spinlock;
    struct spinlock *second = right_first != NULL ? &left_spinlock : &right_spinlock;

    spin_lock(first);
    while (__atomic_load_n(&second->locked, __ATOMIC_RELAXED) == 0)
        cpu_relax();
    spin_lock_nested(second);
}

static __attribute__((noinline)) void spinning_deadlock(void)
{
    thread_start_kernel("righty", spin_on_both, &right_spinlock);
    spin_on_both(NULL);
}

/* Something always happens, but nothing comes of it. */
static __attribute__((noinline)) void livelock(void)
{
    while (zero == 0)
        sched_give_way();
}

/* Not even that. */
static __attribute__((noinline)) void hang(void)
{
    spin_lock(&left_spinlock);
    while (zero == 0)
        sink = 1;
}

static __attribute__((noinline)) void call_nowhere(void)
{
    ((void (*)(void))(uintptr_t)(zero + 0x5000))();
    sink = 0;
}

static struct thread *panicking_thread;
static volatile bool is_spinning;

/* On a CPU on which the thread that will panic does not run. */
static __attribute__((noinline)) void spin_without_interrupts(void *unused)
{
    (void)unused;
    interrupts_disable();
    while (!panicking_thread->on_cpu || panicking_thread->cpu == cpu_self()) {
        interrupts_restore(true);
        sched_give_way();
        interrupts_disable();
    }
    is_spinning = true;
    for (;;)
        cpu_relax();
}

static __attribute__((noinline)) void panic_beside_a_spinning_cpu(void)
{
    panicking_thread = thread_self();
    thread_start_kernel("spinner", spin_without_interrupts, NULL);
    while (!is_spinning)
        cpu_relax();
    panic("beside a CPU with interrupts disabled");
}

static __attribute__((noinline)) void spin_with_interrupts(void *unused)
{
    (void)unused;
    is_spinning = true;
    while (zero == 0)
        sink = 1;
}

/* On one CPU: the other thread is interrupted in the midst of its loop. */
static __attribute__((noinline)) void panic_beside_a_preempted_thread(void)
{
    thread_start_kernel("busy", spin_with_interrupts, NULL);
    while (!is_spinning)
        sched_give_way();
    panic("beside a preempted thread");
}

static __attribute__((noinline)) void panic_once_more(void *unused)
{
    (void)unused;
    is_spinning = true;
    panic("one of two");
}

/* Two CPUs panic at the same time. */
static __attribute__((noinline)) void two_panics(void)
{
    thread_start_kernel("other", panic_once_more, NULL);
    while (!is_spinning)
        cpu_relax();
    panic("one of two");
}

static unsigned counter;
static unsigned counters_done; /* (a) */

static __attribute__((noinline)) void count(void *unused)
{
    (void)unused;
    for (int i = 0; i < 100; i++) {
        counter++;
        sched_give_way();
    }
    __atomic_fetch_add(&counters_done, 1, __ATOMIC_RELEASE);
}

/* Two threads, one variable, no lock. */
static void unlocked_counter(void)
{
    for (int i = 0; i < 2; i++)
        thread_start_kernel("counter", count, NULL);
    while (__atomic_load_n(&counters_done, __ATOMIC_ACQUIRE) < 2)
        sched_give_way();
}

static struct spinlock counter_lock = SPINLOCK_INITIALIZER("counter", LOCK_DEVICE);

static __attribute__((noinline)) void count_locked(void *unused)
{
    (void)unused;
    for (int i = 0; i < 100; i++) {
        spin_lock(&counter_lock);
        counter++;
        spin_unlock(&counter_lock);
        sched_give_way();
    }
    spin_lock(&counter_lock);
    counters_done++;
    spin_unlock(&counter_lock);
}

/* The same as it should be: no bug. */
static void locked_counter(void)
{
    unsigned done = 0;

    for (int i = 0; i < 2; i++)
        thread_start_kernel("counter", count_locked, NULL);
    while (done < 2) {
        sched_give_way();
        spin_lock(&counter_lock);
        done = counters_done;
        spin_unlock(&counter_lock);
    }
}

static __attribute__((noinline)) void forget_memory(void *unused)
{
    (void)unused;
    (void)!clock_sleep_until(clock_monotonic() + NSEC_PER_SEC);
    for (int i = 0; i < 3; i++)
        (void)!kmalloc(100);
    (void)!page_alloc(1);
}

/* When programs run already. */
static void leak(void)
{
    thread_start_kernel("leaker", forget_memory, NULL);
}

static const struct {
    const char *name;
    void (*run)(void);
} bugs[] = {
    {"leak", leak},
    {"unlocked_counter", unlocked_counter},
    {"locked_counter", locked_counter},
    {"use_after_free", use_after_free},
    {"heap_overflow", heap_overflow},
    {"heap_overflow_in_library", heap_overflow_in_library},
    {"page_after_release", page_after_release},
    {"buffer_overflow", buffer_overflow},
    {"stack_overflow", deep_recursion},
    {"large_frames", large_frames},
    {"undefined_shift", undefined_shift},
    {"misaligned_access", misaligned_access},
    {"null_pointer", null_pointer},
    {"registers", fault_with_registers},
    {"locks", panic_with_locks},
    {"in_the_report", panic_in_the_report},
    {"many_threads", panic_with_many_threads},
    {"spinning_cpu", panic_beside_a_spinning_cpu},
    {"preempted", panic_beside_a_preempted_thread},
    {"two_panics", two_panics},
    {"deadlock", deadlock},
    {"spinning_deadlock", spinning_deadlock},
    {"livelock", livelock},
    {"hang", hang},
    {"call_nowhere", call_nowhere},
};

int __wrap_fs_mount_root(const char *disk, bool read_only)
{
    char wanted[32];

    if (cmdline_get("bug", wanted, sizeof(wanted))) {
        for (size_t i = 0; i < array_length(bugs); i++) {
            if (strcmp(bugs[i].name, wanted) == 0)
                bugs[i].run();
        }
        kprintf("bug=%s was not noticed\n", wanted);
    }
    return __real_fs_mount_root(disk, read_only);
}
