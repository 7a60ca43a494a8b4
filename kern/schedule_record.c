/*
 * The record of a controlled run, on the results channel while it goes on:
 *
 *      record       a line for each point at which somebody else went on
 *      record=all   and for each at which somebody else could have
 *
 * A line begins with @ and has these fields, with tabs between:
 *
 *      event   cpu   agent.count   kind   preferred   alternatives   choice   thread   process
 *      name   object   calls
 *
 * Choices are numbers of CPUs, indices (kind `take`) or w; `alternatives` are bits, in hexadecimal.
 * `object` is what the point is about, a lock mostly, or -; `calls` are return addresses, the
 * innermost first. Where choice and preferred differ, agent.count:choice belongs into the list
 * of the word schedule=, which makes the same run without whatever strategy made this one.
 *
 * Recording changes nothing in a run where time is the machine's own. Elsewhere it does, and CPUs
 * take turns at it.
 */
#include "kern/schedule_record.h"

#include "kern/cmdline.h"
#include "kern/cpu.h"
#include "kern/machine.h"
#include "kern/print.h"
#include "kern/process.h"
#include "kern/string.h"
#include "kern/symbols.h"
#include "kern/thread.h"

#define CALLS    8
#define LINE_MAX 512

bool schedule_records_all;

static bool is_recording;
static char lines[8 * LINE_MAX];
static size_t length;    /* how much of it is used */
static bool is_someones; /* (a) a CPU writes a line */

static const char *const kinds[] = {
    [SCHEDULE_LOCK] = "lock",   [SCHEDULE_UNLOCK] = "unlock", [SCHEDULE_SPIN] = "spin",
    [SCHEDULE_RELAX] = "relax", [SCHEDULE_IDLE] = "idle",     [SCHEDULE_ATOMIC] = "atomic",
    [SCHEDULE_TRAP] = "trap",   [SCHEDULE_USER] = "user",     [SCHEDULE_TAKE] = "take",
};

void schedule_record_init(void)
{
    char value[8];

    is_recording = cmdline_get("record", value, sizeof(value));
    schedule_records_all = is_recording && strcmp(value, "all") == 0;
}

static void write_lines(void)
{
    machine_results_write(lines, length);
    length = 0;
}

static void printf_like(1, 2) add(const char *fmt, ...)
{
    va_list arguments;

    va_start(arguments, fmt);
    format_v(lines + length, sizeof(lines) - length, fmt, arguments);
    length += strlen(lines + length);
    va_end(arguments);
}

/* A thread's name is a program's choice: nothing in it may look like the end of a column. */
static void add_name(const char *name)
{
    for (; *name != '\0'; name++)
        add("%c", (unsigned char)*name < ' ' ? '?' : *name);
    add("\t");
}

static void add_choice(const struct schedule_question *question, unsigned choice)
{
    if (question->kind != SCHEDULE_TAKE && choice == SCHEDULE_GIVE_WAY)
        add("w\t");
    else
        add("%u\t", choice);
}

static void add_calls(const struct thread *thread, vaddr_t fp)
{
    vaddr_t calls[CALLS], low = (vaddr_t)thread->stack;
    size_t count = backtrace_collect(fp, low, low + KERNEL_STACK_SIZE, calls, CALLS);

    for (size_t i = 0; i < count; i++)
        add("%lx ", calls[i]);
}

void schedule_record(uint64_t event, const struct schedule_question *question, unsigned choice,
                     const char *name, vaddr_t fp)
{
    const struct cpu *cpu = cpu_self();
    const struct thread *thread = cpu->current;
    uint32_t agent = question->agent.number, flags = SCHEDULE_INTERRUPTS | SCHEDULE_WAITS;

    if (!is_recording || thread == NULL)
        return;
    while (__atomic_exchange_n(&is_someones, true, __ATOMIC_ACQUIRE))
        cpu_relax();
    if (length > sizeof(lines) - LINE_MAX)
        write_lines();
    add("@%lu\t%u\t%s%s%u.%u\t%s\t", event, cpu->id, agent & SCHEDULE_WAITS ? "w" : "",
        agent & SCHEDULE_INTERRUPTS ? "c" : "", agent & ~flags, question->agent.count,
        kinds[question->kind]);
    add_choice(question, question->preferred);
    add("%lx\t", question->alternatives);
    add_choice(question, choice);
    add("%u\t%d\t", thread->number, thread->process != NULL ? thread->process->pid : 0);
    add_name(thread->name);
    add_name(name != NULL ? name : "-");
    add_calls(thread, fp);
    lines[length - 1] = '\n'; /* instead of the last space or tab */
    __atomic_store_n(&is_someones, false, __ATOMIC_RELEASE);
}

void schedule_record_end(void)
{
    if (is_recording)
        write_lines();
}
