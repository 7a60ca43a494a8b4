/*
 * ThreadSanitizer in the running kernel (make SAN=thread): data races.
 *
 * The sanitizer follows which access happened before which other one, from thread to thread, by
 * the atomic operations with which they synchronise. For it, each thread of the kernel is a
 * *fiber*:
 *
 *      context_switch()            the next thread, after all that happened on this CPU so far:
 * they take turns. Code that disables interrupts, and their handlers, which run in the thread that
 * they interrupt, are ordered by that machine_schedule_run()      another CPU goes on, with
 * whatever thread it was in, and knows nothing new: coroutines or not, CPUs are parallel locks,
 * counts of references are made of the compiler's atomic operations, which the sanitizer sees as
 * such kern/sanitizer.h            tells what is no access of the kernel's own
 *
 * The translations and the A and D bits of page tables, which the MMU reads and sets at any time,
 * are changed by atomic operations as on hardware. Runs have a seed: CPUs are coroutines of one
 * host thread, and the race that is found is found again.
 *
 * A fiber belongs to a life of a thread. Which one is on a stack is kept in its lowest words, which
 * nobody reaches who does not overflow it.
 *
 * Signal handlers are the host's. They may come in the middle of the sanitizer's own code, so they
 * are installed behind its back, and what they do is not instrumented (not_instrumented).
 */
#include "kern/thread.h"
#include "arch/vkernel/seeded.h"
#include "arch/vkernel/vkernel.h"
#include "kern/cmdline.h"
#include "kern/cpu.h"
#include "kern/machine.h"
#include "kern/print.h"
#include "kern/sanitizer.h"
#include "kern/symbols.h"

#include <sanitizer/tsan_interface.h>

#define NO_SYNC   1 /* a flag of __tsan_switch_to_fiber() */
#define TRACE_MAX 16

/* The sanitizer's names; the compilers ship no header for these. */
const char *__tsan_default_options(void);
void __tsan_on_report(void *report);
int __tsan_get_report_mop(void *report, unsigned long index, int *tid, void **address, int *size,
                          int *is_write, int *is_atomic, void **trace, unsigned long trace_size);
int __tsan_get_report_data(void *report, const char **description, int *count, int *stack_count,
                           int *mop_count, int *loc_count, int *mutex_count, int *thread_count,
                           int *unique_tid_count, void **sleep_trace, unsigned long trace_size);
int __tsan_get_report_thread(void *report, unsigned long index, int *tid, uint64_t *os_id,
                             int *is_running, const char **name, int *parent_tid, void **trace,
                             unsigned long trace_size);

const char *__tsan_default_options(void)
{
    return "report_signal_unsafe=0:handle_segv=0:handle_sigbus=0:handle_sigfpe=0:handle_sigill=0:"
           "handle_abort=0:use_sigaltstack=0:report_thread_leaks=0:report_destroy_locked=0:"
           "atexit_sleep_ms=0:exitcode=125:history_size=4";
}

/* --- Fibers ---------------------------------------------------------------------------------- */

struct fiber {
    void *handle;
    uint32_t thread; /* its number; a stack has threads one after the other */
};

static void *resting[MAX_CPUS]; /* the fibers of CPUs that rest */

static not_instrumented void *fiber_of(const struct thread *thread)
{
    struct fiber *fiber = thread->stack;
    char name[24];

    if (fiber->handle != NULL && fiber->thread == thread->number)
        return fiber->handle;
    if (fiber->handle != NULL)
        __tsan_destroy_fiber(fiber->handle);
    fiber->handle = __tsan_create_fiber(0);
    fiber->thread = thread->number;
    format(name, sizeof(name), "%u",
           thread->number); /* for name_of(), and the sanitizer's report */
    __tsan_set_fiber_name(fiber->handle, name);
    return fiber->handle;
}

not_instrumented void sanitizer_before_switch(void)
{
    const struct cpu *cpu = cpu_self();

    __tsan_switch_to_fiber(fiber_of(cpu->current != NULL ? cpu->current : cpu->idle), 0);
}

not_instrumented void sanitizer_before_cpu_switch(unsigned from, struct cpu *to)
{
    resting[from] = __tsan_get_current_fiber();
    if (resting[to->id] == NULL) { /* the CPU starts, and knows what was before */
        AnnotateIgnoreSyncEnd(__FILE__, __LINE__);
        resting[to->id] = fiber_of(to->idle);
        AnnotateIgnoreSyncBegin(__FILE__, __LINE__);
    }
    __tsan_switch_to_fiber(resting[to->id], NO_SYNC);
}

