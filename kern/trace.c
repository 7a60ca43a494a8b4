/*
 * The event trace: recording.
 *
 * Each CPU has a ring of events, which only it writes, with interrupts disabled: a clock read and
 * eight words stored, no lock, no atomic operation. An event is complete before `count` says that
 * it is there, so a CPU that is stopped in the midst leaves a consistent ring; only the oldest
 * event may just be overwritten, and is never read.
 *
 *      blocks[0] ... blocks[n]             event number i lies at position i & mask
 *      +-----------+-----------+
 *      |  oldest ->|-> newest  |           count = 1 + number of the newest
 *      +-----------+-----------+
 *
 * An event has what is needed to show it: names of threads that may be gone later, and of what
 * lasts the time when it began. So where older events have been overwritten nothing that is left
 * depends on them.
 *
 * At the end of the machine the CPUs are stopped, then the rings are read: the last events of each
 * by the report of a panic (trace_print.c), everything by trace_json.c.
 */
#include "kern/trace.h"

#include "kern/cmdline.h"
#include "kern/cpu.h"
#include "kern/dev/block.h"
#include "kern/machine.h"
#include "kern/print.h"
#include "kern/process.h"
#include "kern/string.h"
#include "vm/heap.h"
#include "vm/page.h"

#define BLOCK_ORDER  4
#define BLOCK_EVENTS ((PAGE_SIZE << BLOCK_ORDER) / sizeof(struct trace_event))
#define EVENTS_MAX   (1UL << 22) /* for each CPU */
#define EVENTS_FILE  (1UL << 15) /* the default of the word `trace` */
#define MEMORY_PART  8           /* of all memory, for the rings */
#ifdef DEBUG
#define EVENTS_SMALL BLOCK_EVENTS
#else
#define EVENTS_SMALL 0
#endif

_Static_assert(sizeof(struct trace_event) == 64, "a cache line");
_Static_assert(sizeof(struct trace_switch_words) == TRACE_WORDS * sizeof(uint64_t), "fits");

bool trace_is_on;

/* How many events each CPU is to keep: a power of two, in whole blocks; 0: none. */
static uint64_t wanted_events(void)
{
    uint64_t wanted = 0, events = BLOCK_EVENTS;
    char value[16];

    if (!cmdline_get("trace", value, sizeof(value)))
        return EVENTS_SMALL;
    for (const char *digit = value; *digit >= '0' && *digit <= '9'; digit++)
        wanted = min(wanted * 10 + (uint64_t)(*digit - '0'), EVENTS_MAX);
    if (wanted == 0)
        wanted = EVENTS_FILE;
    while (events < wanted)
        events *= 2;
    return events;
}

/* Halve it until all rings take no more than a part of the memory. */
static uint64_t affordable_events(uint64_t wanted)
{
    size_t room = page_free_count() * PAGE_SIZE / MEMORY_PART;
    uint64_t events = wanted;

    while (events > BLOCK_EVENTS &&
           events * sizeof(struct trace_event) * machine_cpu_count() > room)
        events /= 2;
    if (events < wanted)
        kprintf("trace: there is memory for the last %lu events of each CPU\n", events);
    return events;
}

static bool ring_create(struct trace_ring *ring, uint64_t events)
{
    uint64_t blocks = events / BLOCK_EVENTS;

    ring->mask = events - 1;
    ring->blocks = kmalloc(blocks * sizeof(ring->blocks[0]));
    for (uint64_t i = 0; ring->blocks != NULL && i < blocks; i++) {
        struct page *page = page_alloc(BLOCK_ORDER);

        if (page == NULL)
            return false;
        ring->blocks[i] = page_data(page);
    }
    return ring->blocks != NULL;
}

void trace_init(void)
{
    uint64_t events = affordable_events(wanted_events());

    trace_is_on = events > 0;
    for (unsigned id = 0; id < machine_cpu_count() && trace_is_on; id++)
        trace_is_on = ring_create(&cpus[id].trace, events);
}

static struct trace_event *event_at(const struct trace_ring *ring, uint64_t number)
{
    uint64_t position = number & ring->mask;

    return &ring->blocks[position / BLOCK_EVENTS][position % BLOCK_EVENTS];
}

