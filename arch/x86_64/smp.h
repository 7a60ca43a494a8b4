/*
 * Where the other CPUs arrive from boot.S; see smp.c.
 */
#pragma once

#include "kern/types.h"

extern paddr_t smp_start_root;
extern void *smp_start_stack;

void smp_start(void) noreturn_fn;
