/*
 * Kernel messages and panic.
 *
 * A message is formatted on the stack and written under the log lock, so that lines of
 * different CPUs do not mix. Once a panic begins the lock is no longer taken: whoever held it
 * may never release it.
 *
 * A panic prints its own message and the last one before it, which often says why and may have
 * gone nowhere, then backtrace and locks; then it kicks the other CPUs. Each comes to
 * panic_check() through its kick handler, or from the loop in which it waits for a lock with
 * interrupts disabled, prints the same of itself, and stops. They take turns by `panic_turn`.
 * A CPU that does not answer within a second is named and left alone.
 */
#include "kern/print.h"

#include "kern/cpu.h"
#include "kern/machine.h"
#include "kern/mutex.h"
#include "kern/process.h"
#include "kern/spinlock.h"
#include "kern/string.h"
#include "kern/symbols.h"
#include "kern/thread.h"

#define PANIC_STATUS 125
#define LINE_SIZE    512
#define ANSWER_TIME  (NSEC_PER_SEC)

static struct spinlock log_lock = SPINLOCK_INITIALIZER("log", LOCK_LOG);

static char last_message[LINE_SIZE]; /* before a panic; under log_lock */

static struct cpu *panic_cpu;  /* (a) the CPU that panicked first */
static struct cpu *panic_turn; /* (a) the other CPU that may print now */

void kprintf(const char *fmt, ...)
{
    char line[LINE_SIZE];
    va_list arguments;
    int length;

    va_start(arguments, fmt);
    length = format_v(line, sizeof(line), fmt, arguments);
    va_end(arguments);
    length = min(length, (int)sizeof(line) - 1);

    bool is_locked = !is_panicking();
    if (is_locked) {
        spin_lock(&log_lock);
        string_copy(last_message, line, sizeof(last_message));
    }
    machine_log_write(line, (size_t)length);
    if (is_panicking() && !machine_log_is_console())
        machine_console_write(line, (size_t)length);
    if (is_locked)
        spin_unlock(&log_lock);
}

bool is_panicking(void)
{
    return __atomic_load_n(&panic_cpu, __ATOMIC_ACQUIRE) != NULL;
}

static void print_locks(struct cpu *cpu)
{
#ifdef DEBUG
    for (struct spinlock *lock = cpu->held; lock != NULL; lock = lock->previous) {
        kprintf("  holds spinlock '%s', taken at\n", lock->name);
        backtrace_print(lock->taken_at, 0, 0, 0);
    }
    if (cpu->current == NULL)
        return;
    for (struct mutex *mutex = cpu->current->held; mutex != NULL; mutex = mutex->previous) {
        kprintf("  holds mutex '%s', taken at\n", mutex->name);
        backtrace_print(mutex->taken_at, 0, 0, 0);
    }
#else
    (void)cpu;
#endif
}

static void print_cpu(struct cpu *cpu, vaddr_t pc, vaddr_t fp)
{
    struct thread *thread = cpu->current;
    vaddr_t low = 0, high = 0;

    if (thread != NULL && thread->process != NULL)
        kprintf("cpu %u: thread '%s', process %d\n", cpu->id, thread->name, thread->process->pid);
    else
        kprintf("cpu %u: thread '%s'\n", cpu->id, thread != NULL ? thread->name : "none");
    if (thread != NULL && thread->stack != NULL) {
        low = (vaddr_t)thread->stack;
        high = low + KERNEL_STACK_SIZE;
    }
    backtrace_print(pc, fp, low, high);
    print_locks(cpu);
}

/* The other CPUs print their state one after the other. */
static void collect_others(struct cpu *self)
{
    for (unsigned id = 0; id < machine_cpu_count(); id++) {
        struct cpu *other = &cpus[id];
        nsec_t deadline = machine_clock() + ANSWER_TIME;

        if (other == self || other->current == NULL)
            continue;
        __atomic_store_n(&panic_turn, other, __ATOMIC_RELEASE);
        machine_kick(other);
        while (__atomic_load_n(&panic_turn, __ATOMIC_ACQUIRE) == other &&
               machine_clock() < deadline)
            cpu_relax();
        if (__atomic_load_n(&panic_turn, __ATOMIC_ACQUIRE) == other)
            kprintf("cpu %u: does not answer\n", id);
    }
}

void panic_check(void)
{
    struct cpu *self = cpu_self();

    if (!is_panicking() || panic_cpu == self)
        return;
    interrupts_disable();
    while (__atomic_load_n(&panic_turn, __ATOMIC_ACQUIRE) != self)
        cpu_relax();
    print_cpu(self, 0, (vaddr_t)__builtin_frame_address(0));
    __atomic_store_n(&panic_turn, NULL, __ATOMIC_RELEASE);
    for (;;)
        cpu_relax();
}

/* What is said of a panic beside its message. */
struct panic_place {
    vaddr_t pc, fp; /* where the backtrace starts; pc may be 0 */
    void (*explain)(const void *argument);
    const void *argument;
};

static void noreturn_fn panic_v(const struct panic_place *place, const char *fmt, va_list arguments)
{
    char message[256], line[300];
    struct cpu *expected = NULL, *self;

    interrupts_disable();
    self = cpu_self();
    if (!__atomic_compare_exchange_n(&panic_cpu, &expected, self, false, __ATOMIC_ACQ_REL,
                                     __ATOMIC_ACQUIRE)) {
        if (expected != self)
            panic_check();
        machine_power_off(PANIC_STATUS); /* a panic while printing one */
    }
    format_v(message, sizeof(message), fmt, arguments);
    kprintf("\npanic: %s\n", message);
    if (place->explain != NULL)
        place->explain(place->argument);
    if (last_message[0] != '\0')
        kprintf("last message: %s", last_message);
    print_cpu(self, place->pc, place->fp);
    collect_others(self);
    format(line, sizeof(line), "panic %s\n", message);
    machine_results_write(line, strlen(line));
    machine_power_off(PANIC_STATUS);
}

void panic(const char *fmt, ...)
{
    struct panic_place place = {.fp = (vaddr_t)__builtin_frame_address(0)};
    va_list arguments;

    va_start(arguments, fmt);
    panic_v(&place, fmt, arguments);
}

void panic_at(vaddr_t pc, vaddr_t fp, const char *fmt, ...)
{
    struct panic_place place = {.pc = pc, .fp = fp};
    va_list arguments;

    va_start(arguments, fmt);
    panic_v(&place, fmt, arguments);
}

void panic_explained(void (*explain)(const void *), const void *argument, const char *fmt, ...)
{
    struct panic_place place = {
        .fp = (vaddr_t)__builtin_frame_address(0), .explain = explain, .argument = argument};
    va_list arguments;

    va_start(arguments, fmt);
    panic_v(&place, fmt, arguments);
}