nsec_t trace_record(enum trace_kind kind, unsigned detail, const uint64_t words[TRACE_WORDS])
{
    bool were_on = interrupts_disable();
    struct cpu *cpu = cpu_self();
    struct trace_ring *ring = &cpu->trace;
    struct trace_event *event = event_at(ring, ring->count);
    nsec_t now = machine_clock();

    event->time = now;
    event->thread = cpu->current != NULL ? cpu->current->number : 0;
    event->kind = (uint16_t)kind;
    event->detail = (uint16_t)detail;
    for (int i = 0; i < TRACE_WORDS; i++)
        event->words[i] = words[i];
    __atomic_store_n(&ring->count, ring->count + 1, __ATOMIC_RELEASE);
    interrupts_restore(were_on);
    return now;
}

/* --- What happens -------------------------------------------------------------------------- */

nsec_t trace_clock(void)
{
    return trace_is_on ? machine_clock() : 0;
}

void trace_switch(const struct thread *previous, struct thread *next, nsec_t began, nsec_t ended)
{
    struct trace_switch_words words = {
        .previous = previous->number,
        .began = began,
        .ended = ended,
        .woken_at = next->woken_at,
    };
    uint64_t raw[TRACE_WORDS];

    if (!trace_is_on)
        return;
    next->woken_at = 0;
    memcpy(words.name, previous->name, sizeof(words.name));
    memcpy(raw, &words, sizeof(raw));
    trace_record(TRACE_SWITCH, 0, raw);
}

void trace_wake(struct thread *thread)
{
    uint64_t words[TRACE_WORDS] = {thread->number};

    if (!trace_is_on)
        return;
    memcpy(&words[1], thread->name, sizeof(thread->name));
    thread->woken_at = trace_record(TRACE_WAKE, 0, words);
}

/* An unknown call may have any number. */
static unsigned syscall_detail(uint64_t number)
{
    return (unsigned)min(number, (uint64_t)UINT16_MAX);
}

void trace_thread_end(struct thread *self)
{
    uint64_t words[TRACE_WORDS] = {(uint64_t)self->tid};

    if (!trace_is_on)
        return;
    memcpy(&words[1], self->name, sizeof(self->name));
    words[3] = (uint64_t)self->syscall_began;
    trace_record(TRACE_THREAD_END, syscall_detail(self->syscall_number), words);
    self->syscall_began = 0;
}

void trace_syscall_enter(struct thread *self, uint64_t number, const uint64_t arguments[6])
{
    self->syscall_number = number;
    if (trace_is_on)
        self->syscall_began = trace_record(TRACE_SYSCALL_ENTER, syscall_detail(number), arguments);
}

void trace_syscall_exit(struct thread *self, uint64_t number, int64_t result)
{
    trace(TRACE_SYSCALL_EXIT, syscall_detail(number), (uint64_t)self->syscall_began,
          (uint64_t)result, 0);
    self->syscall_began = 0;
}

static enum trace_block block_kind(const struct block_request *request)
{
    if (request->is_flush)
        return TRACE_BLOCK_FLUSH;
    return request->is_write ? TRACE_BLOCK_WRITE : TRACE_BLOCK_READ;
}

void trace_block_submit(struct block_request *request)
{
    request->submitted =
        trace(TRACE_BLOCK_SUBMIT, block_kind(request), request->sector, request->count, 0);
}

void trace_block_done(const struct block_request *request)
{
    const uint64_t words[TRACE_WORDS] = {(uint64_t)request->submitted, request->sector,
                                         request->count, (uint64_t)request->error};

    if (trace_is_on)
        trace_record(TRACE_BLOCK_DONE, block_kind(request), words);
}

/* --- Reading ------------------------------------------------------------------------------- */

void trace_stop(void)
{
    __atomic_store_n(&trace_is_on, false, __ATOMIC_SEQ_CST);
}

uint64_t trace_first(const struct trace_ring *ring)
{
    return ring->count > ring->mask ? ring->count - ring->mask : 0;
}

const struct trace_event *trace_event(const struct trace_ring *ring, uint64_t number)
{
    return event_at(ring, number);
}

uint64_t trace_count(uint64_t *lost)
{
    uint64_t count = 0;

    *lost = 0;
    for (unsigned id = 0; id < machine_cpu_count(); id++) {
        count += cpus[id].trace.count;
        *lost += trace_first(&cpus[id].trace);
    }
    return count;
}
