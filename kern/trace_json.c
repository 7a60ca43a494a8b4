/*
 * The event trace as JSON, in the Trace Event Format that chrome://tracing and Perfetto open
 * ("Trace Event Format", Google 2016).
 *
 *      process 1, "CPUs"       a track a CPU: who ran (X), interrupts (i), arrows from the one who
 *                              wakes to the one who runs (s, f), disk requests (b, e)
 *      process 2, "threads"    a track a thread: system calls (B, E), page faults and waits for
 *                              locks (X), what it did to others (i)
 *
 * The rings of the CPUs are merged by time. A ring that has overwritten its oldest events knows
 * nothing of the time before; so the trace starts where all of them know everything: `start`.
 * What began earlier is shown from there on, and what still lasts, until the end. So every B
 * has its E: a system call that began before `start` is one X, and the calls that threads are
 * in at the end are ended there.
 */
#include "kern/trace.h"

#include "kern/cmdline.h"
#include "kern/cpu.h"
#include "kern/machine.h"
#include "kern/main.h"
#include "kern/panic.h"
#include "kern/print.h"
#include "kern/string.h"
#include "kern/syscall.h"
#include "kern/thread.h"

#define CPUS       1 /* "processes" */
#define THREADS    2
#define CPU_TRACKS 1000000 /* threads' tracks are their numbers */

#define EVENT_SIZE 512

static char buffer[8192];
static size_t buffered;

static nsec_t start, end;

/* --- Text ---------------------------------------------------------------------------------- */

static void flush(void)
{
    machine_trace_write(buffer, buffered);
    buffered = 0;
}

/* Append a piece of at most EVENT_SIZE bytes. */
static void put(const char *fmt, ...) printf_like(1, 2);
static void put(const char *fmt, ...)
{
    va_list arguments;

    if (buffered + EVENT_SIZE > sizeof(buffer))
        flush();
    va_start(arguments, fmt);
    buffered +=
        (size_t)min(format_v(buffer + buffered, EVENT_SIZE, fmt, arguments), EVENT_SIZE - 1);
    va_end(arguments);
}

/* A string of JSON without its quotes; `size` bounds a name without an end. */
struct text {
    char s[64];
};

static struct text quote(const char *name, size_t size)
{
    struct text text = {""};
    size_t length = 0;

    for (size_t i = 0; i < size && name[i] != '\0' && length < sizeof(text.s) - 3; i++) {
        if (name[i] == '"' || name[i] == '\\')
            text.s[length++] = '\\';
        text.s[length++] = name[i] >= ' ' && name[i] <= '~' ? name[i] : '?';
    }
    return text;
}

static struct text constant(uint64_t word)
{
    const char *name = (const char *)word;

    return quote(name, strlen(name));
}

static struct text syscall_text(uint64_t number)
{
    const char *name = syscall_name(number);
    struct text text = {""};

    if (name != NULL)
        return quote(name, strlen(name));
    format(text.s, sizeof(text.s), "system call %lu", number);
    return text;
}

/* A place on a track and in time; times are in microseconds. */
struct place {
    unsigned process;
    uint64_t track;
    nsec_t time;
};

static void put_head(const char *phase, const char *name, struct place at)
{
    put(",\n{\"ph\":\"%s\",\"name\":\"%s\",\"pid\":%u,\"tid\":%lu,\"ts\":%ld.%03ld", phase, name,
        at.process, at.track, at.time / NSEC_PER_USEC, at.time % NSEC_PER_USEC);
}

/* What began at `began` and ended at `at`; the caller adds the arguments and "}". */
static void put_span(const char *name, nsec_t began, struct place at)
{
    nsec_t ended = at.time;

    at.time = max(began, start);
    put_head("X", name, at);
    put(",\"dur\":%ld.%03ld", (ended - at.time) / NSEC_PER_USEC, (ended - at.time) % NSEC_PER_USEC);
}

static void put_instant(const char *name, struct place at)
{
    put_head("i", name, at);
    put(",\"s\":\"t\"");
}

static void put_name(const char *what, struct place at, const char *name)
{
    put(",\n{\"ph\":\"M\",\"name\":\"%s\",\"pid\":%u,\"tid\":%lu,\"args\":{\"name\":\"%s\"}}", what,
        at.process, at.track, name);
}

static void put_thread_name(uint64_t number, struct text name, pid_t pid)
{
    struct place at = {THREADS, number, 0};

    if (pid != 0)
        format(name.s + strlen(name.s), sizeof(name.s) - strlen(name.s), " %d", pid);
    put_name("thread_name", at, name.s);
    put(",\n{\"ph\":\"M\",\"name\":\"thread_sort_index\",\"pid\":%u,\"tid\":%lu,"
        "\"args\":{\"sort_index\":%lu}}",
        at.process, at.track, number);
}

/* --- Events -------------------------------------------------------------------------------- */

