/*
 * The event trace as text: the last events of each CPU, for the report of a panic.
 */
#include "kern/trace.h"

#include "kern/abi/mman.h"
#include "kern/cpu.h"
#include "kern/machine.h"
#include "kern/print.h"
#include "kern/string.h"
#include "kern/syscall.h"
#include "kern/thread.h"

#define EVENTS_SHOWN 12UL /* of each CPU */

const char *trace_access_name(unsigned access)
{
    return access == PROT_EXEC ? "execute" : access == PROT_WRITE ? "write" : "read";
}

const char *trace_block_name(unsigned kind)
{
    return kind == TRACE_BLOCK_FLUSH ? "flush" : kind == TRACE_BLOCK_WRITE ? "write" : "read";
}

/* What a system call is called, `buffer` being for one that has no name. */
static const char *call_name(uint64_t number, char *buffer, size_t size)
{
    const char *name = syscall_name(number);

    if (name == NULL)
        format(buffer, size, "system call %lu", number);
    return name != NULL ? name : buffer;
}

static void describe(const struct trace_event *event, char *text, size_t size)
{
    const uint64_t *words = event->words;
    const char *name = (const char *)words[0];
    struct trace_switch_words run;
    char buffer[32];

    switch ((enum trace_kind)event->kind) {
    case TRACE_SWITCH:
        memcpy(&run, words, sizeof(run));
        format(text, size, "runs after thread %lu '%.16s'", run.previous, run.name);
        break;
    case TRACE_WAKE:
        format(text, size, "wakes thread %lu '%.16s'", words[0], (const char *)&words[1]);
        break;
    case TRACE_THREAD_END:
        format(text, size, "ends: '%.16s'", (const char *)&words[1]);
        break;
    case TRACE_SYSCALL_ENTER:
        format(text, size, "%s(0x%lx, 0x%lx, 0x%lx, ...)",
               call_name(event->detail, buffer, sizeof(buffer)), words[0], words[1], words[2]);
        break;
    case TRACE_SYSCALL_EXIT:
        format(text, size, "%s = %ld", call_name(event->detail, buffer, sizeof(buffer)),
               (int64_t)words[1]);
        break;
    case TRACE_FAULT:
        format(text, size, "page fault: %s at 0x%lx = %ld", trace_access_name(event->detail),
               words[1], (int64_t)words[2]);
        break;
    case TRACE_LOCK_SPUN:
        format(text, size, "has spun for spinlock '%s'", name);
        break;
    case TRACE_LOCK_WAIT:
        format(text, size, "waits for mutex '%s'", name);
        break;
    case TRACE_LOCK_TAKEN:
        format(text, size, "takes mutex '%s'", name);
        break;
    case TRACE_LOCK_RELEASED:
        format(text, size, "releases mutex '%s'", name);
        break;
    case TRACE_INTERRUPT:
        format(text, size, "%s interrupt", name);
        break;
    case TRACE_KICK:
        format(text, size, "kicks cpu %lu", words[0]);
        break;
    case TRACE_BLOCK_SUBMIT:
        format(text, size, "submits disk %s, sector %lu, %lu sectors",
               trace_block_name(event->detail), words[0], words[1]);
        break;
    case TRACE_BLOCK_DONE:
        format(text, size, "disk %s done, sector %lu, %lu sectors, error %ld",
               trace_block_name(event->detail), words[1], words[2], -(int64_t)words[3]);
        break;
    }
}

static void print_event(const struct trace_event *event)
{
    char text[128] = "?";

    describe(event, text, sizeof(text));
    kprintf("  %5ld.%06ld thread %u: %s\n", event->time / NSEC_PER_SEC,
            event->time % NSEC_PER_SEC / NSEC_PER_USEC, event->thread, text);
}

void trace_print_last(void)
{
    for (unsigned id = 0; id < machine_cpu_count(); id++) {
        const struct trace_ring *ring = &cpus[id].trace;
        uint64_t first = trace_first(ring), count = ring->count;

        if (count == 0)
            continue;
        kprintf("cpu %u, last events:\n", id);
        for (uint64_t i = max(first, count - min(count, EVENTS_SHOWN)); i < count; i++)
            print_event(trace_event(ring, i));
    }
}
