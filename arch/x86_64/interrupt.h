/*
 * Interrupts of devices; see trap.c.
 */
#pragma once

#include "kern/types.h"

/*
 * Find a free vector and call handler(argument) whenever its interrupt comes: on the boot CPU,
 * with interrupts disabled. Only at start, on one CPU; panics when there is none left.
 */
unsigned interrupt_allocate(void (*handler)(void *argument), void *argument);
