/*
 * Scheduling points: where a controlled run decides who goes on.
 *
 * Concurrency bugs need a certain order of steps of several CPUs and threads. On real hardware
 * chance decides about it, here a strategy does, at the points where the order can matter: before a
 * spinlock is taken and after it was released (and so around every sleep, wake-up, mutex and
 * interrupt-enable, which are made of these), at traps, and where schedule_point() stands.
 *
 *      schedule_reached()
 *        machine_schedule_tick()      time goes on; timers and devices that are due interrupt
 *        the strategy chooses         another CPU | the thread gives way | nothing
 *        machine_schedule_run(cpu)    that CPU goes on from its own last point
 *        ... later ...                someone chooses this CPU again
 *        interrupts are enabled       and what is pending is taken
 *
 * A CPU that waits for a spinlock is not a choice until the lock is released; one that idles, not
 * until it has an interrupt, or there is a thread that it could take over (hardware may wake it at
 * any time). When nobody is left, time jumps to the next event of a device or timer; and when
 * there is none either, that is a deadlock, exactly.
 *
 * On a machine whose CPUs run by themselves a choice of another CPU lets the others run for a
 * while; the run is repeatable if what the machine does meanwhile is.
 *
 * Each agent (a thread, or the interrupt handlers of a CPU) counts its points, and apart from them
 * those at which it waits or gives way. All choices that were not the preferred ones, each named by
 * agent and count, determine the run: they are its schedule, which a list can replay
 * (kern/schedule_strategy.c).
 *
 * Locks: none. Where the kernel chooses between CPUs they run one at a time.
 */
#include "kern/schedule_point.h"

#include "kern/cmdline.h"
#include "kern/cpu.h"
#include "kern/deadlock.h"
#include "kern/machine.h"
#include "kern/print.h"
#include "kern/sanitizer.h"
#include "kern/sched.h"
#include "kern/schedule_record.h"
#include "kern/schedule_strategy.h"
#include "kern/string.h"
#include "kern/thread.h"

#define LIVELOCK_POINTS 20000000UL
#define HOLD_POINTS     10000

bool schedule_is_controlled;

static uint64_t seed;
static bool chooses_cpus; /* (i) the run is controlled, and one CPU runs at a time */

/* The words of the command line about events: the points of a run, numbered from 1 on. */
static struct {
    uint64_t from;     /* before this one, all choices are the preferred ones */
    uint64_t points;   /* as many are enough */
    uint64_t livelock; /* as many without progress are too many */
} limits = {.points = UINT64_MAX, .livelock = LIVELOCK_POINTS};

uint64_t schedule_until;

/* What the run came to. */
static struct {
    uint64_t points, switches;
    uint64_t progress; /* the number of points at the last progress */
    uint64_t hash;     /* of all that has to be the same with the same seed */
} run;

static char hold_name[32];  /* the word hold=: the point at which CPUs are held */
static uint64_t held;       /* the CPUs that are, as bits, */
static uint64_t held_until; /* and up to which event: the others may wait actively */

static const struct spinlock *spins_on[MAX_CPUS]; /* the lock that a CPU waits for, or NULL */

/* --- Numbers --------------------------------------------------------------------------------- */

uint64_t schedule_generate(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15UL;

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9UL;
    z = (z ^ z >> 27) * 0x94d049bb133111ebUL;
    return z ^ z >> 31;
}

uint64_t schedule_random(const char *what, uint64_t number)
{
    uint64_t state = seed;

    for (; *what != '\0'; what++)
        state = schedule_generate(&state) ^ (uint8_t)*what;
    state = schedule_generate(&state) ^ number;
    return schedule_generate(&state);
}

static void add_to_hash(uint64_t value)
{
    run.hash = (run.hash ^ value) * 0x9e3779b97f4a7c15UL;
    run.hash ^= run.hash >> 29;
}

void schedule_note_progress(uint64_t value)
{
    if (!schedule_is_controlled)
        return;
    sanitizer_schedule_begin();
    add_to_hash(value);
    __atomic_store_n(&run.progress, __atomic_load_n(&run.points, __ATOMIC_RELAXED),
                     __ATOMIC_RELEASE);
    sanitizer_schedule_end();
}

/* --- Who could go on ------------------------------------------------------------------------- */

/* Whether whoever comes to a point of this kind cannot go on by himself. */
static bool is_wait(enum schedule_kind kind)
{
    return kind >= SCHEDULE_SPIN && kind <= SCHEDULE_IDLE;
}

