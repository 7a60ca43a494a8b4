/*
 * Repeatable runs (seed=N): all CPUs are coroutines of one host thread, time is virtual. Theory in
 * seeded.c; the rest of the port asks `is_seeded` and calls these.
 */
#pragma once

#include "kern/types.h"

struct cpu;

/* (i) set before any CPU runs */
extern bool is_seeded;
extern bool seeded_is_strict; /* programs are run step by step, and the steps counted */

/* Look for seed= on the command line. */
void seeded_init(void);

/* The host thread that is all CPUs is this one: cpus[0]. */
void seeded_start(void);

/* machine_start_cpu() */
void seeded_start_cpu(struct cpu *cpu, void (*start)(void *));

/* machine_clock(), machine_idle() */
nsec_t seeded_clock(void);
void seeded_idle(void);

/* A timer is set to `when`: the clock will not jump over it. */
void seeded_expect_event(nsec_t when);

/* How many steps a program may make before it is stopped; and how many it made. */
uint64_t seeded_steps_allowed(void);
void seeded_steps_made(uint64_t steps);

/* machine_stop() */
void seeded_stop(struct cpu *cpu);

/* interrupt_raise(), once the bit is set: from another host thread, wake ours. */
void seeded_wake(void);

/* A program runs, and ran; true when it had to be stopped. */
void seeded_guest_begins(void);
bool seeded_guest_ended(void);

/* SIGALRM came on the host thread that is all CPUs, and interrupted `context` (ucontext_t). */
void seeded_alarm(const void *context);
