/*
 * Strategies: who goes on at a scheduling point. The word strategy= on the command line says which:
 *
 *      random:N   (the default, N = 16) every N points on average, another CPU or thread goes on,
 *                 each that could with the same probability
 *      pct:D:K    probabilistic concurrency testing (Burckhardt et al., ASPLOS 2010): threads have
 *                 random priorities, the highest runs, and at D - 1 of the first K points at which
 *                 there is a choice, drawn at random, the priority of who runs there becomes the
 *                 lowest. A bug that needs D ordering constraints is found with a probability of at
 *                 least 1 / (n * K^(D-1)) for n threads. Who runs for thousands of points gets the
 *                 lowest priority, too: he may wait actively
 *
 *      list       only the choices of the word schedule= are made, everything else is as
 *                 preferred: whoever runs goes on until it waits. The default if schedule= is
 *                 there. This is how a schedule is replayed, and how a search that enumerates
 *                 schedules makes the next one
 *
 * The word schedule=AGENT.COUNT:CHOICE,... names choices. AGENT is the number of a thread, or cN
 * for the interrupt handlers of CPU N; with a w before it, its points at which it waits or gives
 * way are meant. CHOICE is a CPU, or one counted from that of the agent (+1 is the next one,
 * wherever the thread happens to run), or w: give way; where the question is which thread is taken,
 * its index. A choice that is not possible when its point comes is ignored.
 */
#include "kern/schedule_strategy.h"

#include "kern/cmdline.h"
#include "kern/cpu.h"
#include "kern/machine.h"
#include "kern/print.h"
#include "kern/string.h"
#include "kern/thread.h"
#include "vm/heap.h"

#define INTERVAL_DEFAULT 16
#define DEPTH_MAX        16

struct strategy {
    const char *name;
    void (*init)(void);
    bool (*wants)(const struct schedule_question *question);
    unsigned (*choose)(const struct schedule_question *question);
};

static const struct strategy *strategy;
static uint64_t random_state;
static uint64_t parameters[2]; /* behind the strategy's name; 0: not given */

static uint64_t random_below(uint64_t limit)
{
    return schedule_generate(&random_state) % limit;
}

/* One of the alternatives, at random. */
static unsigned pick(uint64_t alternatives)
{
    uint64_t count = 0;

    for (uint64_t rest = alternatives; rest != 0; rest &= rest - 1)
        count++;
    for (uint64_t n = random_below(count); n > 0; n--)
        alternatives &= alternatives - 1;
    return (unsigned)__builtin_ctzl(alternatives);
}

/* --- Random ---------------------------------------------------------------------------------- */

static uint64_t points_left; /* until the next change */

static void draw_interval(void)
{
    points_left = 1 + random_below(2 * parameters[0] - 1);
}

static void random_init(void)
{
    if (parameters[0] == 0)
        parameters[0] = INTERVAL_DEFAULT;
    draw_interval();
}

static bool random_wants(const struct schedule_question *question)
{
    if (points_left > 0)
        points_left--;
    return points_left == 0 || question->is_forced || question->kind == SCHEDULE_TAKE;
}

static unsigned random_choose(const struct schedule_question *question)
{
    if (question->is_forced || question->kind == SCHEDULE_TAKE)
        return pick(question->alternatives);
    draw_interval();
    return pick(question->alternatives & ~(1UL << question->preferred));
}

/* --- Probabilistic concurrency testing ------------------------------------------------------- */

#define PRIORITY_TOP (1L << 40)

static uint64_t change_points[DEPTH_MAX];
static uint64_t pct_points; /* how many have passed */
static int64_t pct_lowest;  /* nobody has a priority as low as this */

/* Who has gone on for so many points may wait for somebody with a lower priority. */
#define PCT_PATIENCE 4000
static const struct thread *pct_runner;
static unsigned pct_streak; /* its points in a row */

static void pct_init(void)
{
    if (parameters[0] < 1 || parameters[0] > DEPTH_MAX || parameters[1] < 1)
        panic("strategy=pct:D:K wants a depth D from 1 to %d and a number of points K", DEPTH_MAX);
    for (uint64_t i = 0; i + 1 < parameters[0]; i++)
        change_points[i] = 1 + random_below(parameters[1]);
}

