/*
 * What the firmware's ACPI tables say of the machine; see acpi.c. Read-only after acpi_init().
 */
#pragma once

#include "kern/types.h"
#include <machine/param.h>

#define ACPI_MAX_IO_APICS 8
#define ACPI_ISA_IRQS     16

struct acpi_machine {
    paddr_t local_apic;
    unsigned cpu_count; /* usable ones, at most MAX_CPUS */
    uint32_t cpu_apic_ids[MAX_CPUS];
    unsigned io_apic_count;
    struct acpi_io_apic {
        paddr_t address;
        uint32_t first_line; /* its "global system interrupt base" */
    } io_apics[ACPI_MAX_IO_APICS];
    struct acpi_isa_irq {
        uint32_t line; /* "global system interrupt" */
        bool is_active_low, is_level;
    } isa_irqs[ACPI_ISA_IRQS];
    paddr_t hpet;          /* 0: none */
    uint16_t pm_timer;     /* I/O port; 0: none */
    uint16_t pm_control_a; /* I/O ports of the PM1 control registers; 0: none */
    uint16_t pm_control_b;
    uint16_t sleep_off; /* what to write there to turn the power off; 0: not known */
};

extern struct acpi_machine acpi;

/* Read the tables; `root` is the RSDP's address or 0. Panics when there are none. */
void acpi_init(paddr_t root);

/* Turn the power off, if the tables say how; returns when they do not. */
void acpi_power_off(void);