void sanitizer_stack_goes(void *stack)
{
    struct fiber *fiber = stack;

    if (fiber->handle != NULL)
        __tsan_destroy_fiber(fiber->handle);
}

/* --- Volatile objects ------------------------------------------------------------------------ */

/* Calls that the compiler inserts, instead of those for ordinary accesses, where an object is
 * volatile. Such are the words that the port shares with signal handlers and with the host's
 * processes; each access is one of the hardware, as it stands there. */
#define VOLATILE_ACCESS(kind, size)                                                                \
    void __tsan_volatile_##kind##size(void *address);                                              \
    void __tsan_unaligned_volatile_##kind##size(void *address);                                    \
    void __tsan_volatile_##kind##size(void *address)                                               \
    {                                                                                              \
        (void)address;                                                                             \
    }                                                                                              \
    void __tsan_unaligned_volatile_##kind##size(void *address)                                     \
    {                                                                                              \
        (void)address;                                                                             \
    }

VOLATILE_ACCESS(read, 1)
VOLATILE_ACCESS(read, 2)
VOLATILE_ACCESS(read, 4)
VOLATILE_ACCESS(read, 8)
VOLATILE_ACCESS(read, 16)
VOLATILE_ACCESS(write, 1)
VOLATILE_ACCESS(write, 2)
VOLATILE_ACCESS(write, 4)
VOLATILE_ACCESS(write, 8)
VOLATILE_ACCESS(write, 16)

/* --- Findings -------------------------------------------------------------------------------- */

/* One of the two accesses that race. */
struct access {
    int tid, size, is_write, is_atomic;
    void *address, *trace[TRACE_MAX];
};

/* The number of the kernel's thread that the sanitizer calls `tid`; 0: none of the kernel's. */
static uint64_t number_of(void *report, int tid)
{
    void *trace[1];
    const char *name;
    int found, is_running, parent;
    uint64_t os_id, number = 0;

    for (unsigned long i = 0; i < 2; i++) {
        if (__tsan_get_report_thread(report, i, &found, &os_id, &is_running, &name, &parent, trace,
                                     1) &&
            found == tid && name != NULL)
            (void)!cmdline_parse_number(name, &number);
    }
    return number;
}

struct search {
    uint64_t number;
    const char *name;
};

static void look_at_thread(struct thread *thread, void *argument)
{
    struct search *search = argument;

    if (thread->number == search->number)
        search->name = thread->name;
}

static void print_access(void *report, const char *which, const struct access *access)
{
    struct search search = {number_of(report, access->tid), "has ended"};

    thread_for_each(look_at_thread, &search);
    kprintf("%s%s of %d bytes at %#lx by thread %lu '%s'\n", which,
            access->is_write ? "write" : "read", access->size, (unsigned long)access->address,
            search.number, search.name);
    for (unsigned i = 0; i < TRACE_MAX && access->trace[i] != NULL; i++)
        backtrace_print_call((vaddr_t)access->trace[i]);
}

struct race {
    void *report;
    struct access now, before;
};

static void explain(const void *argument)
{
    const struct race *race = argument;

    print_access(race->report, "", &race->now);
    print_access(race->report, "unordered with the ", &race->before);
}

static bool get_access(void *report, unsigned long index, struct access *access)
{
    return __tsan_get_report_mop(report, index, &access->tid, &access->address, &access->size,
                                 &access->is_write, &access->is_atomic, access->trace, TRACE_MAX);
}

static const char *function_at(const struct access *access)
{
    size_t offset;
    const char *name = symbol_find((vaddr_t)access->trace[0] - 1, &offset);

    return name != NULL ? name : "?";
}

/* The sanitizer has printed its own report, with source lines, and calls this, with its locks
 * held: nothing must be found from here on. */
void __tsan_on_report(void *report)
{
    static struct race race;

    __tsan_ignore_thread_begin();
    AnnotateIgnoreSyncBegin(__FILE__, __LINE__);
    if (!is_cpu_thread())
        die(125, 0, "ThreadSanitizer: see above");
    interrupts_disable();
    race.report = report;
    if (!get_access(report, 0, &race.now) || !get_access(report, 1, &race.before))
        panic("ThreadSanitizer: see above");
    panic_explained(explain, &race, "data race: %s in %s, %s in %s",
                    race.now.is_write ? "write" : "read", function_at(&race.now),
                    race.before.is_write ? "write" : "read", function_at(&race.before));
}

void sanitizer_init(void)
{
    if (!is_seeded)
        die(2, 0, "a kernel with SAN=thread runs with a seed only: --seed N");
}
