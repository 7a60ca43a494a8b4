/*
 * Panic: the end of a kernel that found one of its own promises broken.
 *
 * The other CPUs are stopped first, so that the report is of one moment; each notes where it was
 * (machine_stop() reaches it even with interrupts disabled). Then the CPU that panicked prints,
 * the essential first:
 *
 *      the message, and the last one before it, which often says why and may have gone nowhere
 *      its backtrace and, of a fault, the registers
 *      the other CPUs' backtraces; the locks that are held, by whom, taken where
 *      the other threads (kern/thread.c); the last events of each CPU (kern/trace.h)
 *
 * and lets the trace be written. From then on nothing takes a lock: who held it is stopped. What is
 * printed may be what is broken, so every list is followed for a bounded number of steps, and a
 * panic in the report only ends the report; one after that, the machine.
 *
 * Power off and the host's signals stop the CPUs, too, for the trace. Whoever comes first goes on
 * alone: `stopper`.
 */
#include "kern/panic.h"

#include "kern/cpu.h"
#include "kern/fail.h"
#include "kern/machine.h"
#include "kern/mutex.h"
#include "kern/print.h"
#include "kern/process.h"
#include "kern/sanitizer.h"
#include "kern/schedule_point.h"
#include "kern/spinlock.h"
#include "kern/string.h"
#include "kern/symbols.h"
#include "kern/thread.h"
#include "kern/trace.h"

#define PANIC_STATUS 125
#define ANSWER_TIME  (NSEC_PER_SEC)
#define LOCKS_SHOWN  32 /* of one CPU or thread */

static const void *stopper;                   /* (a) the CPU that goes on alone; &stopper: no CPU */
static bool has_panicked;                     /* (a) */
static enum { MESSAGE, REPORT, TRACE } stage; /* how far the report is */

bool is_panicking(void)
{
    return __atomic_load_n(&has_panicked, __ATOMIC_ACQUIRE);
}

/* --- Stopping ------------------------------------------------------------------------------ */

bool cpus_stop(struct cpu *self)
{
    const void *expected = NULL, *wanted = self != NULL ? (void *)self : (void *)&stopper;
    nsec_t deadline = machine_clock() + ANSWER_TIME;

    if (!__atomic_compare_exchange_n(&stopper, &expected, wanted, false, __ATOMIC_ACQ_REL,
                                     __ATOMIC_ACQUIRE))
        return expected == wanted;
    trace_stop();
    for (unsigned id = 0; id < machine_cpu_count(); id++) {
        if (&cpus[id] != self && cpus[id].current != NULL)
            machine_stop(&cpus[id]);
    }
    for (unsigned id = 0; id < machine_cpu_count(); id++) {
        while (&cpus[id] != self && cpus[id].current != NULL &&
               !__atomic_load_n(&cpus[id].is_stopped, __ATOMIC_ACQUIRE) &&
               machine_clock() < deadline) {
            if (self != NULL)
                cpu_relax();
        }
    }
    return true;
}

not_instrumented bool stop_is_wanted(void)
{
    const void *other = __atomic_load_n(&stopper, __ATOMIC_ACQUIRE);

    return other != NULL && other != cpu_self();
}

not_instrumented bool cpus_are_stopped(void)
{
    return __atomic_load_n(&stopper, __ATOMIC_ACQUIRE) != NULL;
}

void stop_interrupt(vaddr_t pc, vaddr_t fp)
{
    struct cpu *self;

    interrupts_disable();
    self = cpu_self();
    self->stopped_pc = pc;
    self->stopped_fp = fp;
    __atomic_store_n(&self->is_stopped, true, __ATOMIC_RELEASE);
    machine_halt();
}

void panic_check(void)
{
    if (stop_is_wanted())
        stop_interrupt(0, (vaddr_t)__builtin_frame_address(0));
}

/* --- The report ---------------------------------------------------------------------------- */

static void print_cpu(const struct cpu *cpu, vaddr_t pc, vaddr_t fp)
{
    const struct thread *thread = cpu->current;

    if (thread == NULL) {
        kprintf("cpu %u: no thread\n", cpu->id);
        return;
    }
    kprintf("cpu %u: thread %u '%s'", cpu->id, thread->number, thread->name);
    if (thread->process != NULL)
        kprintf(", process %d", thread->process->pid);
    kprintf("\n");
    if (thread->stack != NULL)
        backtrace_print(pc, fp, (vaddr_t)thread->stack, (vaddr_t)thread->stack + KERNEL_STACK_SIZE);
}

