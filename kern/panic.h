/*
 * Stopping all CPUs but one, for a panic or the end of the machine. See kern/panic.c; panic()
 * itself is in kern/print.h, the upcall stop_interrupt() in kern/machine.h.
 */
#pragma once

#include "kern/types.h"

struct cpu;

/*
 * Stop every CPU but `self`, for ever; NULL: every CPU, for a caller that is none. Interrupts are
 * disabled. Waits until they have stopped, but not for one that does not answer; it says so
 * with is_stopped. Returns false if somebody else did that before: then the caller is to stop,
 * too, by panic_check().
 */
bool cpus_stop(struct cpu *self) must_check;

/* Whether somebody has: the machine is about to end. */
bool cpus_are_stopped(void);
