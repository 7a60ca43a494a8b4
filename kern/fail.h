/*
 * Fault injection: the K-th of something fails, as if memory, a disk or the host had. Theory in
 * kern/fail.c. Where nothing was asked for, a place that could fail costs the look at a flag.
 */
#pragma once

#include "kern/types.h"

enum fail_kind { FAIL_ALLOC, FAIL_PAGE, FAIL_DISK_READ, FAIL_DISK_WRITE, FAIL_STUB, FAIL_KINDS };

/* Read the word fail=; early, before anything that is counted from boot on. */
void fail_init(void);

/* The command has begun: count from here on, unless counting began at boot. */
void fail_begin(void);

/* Stop counting, and tell the results channel how many there were and what failed. */
void fail_end(void);

/* For a panic: print what failed. */
void fail_print(void);

extern bool fail_is_counting;
bool fail_count(enum fail_kind kind);

/* Whether this one is to fail; counts it. Any context. */
static inline bool fail_now(enum fail_kind kind)
{
    return __atomic_load_n(&fail_is_counting, __ATOMIC_RELAXED) && fail_count(kind);
}
