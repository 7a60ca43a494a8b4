/*
 * Repeatable runs: with seed=N all CPUs are coroutines of one host thread, on a virtual clock.
 *
 *      a CPU        the registers of the kernel thread that it runs: in the host thread while the
 *                   CPU has its turn, else in resting[]. Its turn ends where the kernel says so
 *                   (machine_schedule_run()), never by a signal
 *      the clock    advances a little at each scheduling point. When no CPU can go on it jumps to
 *                   the next event, so that waiting takes no time
 *      timers       fire when the clock has reached their deadline
 *      disks        serve a request when its time has come (kern/dev/timed_disk.c)
 *      the console  is read when a program waits for input and nothing else can happen: a line
 *                   at a time, however the bytes arrive (console.c)
 *      programs     run to their next trap, while all else stands still: one that traps sooner
 *                   or later does so at the same point of every run
 *
 * A program that computes for very long without a trap must be stopped, since it may wait for
 * another one in memory that they share. Where it is stopped depends on the host. That is reported:
 * from there on the run may differ from others with the same seed. Its CPU has then been busy for
 * as long in virtual time, during which the others went on. The word `strict` avoids it: then
 * programs are run step by step (trap.c), each step takes time, and a program is stopped at the
 * step at which the next event is due, or when it made many.
 *
 * Signals of the host: SIGALRM looks after such programs, and after a kernel that hangs, a few
 * times a second. SIGUSR1 tells of
 * an interrupt from outside (SIGTERM asks for a shutdown); it is blocked but while the host thread
 * sleeps because there is nothing to do (console.c).
 */
#include "arch/vkernel/seeded.h"
#include "arch/vkernel/vkernel.h"
#include "arch/vkernel/vmspace/linux.h"
#include "arch/vkernel/vmspace/vmspace.h"
#include "arch/x86_64/registers.h"
#include "kern/cmdline.h"
#include "kern/cpu.h"
#include "kern/machine.h"
#include "kern/panic.h"
#include "kern/print.h"
#include "kern/sanitizer.h"
#include "kern/schedule_point.h"

#include <asm/prctl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/auxv.h>
#include <time.h>

#define POINT_TIME 100 /* nanoseconds that pass from one scheduling point to the next */
#define STEP_TIME  100 /* and with a step of a program */
#define STEPS_MAX  1000

/* A program is stopped when it has used so much processor time without a trap. */
#define GUEST_PATIENCE (100 * NSEC_PER_MSEC)
/* The kernel hangs when it has used so much between two scheduling points. */
#define KERNEL_PATIENCE (2 * NSEC_PER_SEC)
#define ALARM_PERIOD    (20 * NSEC_PER_MSEC)

bool is_seeded, seeded_is_strict;

static nsec_t now, next_event = NSEC_NEVER;
static struct context resting[MAX_CPUS];
static uint64_t started;          /* CPUs, as bits */
static volatile unsigned running; /* the one that has its turn */
static int host_thread;
static bool has_wrgsbase;

/* --- CPUs ---------------------------------------------------------------------------------- */

bool machine_schedule_is_ours(void)
{
    return is_seeded;
}

uint64_t machine_schedule_ready(void)
{
    uint64_t ready = started;

    for (uint64_t rest = started; rest != 0; rest &= rest - 1) {
        const struct machine_cpu *machine = &cpus[__builtin_ctzl(rest)].machine;

        if ((machine->idle && machine->pending == 0) || machine->busy_until > now)
            ready &= ~(rest & -rest);
    }
    return ready;
}

static not_instrumented void set_cpu(struct cpu *cpu)
{
    if (has_wrgsbase)
        __asm__ volatile("wrgsbase %0" ::"r"(&cpu->machine) : "memory");
    else
        host_call(SYS_arch_prctl, ARCH_SET_GS, &cpu->machine);
}

not_instrumented void machine_schedule_run(struct cpu *cpu)
{
    unsigned self = running;

    running = cpu->id;
    set_cpu(cpu);
    sanitizer_before_cpu_switch(self, cpu);
    context_switch_registers(&resting[self], &resting[cpu->id]);
}

void seeded_start_cpu(struct cpu *cpu, void (*start)(void *))
{
    const struct machine_cpu *boot = &cpus[0].machine;

    cpu->machine.self = cpu;
    cpu->machine.host_thread = boot->host_thread;
    cpu->machine.fault_stack = boot->fault_stack;
    cpu->machine.deadline = NSEC_NEVER;
    context_init(&resting[cpu->id], cpu->idle->stack, start, cpu);
    started |= 1UL << cpu->id;
}

void seeded_idle(void)
{
    struct machine_cpu *machine = &cpu_self()->machine;

    machine->idle = 1;
    while (machine->pending == 0)
        schedule_point(SCHEDULE_IDLE, NULL, NULL);
    machine->idle = 0;
    interrupts_enable();
    interrupts_disable();
}

/* A CPU that rests is stopped as it is. The one that runs is so if this is another host thread. */
void seeded_stop(struct cpu *cpu)
{
    if (host_call(SYS_gettid) != host_thread) {
        host_call(SYS_tgkill, host_call(SYS_getpid), host_thread, SIGALRM);
        while (!__atomic_load_n(&cpus[running].is_stopped, __ATOMIC_ACQUIRE))
            host_call(SYS_sched_yield);
    }
    if (cpu->is_stopped)
        return;
    cpu->stopped_fp = context_frame_pointer(&resting[cpu->id]);
    cpu->is_stopped = true;
}

/* --- Time ---------------------------------------------------------------------------------- */