static struct schedule_agent next_agent(struct cpu *cpu, enum schedule_kind kind)
{
    struct thread *thread = cpu->current;
    bool is_handler = cpu->in_interrupt || thread == NULL;
    bool waits = is_wait(kind) || (!is_handler && thread->gives_way);
    uint32_t *counts = is_handler ? cpu->schedule_points : thread->schedule_points;
    uint32_t number = is_handler ? SCHEDULE_INTERRUPTS + cpu->id : thread->number;

    return (struct schedule_agent){number | (waits ? SCHEDULE_WAITS : 0), counts[waits]++};
}

static void lock_was_released(const void *lock)
{
    for (unsigned id = 0; id < machine_cpu_count(); id++) {
        if (spins_on[id] == lock)
            spins_on[id] = NULL;
    }
}

static bool is_thread_waiting(void)
{
    for (unsigned id = 0; id < machine_cpu_count(); id++) {
        if (cpus[id].queue.length > 0)
            return true;
    }
    return false;
}

/* The CPUs that could go on, as bits. */
static uint64_t find_ready(void)
{
    uint64_t ready = machine_schedule_ready() & ~held;
    bool is_work = is_thread_waiting();

    for (unsigned id = 0; id < machine_cpu_count(); id++) {
        if (spins_on[id] != NULL)
            ready &= ~(1UL << id);
        else if (is_work && cpus[id].is_idle && (held >> id & 1) == 0)
            ready |= 1UL << id;
    }
    return ready;
}

/* The first of a set of CPUs behind `id`, in a circle. */
static unsigned next_in_turn(uint64_t set, unsigned id)
{
    uint64_t behind = set & ~((2UL << id) - 1);

    return (unsigned)__builtin_ctzl(behind != 0 ? behind : set);
}

/* Whether the current thread could give way to another one on its CPU. */
static bool may_give_way(const struct cpu *cpu, bool interrupts_were_on)
{
    return interrupts_were_on && cpu->queue.length > 0 && cpu->current != cpu->idle &&
           !cpu->in_interrupt;
}

/* Who could go on instead of `cpu`, which cannot: time passes until there is somebody. */
static uint64_t find_others(const struct cpu *cpu, enum schedule_kind kind)
{
    uint64_t others = find_ready() & ~(1UL << cpu->id);

    if (others == 0 && kind == SCHEDULE_RELAX)
        return 1UL << cpu->id;
    others = others != 0 ? others : find_ready(); /* it may have got an interrupt just now */
    while (others == 0) {
        bool is_change = machine_schedule_wait();

        if (!is_change && held == 0)
            panic_explained(deadlock_explain, spins_on,
                            "deadlock: no thread can run, and no event will change that");
        if (!is_change)
            held = 0; /* nobody else can get any further */
        others = find_ready();
    }
    return others;
}

static void ask(struct schedule_question *question, const struct cpu *cpu, bool interrupts_were_on)
{
    if (question->is_forced) {
        question->alternatives = find_others(cpu, question->kind);
        question->preferred = next_in_turn(question->alternatives, cpu->id);
        return;
    }
    question->preferred = cpu->id;
    question->alternatives = 1UL << cpu->id;
    question->alternatives |= find_ready();
    if (may_give_way(cpu, interrupts_were_on))
        question->alternatives |= 1UL << SCHEDULE_GIVE_WAY;
}

/* --- Points ---------------------------------------------------------------------------------- */

static unsigned choose(struct schedule_question *question, const struct cpu *cpu,
                       bool interrupts_were_on)
{
    bool wants = run.points >= limits.from && schedule_strategy_wants(question);

    question->preferred = cpu->id;
    question->alternatives = 1UL << cpu->id;
    if (!wants && !question->is_forced && !schedule_records_all)
        return cpu->id;
    ask(question, cpu, interrupts_were_on);
    if (!wants || (question->alternatives & (question->alternatives - 1)) == 0)
        return question->preferred;
    return schedule_strategy_choose(question);
}

static bool is_worth_a_record(const struct schedule_question *question, unsigned choice,
                              unsigned usual)
{
    bool is_choice = (question->alternatives & (question->alternatives - 1)) != 0;

    return choice != usual || choice != question->preferred ||
           (schedule_records_all && is_choice && run.points >= limits.from);
}

/* Where debuggers stop. */
static void __attribute__((noinline)) schedule_arrived(void)
{
    static volatile unsigned times; /* or the compiler would leave the call out */

    times++;
}

static void check_limits(void)
{
    /* In this order: other CPUs may go on meanwhile, and `points` is never behind `progress`. */
    uint64_t progress = __atomic_load_n(&run.progress, __ATOMIC_ACQUIRE);
    uint64_t points = __atomic_load_n(&run.points, __ATOMIC_RELAXED);

    if (points > held_until)
        held = 0;
    if (points == schedule_until)
        schedule_arrived();
    if (points - progress > limits.livelock)
        panic_explained(deadlock_explain, spins_on,
                        "livelock: no system call came to an end in %lu scheduling points",
                        limits.livelock);
    if (points > limits.points)
        panic("no end after %lu scheduling points", limits.points);
}

