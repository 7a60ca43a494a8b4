/*
 * Time: the host's monotonic clock, and one host timer a CPU.
 *
 * Setting a host timer is a system call, and the kernel moves its deadline at nearly every
 * switch. So a timer that would go off earlier than it should is left alone: when it does,
 * the deadline is looked at, and only then programmed. A CPU that becomes idle takes at most one
 * such interrupt for nothing.
 */
#include "arch/vkernel/seeded.h"
#include "arch/vkernel/vkernel.h"
#include "arch/vkernel/vmspace/linux.h"
#include "kern/cpu.h"
#include "kern/machine.h"

#include <signal.h>
#include <time.h>

static nsec_t monotonic_at_boot, realtime_at_boot;

static nsec_t read_clock(clockid_t clock)
{
    struct timespec now;

    clock_gettime(clock, &now); /* the vDSO: no system call, and no errno with these clocks */
    return now.tv_sec * NSEC_PER_SEC + now.tv_nsec;
}

void clock_init(void)
{
    monotonic_at_boot = read_clock(CLOCK_MONOTONIC);
    realtime_at_boot = read_clock(CLOCK_REALTIME);
}

nsec_t machine_clock(void)
{
    if (is_seeded)
        return seeded_clock();
    return read_clock(CLOCK_MONOTONIC) - monotonic_at_boot;
}

nsec_t machine_boot_time(void)
{
    return realtime_at_boot;
}

void clock_init_machine_cpu(struct cpu *cpu)
{
    struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGALRM};
    long error;

    event._sigev_un._tid = cpu->machine.host_thread;
    error = host_call(SYS_timer_create, CLOCK_MONOTONIC, &event, &cpu->machine.timer);
    if (error != 0) /* EAGAIN: timers count as signals that wait */
        die(1, 0, "cannot create a timer: a larger `ulimit -i` is needed");
    cpu->machine.deadline = cpu->machine.programmed = NSEC_NEVER;
}

/* A deadline beyond what the host's clock can say is programmed as its last moment. */
static void program(struct machine_cpu *machine, nsec_t deadline)
{
    nsec_t last = NSEC_NEVER - monotonic_at_boot;
    nsec_t at = monotonic_at_boot + min(max(deadline, (nsec_t)0), last);
    struct itimerspec setting = {.it_value = {at / NSEC_PER_SEC, at % NSEC_PER_SEC}};

    machine->programmed = deadline;
    host_call(SYS_timer_settime, machine->timer, TIMER_ABSTIME, &setting, NULL);
}

void machine_timer_set(nsec_t deadline)
{
    struct machine_cpu *machine = &cpu_self()->machine;

    machine->deadline = deadline;
    if (is_seeded)
        seeded_expect_event(deadline);
    else if (deadline < machine->programmed)
        program(machine, deadline);
}

bool clock_timer_expired(void)
{
    struct machine_cpu *machine = &cpu_self()->machine;

    machine->programmed = NSEC_NEVER;
    if (machine->deadline == NSEC_NEVER)
        return false;
    if (machine->deadline > machine_clock()) {
        machine_timer_set(machine->deadline);
        return false;
    }
    machine->deadline = NSEC_NEVER;
    return true;
}
