/*
 * Segments, the task state and the interrupt table of each CPU; see descriptors.c.
 */
#pragma once

#include "kern/types.h"

struct cpu;

/* Selectors, in the order that SYSCALL and SYSRET want (SDM vol. 2B); Linux's values. */
#define SELECTOR_KERNEL_CODE 0x10
#define SELECTOR_KERNEL_DATA 0x18
#define SELECTOR_USER_32     0x23 /* not used, but SYSRET counts from here */
#define SELECTOR_USER_DATA   0x2b
#define SELECTOR_USER_CODE   0x33
#define SELECTOR_TASK        0x40

/* Load this CPU's GS base, segments, task state and interrupt table. The first thing that it
 * does in C: cpu_self() works from here on. */
void descriptors_init_cpu(struct cpu *cpu);

/* Traps from user mode push their registers below `top` on this CPU. */
void descriptors_set_stack(struct cpu *cpu, void *top);
