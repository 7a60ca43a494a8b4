/*
 * The memory map, the kernel's own page table, and where devices appear in it. See memory.c.
 */
#pragma once

#include "kern/types.h"

/* Read the loader's start info: command line, memory map, ACPI root. On the boot page tables. */
void memory_read_start_info(paddr_t start_info);

/* Where the loader says that ACPI's root pointer is, or 0. */
paddr_t memory_acpi_root(void);

/* Make the kernel's page table and load it. */
void memory_init(void);

/* The kernel's page table, for CR3: no user memory. */
paddr_t memory_kernel_root(void);

/*
 * Map the device registers (or firmware tables) at [pa, pa + size), uncached; for good. Only
 * on the boot CPU, at start. Panics when there is no room.
 */
void *device_map(paddr_t pa, size_t size);

/* True when `va` is in the guard page below a kernel stack. */
bool memory_is_guard(vaddr_t va);