/* Ends the system call that a thread is in since `began`. */
static void put_syscall_end(uint64_t number, nsec_t began, struct place at)
{
    if (began >= start)
        put_head("E", syscall_text(number).s, at);
    else
        put_span(syscall_text(number).s, began, at);
}

static void put_syscall(const struct trace_event *event, struct place at)
{
    const uint64_t *words = event->words;

    if (event->kind == TRACE_SYSCALL_ENTER) {
        put_head("B", syscall_text(event->detail).s, at);
        put(",\"args\":{\"arguments\":\"0x%lx, 0x%lx, 0x%lx, 0x%lx, 0x%lx, 0x%lx\"}}", words[0],
            words[1], words[2], words[3], words[4], words[5]);
    } else {
        put_syscall_end(event->detail, (nsec_t)words[0], at);
        put(",\"args\":{\"result\":%ld}}", (int64_t)words[1]);
    }
}

/* An arrow's end: its name is the woken thread and when. */
static void put_arrow(const char *phase, uint64_t thread, nsec_t woken_at, struct place at)
{
    put_head(phase, "wake-up", at);
    put(",\"cat\":\"sched\",\"id\":\"%lu.%ld\"%s}", thread, woken_at,
        phase[0] == 'f' ? ",\"bp\":\"e\"" : "");
}

/* `thread` ran on the CPU since `began`. */
static void put_run(const char *name, uint64_t thread, nsec_t began, struct place at)
{
    put_span(name, began, at);
    put(",\"args\":{\"thread\":%lu}}", thread);
}

static void put_switch(const struct trace_event *event, struct place at)
{
    struct trace_switch_words words;

    memcpy(&words, event->words, sizeof(words));
    at.time = words.ended;
    if (words.ended <= start)
        return;
    put_run(quote(words.name, sizeof(words.name)).s, words.previous, words.began, at);
    if (words.woken_at != 0 && words.woken_at >= start)
        put_arrow("f", event->thread, words.woken_at, at);
}

static void put_wake(const struct trace_event *event, struct place cpu, struct place thread)
{
    struct text name = quote((const char *)&event->words[1], 16);

    put_arrow("s", event->words[0], event->time, cpu);
    put_instant("wake up", thread);
    put(",\"args\":{\"thread\":%lu,\"name\":\"%s\"}}", event->words[0], name.s);
}

static void put_thread_end(const struct trace_event *event, struct place at)
{
    put_thread_name(event->thread, quote((const char *)&event->words[1], 16),
                    (pid_t)event->words[0]);
    if (event->words[3] != 0) {
        put_syscall_end(event->detail, (nsec_t)event->words[3], at);
        put("}");
    }
}

static void put_lock(const struct trace_event *event, const char *did, struct place at)
{
    bool has_lasted = event->kind == TRACE_LOCK_SPUN || event->kind == TRACE_LOCK_TAKEN;
    char name[96];

    format(name, sizeof(name), "%s '%s'", did, constant(event->words[0]).s);
    if (has_lasted)
        put_span(name, (nsec_t)event->words[1], at);
    else
        put_instant(name, at);
    put("}");
}

static void put_fault(const struct trace_event *event, struct place at)
{
    put_span("page fault", (nsec_t)event->words[0], at);
    put(",\"args\":{\"address\":\"0x%lx\",\"access\":\"%s\",\"result\":%ld}}", event->words[1],
        trace_access_name(event->detail), (int64_t)event->words[2]);
}

static void put_block(const struct trace_event *event, struct place cpu, struct place thread)
{
    const uint64_t *words = event->words;
    char name[16];

    format(name, sizeof(name), "disk %s", trace_block_name(event->detail));
    if (event->kind == TRACE_BLOCK_SUBMIT) {
        put_instant(name, thread);
        put(",\"args\":{\"sector\":%lu,\"count\":%lu}}", words[0], words[1]);
        return;
    }
    for (int is_end = 0; is_end <= 1; is_end++) {
        cpu.time = is_end ? event->time : max((nsec_t)words[0], start);
        put_head(is_end ? "e" : "b", name, cpu);
        put(",\"cat\":\"block\",\"id\":\"%lu.%lu\",\"args\":{\"sector\":%lu,\"count\":%lu,"
            "\"error\":%ld}}",
            words[0], words[1], words[1], words[2], (int64_t)words[3]);
    }
}

