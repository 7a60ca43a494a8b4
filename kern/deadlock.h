/*
 * Who waits for what: the report of a deadlock. Theory in kern/deadlock.c.
 */
#pragma once

/*
 * For panic_explained(): print who waits for what. `spins_on` are the spinlocks that the CPUs wait
 * for, MAX_CPUS pointers, which may be NULL.
 */
void deadlock_explain(const void *spins_on);