static int64_t priority_of(struct thread *thread)
{
    if (thread->schedule_priority == 0)
        thread->schedule_priority =
            1 + (int64_t)(schedule_random("priority", thread->number) % (PRIORITY_TOP - 1));
    return thread->schedule_priority;
}

static int64_t highest_waiting(struct cpu *cpu)
{
    int64_t highest = INT64_MIN;

    /* Who is still on a CPU, about to leave it, cannot be taken, and does not count for much. */
    list_for_each (&cpu->queue.threads, thread, struct thread, run_link)
        highest = max(highest, thread->on_cpu ? INT64_MIN + 1 : priority_of(thread));
    return highest;
}

/* Interrupts are served at once; an idle CPU without one is as good as the thread it could take. */
static int64_t priority_of_cpu(struct cpu *cpu)
{
    int64_t highest = INT64_MIN;

    if (cpu->current == NULL || cpu->in_interrupt)
        return PRIORITY_TOP;
    if (cpu->current != cpu->idle)
        return priority_of(cpu->current);
    if (!cpu->is_idle)
        return PRIORITY_TOP;
    for (unsigned id = 0; id < machine_cpu_count(); id++)
        highest = max(highest, highest_waiting(&cpus[id]));
    return highest != INT64_MIN ? highest : PRIORITY_TOP;
}

static int64_t priority_of_choice(const struct schedule_question *question, unsigned choice)
{
    if (question->kind == SCHEDULE_TAKE)
        return priority_of(question->threads[choice]);
    if (choice == SCHEDULE_GIVE_WAY)
        return highest_waiting(cpu_self());
    return priority_of_cpu(&cpus[choice]);
}

static bool pct_wants(const struct schedule_question *question)
{
    struct thread *self = cpu_self()->current;

    pct_streak = self == pct_runner ? pct_streak + 1 : 0;
    pct_runner = self;
    /* Or whom it waits for might never run. */
    if (self != NULL && (question->kind == SCHEDULE_RELAX || pct_streak > PCT_PATIENCE)) {
        self->schedule_priority = --pct_lowest;
        pct_streak = 0;
    }
    return true;
}

static unsigned pct_choose(const struct schedule_question *question)
{
    struct thread *self = cpu_self()->current;
    unsigned best = question->preferred;
    int64_t highest;

    pct_points++;
    for (uint64_t i = 0; i + 1 < parameters[0] && self != NULL; i++) {
        if (change_points[i] == pct_points)
            self->schedule_priority = --pct_lowest;
    }
    highest = priority_of_choice(question, best);

    for (uint64_t rest = question->alternatives; rest != 0; rest &= rest - 1) {
        unsigned choice = (unsigned)__builtin_ctzl(rest);
        int64_t priority = priority_of_choice(question, choice);

        if (priority > highest) {
            best = choice;
            highest = priority;
        }
    }
    return best;
}

/* --- A list ---------------------------------------------------------------------------------- */

/* A hash table with open addressing; a free entry has the count UINT32_MAX. */
struct listed {
    struct schedule_agent agent;
    uint16_t choice;
    bool is_relative; /* choice is to be added to the number of the agent's CPU */
};

static struct listed *entries;
static size_t entry_mask;          /* the number of entries - 1 */
static const struct listed *found; /* what schedule_strategy_wants() found */

static struct listed *listed_slot(struct schedule_agent agent)
{
    uint64_t key = (uint64_t)agent.number << 32 | agent.count;
    size_t i = (size_t)schedule_generate(&key) & entry_mask;

    while (entries[i].agent.count != UINT32_MAX &&
           (entries[i].agent.number != agent.number || entries[i].agent.count != agent.count))
        i = (i + 1) & entry_mask;
    return &entries[i];
}

