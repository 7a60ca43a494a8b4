/*
 * CPUs: host threads whose GS base points at their struct machine_cpu.
 *
 * A CPU's host thread begins on a stack of the host, on which it prepares itself, and leaves it
 * for a kernel thread's stack for ever. It never ends but with the process.
 */
#include "kern/cpu.h"
#include "arch/vkernel/seeded.h"
#include "arch/vkernel/vkernel.h"
#include "arch/vkernel/vmspace/linux.h"
#include "arch/vkernel/vmspace/vmspace.h"
#include "kern/abi/errno.h"
#include "kern/machine.h"
#include "kern/schedule_point.h"
#include "kern/thread.h"

#include <asm/prctl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <unistd.h>

#define RELAX_SPINS 32 /* how often to look before the host runs someone else */

bool machine_is_crowded;

static unsigned host_cpu_count; /* processors that we may use, */
static cpu_set_t host_cpus;     /* and which */

static struct vextframe vframes[MAX_CPUS];

unsigned machine_cpu_count(void)
{
    return options.cpus;
}

/* The one who is waited for may have lost its processor to the one who waits. */
void machine_yield(void)
{
    if (is_seeded)
        schedule_point(SCHEDULE_RELAX, NULL, NULL);
    else if (++cpu_self()->machine.relaxed % RELAX_SPINS == 0)
        host_call(SYS_sched_yield);
}

void context_switch(struct context *from, struct context *to)
{
    sanitizer_before_switch();
    context_switch_registers(from, to);
}

/* --- Host threads -------------------------------------------------------------------------- */

void cpu_count_host(void)
{
    host_cpu_count = 1;
    if (sched_getaffinity(0, sizeof(host_cpus), &host_cpus) == 0)
        host_cpu_count = (unsigned)CPU_COUNT(&host_cpus);
    machine_is_crowded = is_seeded || options.cpus >= host_cpu_count;
}

/*
 * Start a detached thread with all signals blocked, on any processor. It would inherit the GS base
 * of a CPU that starts it, and be taken for that CPU; so it starts with none.
 */
static int start_host_thread(void *(*start)(void *), void *argument)
{
    pthread_attr_t attributes;
    sigset_t all, old;
    pthread_t thread;
    vaddr_t gs = 0;
    int error;

    sigfillset(&all);
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, HOST_STACK_SIZE);
    pthread_attr_setaffinity_np(&attributes, sizeof(host_cpus), &host_cpus);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    host_call(SYS_arch_prctl, ARCH_GET_GS, &gs);
    host_call(SYS_arch_prctl, ARCH_SET_GS, 0);
    error = pthread_create(&thread, &attributes, start, argument);
    host_call(SYS_arch_prctl, ARCH_SET_GS, gs);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    pthread_attr_destroy(&attributes);
    return error;
}

void service_thread_start(void *(*start)(void *), void *argument)
{
    int error = start_host_thread(start, argument);

    if (error != 0)
        die(1, error, "cannot start a thread");
}

bool is_cpu_thread(void)
{
    vaddr_t gs = 0;

    host_call(SYS_arch_prctl, ARCH_GET_GS, &gs);
    return gs != 0;
}

/* --- CPUs ---------------------------------------------------------------------------------- */

unsigned cpu_host_processors(void)
{
    return host_cpu_count;
}

/* Where not every CPU can have a second processor for its user programs, each is bound to one
 * (vmspace.h). */
bool cpu_is_bound(void)
{
    return 2 * (is_seeded ? 1 : options.cpus) > host_cpu_count;
}

/* Which processor is first differs from instance to instance. */
static void bind_to_processor(unsigned id)
{
    unsigned wanted = (id + (unsigned)getpid()) % host_cpu_count;
    cpu_set_t one;

    for (int processor = 0; processor < CPU_SETSIZE; processor++) {
        if (!CPU_ISSET(processor, &host_cpus) || wanted-- != 0)
            continue;
        CPU_ZERO(&one);
        CPU_SET(processor, &one);
        sched_setaffinity(0, sizeof(one), &one);
        return;
    }
}

/* Make the calling host thread the CPU: cpu_self(), its timer, and interrupts, disabled. */
static void become_cpu(struct cpu *cpu)
{
    struct machine_cpu *machine = &cpu->machine;
    sigset_t interrupts;

    machine->self = cpu;
    machine->vframe = &vframes[cpu->id];
    machine->host_thread = (int)host_call(SYS_gettid);
    host_call(SYS_arch_prctl, ARCH_SET_GS, machine);
    machine->fault_stack = fault_stack_install();
    if (is_seeded)
        seeded_start();
    else
        clock_init_machine_cpu(cpu);
    vmspace_cpu_busy(true);
    if (cpu_is_bound())
        bind_to_processor(cpu->id);
    sigemptyset(&interrupts);
    sigaddset(&interrupts, SIGALRM);
    if (!is_seeded)
        sigaddset(&interrupts, SIGUSR1);
    pthread_sigmask(SIG_UNBLOCK, &interrupts, NULL);
}

static void *boot_cpu_main(void *unused)
{
    (void)unused;
    become_cpu(&cpus[0]);
    kernel_main();
}

void cpu_start_boot(void)
{
    service_thread_start(boot_cpu_main, NULL);
}

/* On the idle thread's stack. */
static void enter_idle(void *argument)
{
    cpu_main(argument);
}

static void *other_cpu_main(void *argument)
{
    struct cpu *cpu = argument;
    struct context host; /* never continued */

    become_cpu(cpu);
    context_init(&cpu->idle->context, cpu->idle->stack, enter_idle, cpu);
    context_switch(&host, &cpu->idle->context);
    return NULL;
}

/* Called early, when no other thread could be switched to: so the host's library may be used, but
 * with interrupts disabled, since it must not be interrupted and moved. */
int machine_start_cpu(struct cpu *cpu)
{
    bool were_on;
    int error;

    if (is_seeded) {
        cpu->machine.vframe = &vframes[cpu->id];
        seeded_start_cpu(cpu, enter_idle);
        return 0;
    }
    were_on = interrupts_disable();
    error = start_host_thread(other_cpu_main, cpu);

    interrupts_restore(were_on);
    return error == 0 ? 0 : -EIO;
}