/* Others go on until this CPU is chosen again. */
static void run_cpu(const struct cpu *self, struct cpu *next)
{
    if (next == self)
        return;
    run.switches++;
    if (next->is_idle && (machine_schedule_ready() & 1UL << next->id) == 0)
        machine_kick(next); /* it looks for a thread */
    machine_schedule_run(next);
}

/* As the handler of an interrupt that came just now would do it. */
static void give_way(void)
{
    bool were_on = interrupts_disable();

    cpu_self()->need_resched = true;
    interrupt_return();
    interrupts_restore(were_on);
}

/* At the point that the word hold= names, the CPU stands still until nobody else can get any
 * further, however much time passes. */
static bool hold(enum schedule_kind kind, const struct cpu *cpu, const char *name)
{
    if (kind != SCHEDULE_ATOMIC || name == NULL || strcmp(name, hold_name) != 0)
        return false;
    held |= 1UL << cpu->id;
    held_until = run.points + HOLD_POINTS;
    return true;
}

void schedule_reached(enum schedule_kind kind, const void *object, const char *name)
{
    bool were_on, is_forced;
    struct schedule_question question;
    struct cpu *cpu;
    uint64_t event;
    unsigned choice;

    if (is_panicking())
        return;
    were_on = interrupts_disable();
    sanitizer_schedule_begin();
    cpu = cpu_self();
    event = __atomic_add_fetch(&run.points, 1, __ATOMIC_RELAXED);
    check_limits();
    machine_schedule_tick();
    is_forced = is_wait(kind) || hold(kind, cpu, name);
    if (kind == SCHEDULE_UNLOCK)
        lock_was_released(object);
    else if (kind == SCHEDULE_SPIN)
        spins_on[cpu->id] = object;
    question = (struct schedule_question){
        .kind = kind, .agent = next_agent(cpu, kind), .is_forced = is_forced};
    choice = choose(&question, cpu, were_on);
    if (is_worth_a_record(&question, choice, cpu->id))
        schedule_record(event, &question, choice, name, (vaddr_t)__builtin_frame_address(0));
    add_to_hash((uint64_t)kind << 56 | (uint64_t)choice << 48 | (uint64_t)cpu->id << 40 |
                question.agent.number);
    if (choice != SCHEDULE_GIVE_WAY)
        run_cpu(cpu, &cpus[choice]);
    sanitizer_schedule_end();
    interrupts_restore(were_on);
    if (choice == SCHEDULE_GIVE_WAY)
        give_way();
}

bool schedule_spin(const struct spinlock *lock, const char *name)
{
    if (chooses_cpus)
        schedule_reached(SCHEDULE_SPIN, lock, name);
    return chooses_cpus;
}

unsigned schedule_choose_thread(struct thread *const threads[], unsigned count)
{
    struct schedule_question question = {.kind = SCHEDULE_TAKE, .threads = threads};
    unsigned choice = 0;

    if (!schedule_is_controlled || count == 1)
        return 0;
    sanitizer_schedule_begin();
    question.agent = next_agent(cpu_self(), SCHEDULE_TAKE);
    question.alternatives = (1UL << count) - 1;
    if (run.points >= limits.from && schedule_strategy_wants(&question))
        choice = schedule_strategy_choose(&question);
    if (is_worth_a_record(&question, choice, 0))
        schedule_record(run.points, &question, choice, NULL, (vaddr_t)__builtin_frame_address(0));
    sanitizer_schedule_end();
    return choice;
}

/* --- Start and end --------------------------------------------------------------------------- */

void schedule_init(void)
{
    char value[24];

    if (!cmdline_get("seed", value, sizeof(value)))
        return;
    if (!cmdline_get_number("seed", &seed))
        panic("seed=%s is not a number", value);
    chooses_cpus = machine_schedule_is_ours();
    cmdline_get_number("from", &limits.from);
    cmdline_get_number("points", &limits.points);
    cmdline_get_number("livelock", &limits.livelock);
    cmdline_get_number("until", &schedule_until);
    cmdline_get("hold", hold_name, sizeof(hold_name));
    schedule_record_init();
    schedule_strategy_init(seed);
    schedule_is_controlled = true;
}

void schedule_report(void)
{
    char line[128];

    if (!schedule_is_controlled)
        return;
    schedule_record_end();
    format(line, sizeof(line), "seed %lu: %lu points, %lu switches, %ld ns, hash %016lx\n", seed,
           run.points, run.switches, machine_clock(), run.hash);
    machine_results_write(line, strlen(line));
}