static void print_other_cpus(const struct cpu *self)
{
    for (unsigned id = 0; id < machine_cpu_count(); id++) {
        const struct cpu *cpu = &cpus[id];

        if (cpu == self || cpu->current == NULL)
            continue;
        if (__atomic_load_n(&cpu->is_stopped, __ATOMIC_ACQUIRE))
            print_cpu(cpu, cpu->stopped_pc, cpu->stopped_fp);
        else
            kprintf("cpu %u: thread %u '%s'; does not answer\n", id, cpu->current->number,
                    cpu->current->name);
    }
}

#ifdef DEBUG
/* One line of a lock: who holds it, and the function that took it. */
static void print_lock(const char *kind, const char *name, const char *holder, unsigned number,
                       vaddr_t taken_at)
{
    size_t offset = 0;
    const char *function = symbol_find(taken_at - 1, &offset);

    kprintf("%s '%s': held by %s %u, taken in %s+0x%zx\n", kind, name, holder, number,
            function != NULL ? function : "?", offset + 1);
}

static void print_mutexes(struct thread *thread, void *unused)
{
    const struct mutex *mutex = thread->held;

    (void)unused;
    for (int i = 0; mutex != NULL && i < LOCKS_SHOWN; i++, mutex = mutex->previous)
        print_lock("mutex", mutex->name, "thread", thread->number, mutex->taken_at);
}

static void print_locks(void)
{
    for (unsigned id = 0; id < machine_cpu_count(); id++) {
        const struct spinlock *lock = cpus[id].held;

        for (int i = 0; lock != NULL && i < LOCKS_SHOWN; i++, lock = lock->previous)
            print_lock("spinlock", lock->name, "cpu", id, lock->taken_at);
    }
    thread_for_each(print_mutexes, NULL);
}
#else
static void print_locks(void)
{
}
#endif

static void noreturn_fn finish(void)
{
    stage = TRACE;
    trace_write();
    machine_power_off(PANIC_STATUS);
}

/* A panic in the report of one. */
static void noreturn_fn panic_again(const char *message)
{
    if (stage == REPORT) {
        kprintf("the report ends here: %s\n", message);
        finish();
    }
    machine_power_off(PANIC_STATUS);
}

/* What is said of a panic beside its message. */
struct panic_place {
    vaddr_t pc, fp;                    /* where the backtrace starts; pc may be 0 */
    const struct trapframe *registers; /* of a fault, or NULL */
    void (*explain)(const void *argument);
    const void *argument;
};

static void noreturn_fn panic_v(const struct panic_place *place, const char *fmt, va_list arguments)
{
    char message[256], line[300];
    struct cpu *self;

    interrupts_disable();
    self = cpu_self();
    if (!cpus_stop(self))
        stop_interrupt(place->pc, place->fp);
    format_v(message, sizeof(message), fmt, arguments);
    if (is_panicking())
        panic_again(message);
    __atomic_store_n(&has_panicked, true, __ATOMIC_RELEASE);
    schedule_report();
    format(line, sizeof(line), "panic %s\n", message);
    machine_results_write(line, strlen(line));
    kprintf("\npanic: %s\n", message);
    stage = REPORT;
    if (place->explain != NULL)
        place->explain(place->argument);
    fail_print();
    log_print_last();
    print_cpu(self, place->pc, place->fp);
    if (place->registers != NULL)
        machine_print_registers(place->registers);
    print_other_cpus(self);
    print_locks();
    thread_print_all();
    trace_print_last();
    finish();
}

void panic(const char *fmt, ...)
{
    struct panic_place place = {.fp = (vaddr_t)__builtin_frame_address(0)};
    va_list arguments;

    va_start(arguments, fmt);
    panic_v(&place, fmt, arguments);
}

void panic_at(vaddr_t pc, vaddr_t fp, const struct trapframe *registers, const char *fmt, ...)
{
    struct panic_place place = {.pc = pc, .fp = fp, .registers = registers};
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
