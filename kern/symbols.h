/*
 * The kernel's own symbol table, for backtraces. The build links the kernel twice: first with
 * an empty table, then with the one that it reads off the first link (Makefile). Offsets are
 * relative to kernel_main(), so that they also hold where the host loads the kernel elsewhere.
 */
#pragma once

#include "kern/types.h"

struct symbol {
    int32_t offset; /* address of the function minus that of kernel_main() */
    const char *name;
};

extern const struct symbol symbol_table[]; /* by rising offset; generated */
extern const size_t symbol_count;

/*
 * The function that contains `address`: its name, and in *offset the distance from its start.
 * NULL when `address` is in no function of the kernel.
 */
const char *symbol_find(vaddr_t address, size_t *offset);

/*
 * Store the return addresses of the frame at `fp` (a frame pointer of the System V ABI) and of
 * its callers, the innermost first, in calls[0..max). Reads only inside [low, high), the stack.
 * Returns how many there are.
 */
size_t backtrace_collect(vaddr_t fp, vaddr_t low, vaddr_t high, vaddr_t calls[], size_t max);

/* Print a line for the function that a return address leads back to. */
void backtrace_print_call(vaddr_t return_address);

/*
 * Print the calls that led to the frame at `fp` (a frame pointer of the System V ABI), the
 * innermost being at `pc`; pc 0 is left out. Reads only inside [low, high), the stack.
 */
void backtrace_print(vaddr_t pc, vaddr_t fp, vaddr_t low, vaddr_t high);
