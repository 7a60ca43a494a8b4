/*
 * What entry.S calls, and how a trap from user mode becomes a struct trap. See trap.c.
 */
#pragma once

#include "kern/trap.h"
#include <machine/frame.h>

#define TRAP_NUMBER_SYSCALL 256 /* in trapframe.trap_number; entry.S pushes it */

/* Run the program of `frame` until it traps; in entry.S. */
void user_enter(struct trapframe *frame, bool by_sysret);

/* An interrupt or exception in kernel mode; of `frame` there is only the part up to ss. */
void trap_from_kernel(const struct trapframe *frame);

/* The same for NMI, double fault and machine check, from user mode, too. */
void trap_own_stack(const struct trapframe *frame);

/* Handle the interrupt, or say what the exception in `frame` means. */
struct trap trap_from_user(const struct trapframe *frame);
