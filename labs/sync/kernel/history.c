/*
 * Lab sync: the history (history.h), written to the console event by event, so that it is there
 * when the kernel panics.
 *
 * history_begin() is a lock of its own: it must neither depend on the locks that are judged nor
 * have a scheduling point. Where CPUs run one at a time it is always free.
 */
#include "labs/sync/kernel/history.h"

#include "kern/cpu.h"
#include "kern/machine.h"
#include "kern/print.h"
#include "kern/spinlock.h"

#define LINES_MAX 20000

static struct thread *workers[WORKERS_MAX]; /* (i) while is_running */
static unsigned worker_count;               /* (i) while is_running */
static bool is_running;                     /* (a) */
static bool is_busy;                        /* (a) between history_begin() and history_end() */
static unsigned lines;                      /* between them */

void history_start(struct thread *const threads[], unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        workers[i] = threads[i];
    worker_count = count;
    __atomic_store_n(&is_running, true, __ATOMIC_RELEASE);
}

void history_stop(void)
{
    __atomic_store_n(&is_running, false, __ATOMIC_RELEASE);
}

int history_worker(void)
{
    const struct cpu *cpu;
    const struct thread *self;
    bool were_on;

    if (!__atomic_load_n(&is_running, __ATOMIC_ACQUIRE) || is_panicking())
        return -1;
    were_on = interrupts_disable();
    cpu = cpu_self();
    self = cpu->in_interrupt ? NULL : cpu->current;
    interrupts_restore(were_on);
    for (unsigned i = 0; i < worker_count; i++) {
        if (workers[i] == self)
            return (int)i;
    }
    return -1;
}

bool history_begin(void)
{
    bool were_on = interrupts_disable();

    while (__atomic_exchange_n(&is_busy, true, __ATOMIC_ACQUIRE))
        __builtin_ia32_pause();
    return were_on;
}

void history_end(bool interrupts_were_on)
{
    __atomic_store_n(&is_busy, false, __ATOMIC_RELEASE);
    interrupts_restore(interrupts_were_on);
}

static void add_line(const char *line, int length)
{
    bool were_on = history_begin();

    if (++lines <= LINES_MAX)
        machine_console_write(line, (size_t)length);
    history_end(were_on);
}

void history_add_of(int worker, const char *subject, const char *event)
{
    char line[64];

    if (worker >= 0)
        add_line(line, format(line, sizeof(line), "w%d %s %s\n", worker, subject, event));
}

void history_add(const char *subject, const char *event)
{
    history_add_of(history_worker(), subject, event);
}

void history_add_value(const char *subject, const char *event, uint64_t value)
{
    int worker = history_worker();
    char line[64];

    if (worker >= 0)
        add_line(line,
                 format(line, sizeof(line), "w%d %s %s %lu\n", worker, subject, event, value));
}
