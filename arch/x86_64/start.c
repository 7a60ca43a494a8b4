/*
 * The boot CPU's way from boot.S to kernel_main(), and the small things that the kernel wants
 * from a machine: idling, devices, random numbers, the end.
 */
#include "arch/x86_64/acpi.h"
#include "arch/x86_64/apic.h"
#include "arch/x86_64/descriptors.h"
#include "arch/x86_64/ivshmem.h"
#include "arch/x86_64/memory.h"
#include "arch/x86_64/pci.h"
#include "arch/x86_64/serial.h"
#include "arch/x86_64/time.h"
#include "arch/x86_64/tlb.h"
#include "arch/x86_64/trace_channel.h"
#include "arch/x86_64/virtio_blk.h"
#include "arch/x86_64/x86.h"
#include "kern/cpu.h"
#include "kern/machine.h"
#include "kern/print.h"
#include "kern/string.h"

#define DEBUG_EXIT_PORT 0x501 /* QEMU's isa-debug-exit device with iobase=0x501,iosize=2 */

#define CPUID_1_ECX_RDRAND (1U << 30) /* SDM vol. 2A, CPUID */
#define RDRAND_TRIES       10         /* SDM vol. 1, section 7.3.17.1 */

void machine_start(paddr_t start_info) noreturn_fn;

void machine_start(paddr_t start_info)
{
    descriptors_init_cpu(&cpus[0]);
    serial_init();
    memory_read_start_info(start_info);
    serial_read_command_line();
    memory_init();
    acpi_init(memory_acpi_root());
    apic_init();
    apic_init_cpu(&cpus[0]);
    time_init();
    tlb_start_cpu(&cpus[0]);
    kernel_main();
}

void machine_start_devices(void)
{
    pci_scan(virtio_blk_attach);
    pci_scan(ivshmem_attach);
    pci_scan(trace_channel_attach);
    serial_start_input();
}

/* STI takes effect after the next instruction, so no interrupt comes between it and HLT (SDM
 * vol. 2B, STI). */
void machine_idle(void)
{
    __asm__ volatile("sti; hlt; cli" ::: "memory");
}

void machine_stop(struct cpu *cpu)
{
    apic_send_nmi(cpu);
}

void machine_halt(void)
{
    for (;;)
        __asm__ volatile("cli; hlt");
}

/* QEMU ends with status 0 when the power goes off, with 2 * value + 1 through the exit device. */
void machine_power_off(int status)
{
    interrupts_disable();
    if (status != 0 || acpi.sleep_off == 0)
        outw(DEBUG_EXIT_PORT, (uint16_t)status);
    acpi_power_off();
    machine_halt();
}

static bool read_random(uint64_t *value)
{
    bool is_valid = false;

    for (int i = 0; i < RDRAND_TRIES && !is_valid; i++)
        __asm__ volatile("rdrand %0; setc %1" : "=r"(*value), "=qm"(is_valid)::"cc");
    return is_valid;
}

/* Without RDRAND there is only the time at which things happen: the TSC, stirred by the finalizer
 * of SplitMix64 (Steele, Lea, Flood 2014). */
void machine_random(void *buffer, size_t length)
{
    bool has_rdrand = cpuid(1).ecx & CPUID_1_ECX_RDRAND;
    uint64_t state = (uint64_t)machine_boot_time();

    for (size_t i = 0; i < length; i += sizeof(uint64_t)) {
        uint64_t value;

        if (!has_rdrand || !read_random(&value)) {
            state = state * 0x9e3779b97f4a7c15 + read_tsc();
            value = (state ^ state >> 30) * 0xbf58476d1ce4e5b9;
            value = (value ^ value >> 27) * 0x94d049bb133111eb;
            value ^= value >> 31;
        }
        memcpy((char *)buffer + i, &value, min(length - i, sizeof(value)));
    }
}
