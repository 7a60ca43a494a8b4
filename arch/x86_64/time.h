/*
 * The clock and each CPU's timer; see time.c.
 */
#pragma once

/* Measure the clocks and start machine_clock(); on the boot CPU, after apic_init_cpu(). */
void time_init(void);

/* Prepare this CPU's timer. */
void time_init_cpu(void);

/* The timer's interrupt. */
void time_interrupt(void);