static const char *parse_choice(const char *s, struct listed *entry)
{
    char sign = *s;
    uint64_t choice = SCHEDULE_GIVE_WAY;

    entry->is_relative = sign == '+' || sign == '-';
    s = sign == 'w' ? s + 1 : cmdline_parse_number(s + entry->is_relative, &choice);
    if (sign == '-')
        choice = machine_cpu_count() - choice % machine_cpu_count();
    entry->choice = (uint16_t)min(choice, (uint64_t)UINT16_MAX);
    return s;
}

/* Parse `AGENT.COUNT:CHOICE`; returns what follows, or NULL when it is something else. */
static const char *parse_entry(const char *s, struct listed *entry)
{
    bool is_wait = *s == 'w', is_cpu = s[is_wait] == 'c';
    uint64_t agent, count;

    s = cmdline_parse_number(s + is_wait + is_cpu, &agent);
    s = s != NULL && *s == '.' ? cmdline_parse_number(s + 1, &count) : NULL;
    if (s == NULL || *s != ':')
        return NULL;
    entry->agent.number =
        (uint32_t)agent | (is_cpu ? SCHEDULE_INTERRUPTS : 0) | (is_wait ? SCHEDULE_WAITS : 0);
    entry->agent.count = (uint32_t)count;
    return parse_choice(s + 1, entry);
}

static void listed_init(void)
{
    const char *s = cmdline_find("schedule");
    size_t size = 16;

    for (const char *c = s; c != NULL && *c != '\0' && *c != ' '; c++)
        size += 2 * (*c == ',');
    while ((size & (size - 1)) != 0)
        size += size & -size;
    entries = kmalloc(size * sizeof(*entries));
    if (entries == NULL)
        panic("no memory for the schedule");
    memset(entries, 0xff, size * sizeof(*entries));
    entry_mask = size - 1;
    while (s != NULL && *s != '\0' && *s != ' ') {
        struct listed entry;

        s = parse_entry(s, &entry);
        if (s == NULL || (*s != ',' && *s != ' ' && *s != '\0'))
            panic("schedule= is a list of AGENT.COUNT:CHOICE");
        *listed_slot(entry.agent) = entry;
        s += *s == ',';
    }
}

static bool listed_wants(const struct schedule_question *question)
{
    found = listed_slot(question->agent);
    return found->agent.count != UINT32_MAX;
}

static unsigned listed_choose(const struct schedule_question *question)
{
    unsigned choice = found->choice;
    bool is_possible;

    if (found->is_relative)
        choice = (cpu_self()->id + choice) % machine_cpu_count();
    is_possible = choice < 64 && (question->alternatives >> choice & 1) != 0;
    return is_possible ? choice : question->preferred;
}

/* --- Which ----------------------------------------------------------------------------------- */

static const struct strategy strategies[] = {
    {"random", random_init, random_wants, random_choose},
    {"pct", pct_init, pct_wants, pct_choose},
    {"list", listed_init, listed_wants, listed_choose},
};

void schedule_strategy_init(uint64_t seed)
{
    char word[64];
    size_t length = 0;

    random_state = seed;
    if (!cmdline_get("strategy", word, sizeof(word)))
        string_copy(word, cmdline_find("schedule") != NULL ? "list" : "random", sizeof(word));
    while (word[length] != '\0' && word[length] != ':')
        length++;
    for (unsigned i = 0, at = (unsigned)length; i < 2 && word[at] == ':'; i++) {
        const char *end = cmdline_parse_number(&word[at + 1], &parameters[i]);

        if (end == NULL)
            panic("strategy=%s: a number is expected behind the colon", word);
        at = (unsigned)(end - word);
    }
    for (size_t i = 0; i < array_length(strategies); i++) {
        if (strlen(strategies[i].name) == length && strncmp(strategies[i].name, word, length) == 0)
            strategy = &strategies[i];
    }
    if (strategy == NULL)
        panic("strategy=%s: it is one of random, pct, list", word);
    strategy->init();
}

bool schedule_strategy_wants(const struct schedule_question *question)
{
    return strategy->wants(question);
}

unsigned schedule_strategy_choose(const struct schedule_question *question)
{
    return strategy->choose(question);
}
