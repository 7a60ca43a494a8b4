/*
 * The other CPUs: started one after the other by the protocol of SDM vol. 3A, section 9.4.4
 * (INIT, then a start-up message with the page where they begin in real mode), see boot.S.
 */
#include "arch/x86_64/smp.h"

#include "arch/x86_64/acpi.h"
#include "arch/x86_64/apic.h"
#include "arch/x86_64/descriptors.h"
#include "arch/x86_64/memory.h"
#include "arch/x86_64/time.h"
#include "arch/x86_64/tlb.h"
#include "kern/abi/errno.h"
#include "kern/cpu.h"
#include "kern/machine.h"
#include "kern/print.h"
#include "kern/string.h"
#include "kern/thread.h"
#include "vm/page.h"

#define TRAMPOLINE_PAGE 0x8000UL /* in the memory that the kernel leaves alone (memory.c) */

#define STARTUP_DELAY (200 * NSEC_PER_USEC)
#define START_TIME    (10 * NSEC_PER_MSEC)
#define START_TRIES   100

/* From boot.S. */
extern const char smp_trampoline[], smp_trampoline_end[];

/* For boot.S: the page table and the top of the stack of the CPU that starts. */
paddr_t smp_start_root;
void *smp_start_stack;

static struct cpu *starting; /* (a) the CPU that starts; it clears this when it runs */

unsigned machine_cpu_count(void)
{
    return acpi.cpu_count;
}

/* CPU n's local APIC: the boot CPU is 0 wherever it stands in the firmware's list. */
static uint32_t find_apic_id(unsigned cpu)
{
    for (unsigned i = 0; i < acpi.cpu_count; i++) {
        if (acpi.cpu_apic_ids[i] == cpus[0].machine.apic_id)
            continue;
        if (--cpu == 0)
            return acpi.cpu_apic_ids[i];
    }
    panic("no CPU %u", cpu);
}

/* Wait until the CPU runs, for at most `span`. */
static bool wait_started(nsec_t span)
{
    nsec_t end = machine_clock() + span;

    while (__atomic_load_n(&starting, __ATOMIC_ACQUIRE) != NULL) {
        if (machine_clock() >= end)
            return false;
        cpu_relax();
    }
    return true;
}

int machine_start_cpu(struct cpu *cpu)
{
    uint32_t apic_id = find_apic_id(cpu->id);

    memcpy(direct_map(TRAMPOLINE_PAGE), smp_trampoline,
           (size_t)(smp_trampoline_end - smp_trampoline));
    smp_start_root = memory_kernel_root();
    smp_start_stack = (char *)cpu->idle->stack + KERNEL_STACK_SIZE;
    __atomic_store_n(&starting, cpu, __ATOMIC_RELEASE);
    apic_send_init(apic_id);
    wait_started(STARTUP_DELAY);
    for (int i = 0; i < START_TRIES; i++) {
        apic_send_startup(apic_id, TRAMPOLINE_PAGE);
        if (wait_started(START_TIME))
            return 0;
    }
    return -EIO;
}

/* --- Controlled schedules: CPUs run by themselves, repeatably if the emulator counts instructions
 * - */

bool machine_schedule_is_ours(void)
{
    return false;
}

void machine_schedule_tick(void)
{
}

uint64_t machine_schedule_ready(void)
{
    uint64_t ready = 0;

    for (unsigned id = 0; id < machine_cpu_count(); id++) {
        if (cpus[id].current != NULL && !cpus[id].is_idle)
            ready |= 1UL << id;
    }
    return ready;
}

/* QEMU's only thread goes on with the next CPU at a PAUSE. */
void machine_schedule_run(struct cpu *cpu)
{
    (void)cpu;
    cpu_relax();
}

bool machine_schedule_wait(void)
{
    return false;
}

/* --- On another CPU ------------------------------------------------------------------------- */

void smp_start(void)
{
    struct cpu *cpu = starting;

    descriptors_init_cpu(cpu);
    apic_init_cpu(cpu);
    time_init_cpu();
    tlb_start_cpu(cpu);
    __atomic_store_n(&starting, NULL, __ATOMIC_RELEASE);
    cpu_main(cpu);
}
