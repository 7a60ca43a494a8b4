/*
 * TLB shootdown; see tlb.c and machine_tlb_invalidate() in kern/machine.h.
 */
#pragma once

#include "kern/types.h"

struct cpu;

/* This CPU takes part in shootdowns from now on. */
void tlb_start_cpu(struct cpu *cpu);

/* As machine_tlb_invalidate(), for kernel addresses: on every CPU. A few pages at most. */
void tlb_invalidate_kernel(vaddr_t start, vaddr_t end);

/* The part of the NMI handler that answers a shootdown. */
void tlb_answer(struct cpu *cpu);
