/*
 * Interrupt controllers: each CPU's local APIC, and the I/O APICs. See apic.c.
 */
#pragma once

#include "kern/types.h"

struct cpu;

/* Interrupt vectors; 0-31 are the processor's exceptions. */
#define VECTOR_DEVICE_FIRST 0x30
#define VECTOR_DEVICE_COUNT 64
#define VECTOR_TIMER        0xf0
#define VECTOR_KICK         0xf1
#define VECTOR_SPURIOUS     0xff

/* Find the controllers and mask all interrupts. On the boot CPU, once. */
void apic_init(void);

/* Prepare this CPU's local APIC. */
void apic_init_cpu(struct cpu *cpu);

/* End of the interrupt that is being handled. */
void apic_end_of_interrupt(void);

/* Send an interrupt to one CPU (this one is fine), an NMI, or what starts it. */
void apic_send_interrupt(struct cpu *cpu, unsigned vector);
void apic_send_nmi(struct cpu *cpu);
void apic_send_init(uint32_t apic_id);
void apic_send_startup(uint32_t apic_id, paddr_t page);

/* The timer: a counter of 32 bits that interrupts at 0, or the TSC's deadline. */
void apic_timer_mode(bool is_tsc_deadline);
void apic_timer_count(uint32_t count);
uint32_t apic_timer_left(void);

/* Deliver an ISA interrupt (0-15) to the boot CPU as `vector`. */
void apic_route_isa(unsigned irq, unsigned vector);

/* Where a device writes, and what, to interrupt the boot CPU with `vector` (MSI). */
paddr_t apic_message_address(void);
uint32_t apic_message_data(unsigned vector);