not_instrumented nsec_t seeded_clock(void)
{
    return now;
}

void seeded_expect_event(nsec_t when)
{
    sanitizer_schedule_begin();
    next_event = min(next_event, when);
    sanitizer_schedule_end();
}

/* Raise the interrupts that are due, and find out when the next are. */
static void raise_due(void)
{
    next_event = NSEC_NEVER;
    for (uint64_t rest = started; rest != 0; rest &= rest - 1) {
        struct machine_cpu *machine = &cpus[__builtin_ctzl(rest)].machine;

        if (machine->deadline <= now)
            __atomic_or_fetch(&machine->pending, INTERRUPT_TIMER, __ATOMIC_SEQ_CST);
        else
            next_event = min(next_event, machine->deadline);
        if (machine->busy_until > now)
            next_event = min(next_event, machine->busy_until);
    }
}

void machine_schedule_tick(void)
{
    now += POINT_TIME;
    if (now >= next_event)
        raise_due();
}

bool machine_schedule_wait(void)
{
    uint64_t before = machine_schedule_ready(); /* those that wait for a spinlock */

    if (console_take_input(next_event == NSEC_NEVER))
        return true;
    if (machine_schedule_ready() != before)
        return true; /* an interrupt from outside */
    if (next_event == NSEC_NEVER)
        return false;
    now = max(now, next_event);
    raise_due();
    return true;
}

void seeded_wake(void)
{
    if (host_call(SYS_gettid) != host_thread)
        host_call(SYS_tgkill, host_call(SYS_getpid), host_thread, SIGUSR1);
}

/* --- Programs ------------------------------------------------------------------------------ */

/* The program that runs now: which one, counted, and what its process had used of the processor
 * when an alarm first found it. */
static struct {
    volatile uint64_t number, seen;
    uint64_t used;
    volatile bool is_stopped;
} guest;

void seeded_guest_begins(void)
{
    sanitizer_schedule_begin();
    guest.number++;
    guest.is_stopped = false;
    sanitizer_schedule_end();
}

/* clock_getcpuclockid(3) */
static not_instrumented int processor_clock(int pid)
{
    return (int)(~(unsigned)pid << 3 | 2);
}

static not_instrumented uint64_t clock_time(int clock)
{
    struct timespec time;

    if (host_call(SYS_clock_gettime, clock, &time) != 0)
        return 0;
    return (uint64_t)time.tv_sec * NSEC_PER_SEC + (uint64_t)time.tv_nsec;
}

static not_instrumented void look_after_guest(const struct machine_cpu *machine)
{
    uint64_t used;

    if (seeded_is_strict || machine->vframe->host_pid == 0)
        return;
    used = clock_time(processor_clock(machine->vframe->host_pid));
    if (guest.seen != guest.number) {
        guest.seen = guest.number;
        guest.used = used;
    } else if (used > guest.used + GUEST_PATIENCE) {
        guest.is_stopped = true;
        vmspace_kick(machine->vframe);
    }
}

/* No scheduling point comes: a loop over a list that is broken, for instance. */
static not_instrumented void look_after_kernel(const void *context)
{
    static nsec_t seen;   /* what the clock showed */
    static uint64_t used; /* when an alarm first found that */
    uint64_t uses = clock_time(CLOCK_THREAD_CPUTIME_ID);
    struct trapframe frame;

    if (seen != now || cpus_are_stopped()) {
        seen = now;
        used = uses;
    } else if (uses > used + KERNEL_PATIENCE) {
        fault_make_frame(context, &frame);
        panic_at(frame.rip, fault_frame_pointer(&frame), NULL,
                 "hang: the kernel computes, and comes to no scheduling point");
    }
}

not_instrumented void seeded_alarm(const void *context)
{
    const struct machine_cpu *machine = &cpu_self()->machine;

    if (machine->in_guest)
        look_after_guest(machine);
    else
        look_after_kernel(context);
}

not_instrumented uint64_t seeded_steps_allowed(void)
{
    if (next_event <= now)
        return 1;
    return min(STEPS_MAX, (next_event - now + STEP_TIME - 1) / STEP_TIME);
}

not_instrumented void seeded_steps_made(uint64_t steps)
{
    now += steps * STEP_TIME;
    if (steps == STEPS_MAX)
        machine_kick(cpu_self());
}

bool seeded_guest_ended(void)
{
    struct machine_cpu *machine = &cpu_self()->machine;

    if (!guest.is_stopped)
        return false;
    machine->busy_until = now + GUEST_PATIENCE;
    seeded_expect_event(machine->busy_until);
    while (machine->busy_until > now)
        schedule_point(SCHEDULE_IDLE, NULL, NULL);
    machine_kick(cpu_self());
    return true;
}

/* --- Start --------------------------------------------------------------------------------- */

void seeded_init(void)
{
    is_seeded = cmdline_find("seed") != NULL;
    seeded_is_strict = is_seeded && cmdline_find("strict") != NULL;
    has_wrgsbase = (getauxval(AT_HWCAP2) & 2) != 0;
}

void seeded_start(void)
{
    struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGALRM};
    struct timespec period = {0, ALARM_PERIOD};
    struct itimerspec setting = {period, period};
    int timer;
    long error;

    started = 1;
    cpus[0].machine.deadline = NSEC_NEVER;
    event._sigev_un._tid = host_thread = (int)host_call(SYS_gettid);
    error = host_call(SYS_timer_create, CLOCK_MONOTONIC, &event, &timer);
    if (error != 0)
        die(1, (int)-error, "cannot create a timer");
    host_call(SYS_timer_settime, timer, 0, &setting, NULL);
}
