/*
 * The surroundings of the files' code in native unit tests: one process with a little memory, a
 * console that collects what is written, locks that only check, and sleeping that calls the test.
 */
#pragma once

#include "kern/process.h"
#include "kern/types.h"

/* The process's memory: FAKE_USER_SIZE bytes at the user address FAKE_USER_BASE. */
#define FAKE_USER_BASE 0x400000UL
#define FAKE_USER_SIZE (256UL * 1024)
extern char fake_user[FAKE_USER_SIZE];

static inline uaddr_t user_address(const char *p)
{
    return FAKE_USER_BASE + (uaddr_t)(p - fake_user);
}

extern struct process fake_process;

/*
 * Called where a thread would sleep, with no lock held: makes come true what it waits for, and
 * returns 0, or returns -EINTR or -ETIMEDOUT. NULL: sleeping is a failure.
 */
extern int (*fake_sleep)(void);
extern nsec_t fake_deadline; /* of the last sleep */
extern nsec_t fake_clock;

extern int fake_signal;         /* the last one sent, to the process or a group */
extern pid_t fake_signal_group; /* ... to which group */
extern int fake_held_locks;     /* spinlocks held now */
extern int fake_allocations;    /* blocks and pages not freed yet */
extern int fake_failing;        /* > 0: so many allocations succeed, then all fail; -1: never */

/* What was written to the console since fake_console_take(), and whether it is a stream. */
const char *fake_console_take(void);
extern bool fake_console_is_stream;
extern int fake_console_resumes;