static void put_event(unsigned cpu_id, const struct trace_event *event)
{
    struct place cpu = {CPUS, CPU_TRACKS + cpu_id, event->time};
    struct place thread = {THREADS, event->thread, event->time};
    char name[32];

    if (event->thread == 0) /* before there were threads */
        thread = cpu;
    switch ((enum trace_kind)event->kind) {
    case TRACE_SWITCH:
        put_switch(event, cpu);
        break;
    case TRACE_WAKE:
        put_wake(event, cpu, thread);
        break;
    case TRACE_THREAD_END:
        put_thread_end(event, thread);
        break;
    case TRACE_SYSCALL_ENTER:
    case TRACE_SYSCALL_EXIT:
        put_syscall(event, thread);
        break;
    case TRACE_FAULT:
        put_fault(event, thread);
        break;
    case TRACE_LOCK_SPUN:
        put_lock(event, "spin for", thread);
        break;
    case TRACE_LOCK_WAIT:
        put_lock(event, "begin to wait for", thread);
        break;
    case TRACE_LOCK_TAKEN:
        put_lock(event, "wait for", thread);
        break;
    case TRACE_LOCK_RELEASED:
        put_lock(event, "release", thread);
        break;
    case TRACE_INTERRUPT:
        put_instant(constant(event->words[0]).s, cpu);
        put("}");
        break;
    case TRACE_KICK:
        format(name, sizeof(name), "kick cpu %lu", event->words[0]);
        put_instant(name, cpu);
        put("}");
        break;
    case TRACE_BLOCK_SUBMIT:
    case TRACE_BLOCK_DONE:
        put_block(event, cpu, thread);
        break;
    }
}

/* --- The whole ----------------------------------------------------------------------------- */

/* From where on every ring has everything. */
static nsec_t find_start(void)
{
    nsec_t found = 0;

    for (unsigned id = 0; id < machine_cpu_count(); id++) {
        const struct trace_ring *ring = &cpus[id].trace;
        uint64_t first = trace_first(ring);

        if (first > 0)
            found = max(found, trace_event(ring, first)->time);
    }
    return found;
}

/* Write the events of all rings in the order of time; returns how many. */
static uint64_t put_events(void)
{
    static uint64_t next[MAX_CPUS];
    uint64_t count = 0;

    for (unsigned id = 0; id < machine_cpu_count(); id++)
        next[id] = trace_first(&cpus[id].trace);
    for (;;) {
        const struct trace_event *oldest = NULL;
        unsigned cpu = 0;

        for (unsigned id = 0; id < machine_cpu_count(); id++) {
            const struct trace_ring *ring = &cpus[id].trace;

            if (next[id] == ring->count)
                continue;
            const struct trace_event *event = trace_event(ring, next[id]);
            if (oldest == NULL || event->time < oldest->time) {
                oldest = event;
                cpu = id;
            }
        }
        if (oldest == NULL)
            return count;
        next[cpu]++;
        if (oldest->time < start)
            continue;
        put_event(cpu, oldest);
        count++;
    }
}

/* What lasts at the end: threads that run on CPUs, system calls. And names. */
static void put_last(struct thread *thread, void *unused)
{
    struct place at = {THREADS, thread->number, end};

    (void)unused;
    if (thread->state == THREAD_DEAD)
        return;
    put_thread_name(thread->number, quote(thread->name, sizeof(thread->name)), thread->tid);
    if (thread->syscall_began != 0) {
        put_syscall_end(thread->syscall_number, thread->syscall_began, at);
        put("}");
    }
}

static void put_cpus(void)
{
    struct place at = {CPUS, 0, end};
    char name[16];

    put_name("process_name", at, "CPUs");
    put_name("process_name", (struct place){THREADS, 0, 0}, "threads");
    for (unsigned id = 0; id < machine_cpu_count(); id++) {
        const struct thread *current = cpus[id].current;

        at.track = CPU_TRACKS + id;
        format(name, sizeof(name), "cpu %u", id);
        put_name("thread_name", at, name);
        if (current != NULL)
            put_run(quote(current->name, sizeof(current->name)).s, current->number,
                    current->ran_since, at);
    }
}

static bool is_wanted(void)
{
    char value[16];

    return cmdline_get("trace", value, sizeof(value)) && cpus[0].trace.blocks != NULL;
}

void trace_write(void)
{
    uint64_t recorded, overwritten, written;

    if (!is_wanted())
        return;
    start = find_start();
    end = machine_clock();
    recorded = trace_count(&overwritten);
    put("{\"displayTimeUnit\":\"ns\",\"traceEvents\":[\n"
        "{\"ph\":\"M\",\"name\":\"process_sort_index\",\"pid\":%u,\"args\":{\"sort_index\":0}}",
        CPUS);
    put_cpus();
    written = put_events();
    thread_for_each(put_last, NULL);
    put("\n],\"otherData\":{\"kernel\":\"%s\",\"events\":%lu,\"lost\":%lu}}\n", DUET_VERSION,
        written, recorded - written);
    flush();
}

void trace_end(struct cpu *self)
{
    uint64_t recorded, overwritten;

    if (!is_wanted())
        return;
    recorded = trace_count(&overwritten);
    if (self != NULL && overwritten > 0)
        kprintf("trace: %lu of %lu events have been overwritten; trace=%lu would keep them\n",
                overwritten, recorded, recorded);
    if (cpus_stop(self))
        trace_write();
    else if (self != NULL)
        panic_check();
}
