/*
 * The kernel's command line: words `key` or `key=value`, then optionally ` -- ` and a shell
 * command, verbatim to the end, that init runs instead of an interactive shell.
 *
 *      root=disk0      the disk with the root file system (default disk0)
 *      ro              mount it read-only
 *      init=PATH       the first program (default /bin/init)
 *      tlb-check=off   do not look for stale translations (debug builds, where the machine can)
 *      trace[=EVENTS]  write what happened to the machine's trace channel at the end: the last
 *                      EVENTS (default 32768) of each CPU (kern/trace.h)
 *      log=WHERE       the machine's: where kernel messages go
 *      console=stream  the machine's: the console is a stream of bytes, not a terminal
 *      check-leaks     at power-off tell what was allocated and not freed (kern/leak.c)
 *      fail=LIST       let chosen allocations, transfers, ... fail (kern/fail.c)
 *      seed=N          make the run repeatable (docs/determinism.md)
 *      strict          repeatable also with programs that compute for long; slow
 *      strategy=, schedule=  and choose its schedule so (kern/schedule_strategy.c)
 *      record[=all]    tell the results channel who went on where (kern/schedule_record.c)
 *      from=N          leave the scheduling points before number N alone
 *      points=N        panic after so many scheduling points; livelock=N: after so many in which
 *                      no system call came to an end
 *      hold=NAME       at the scheduling point of this name, let all others go first
 *      until=N         call schedule_arrived() at point N, for debuggers
 */
#pragma once

#include "kern/types.h"

/* The value of `key` copied to `value` ("" for a bare word); false when it is not there. */
bool cmdline_get(const char *key, char *value, size_t size);

/* Where the value of `key` stands in the command line; it ends at a space or NUL. NULL: nowhere. */
const char *cmdline_find(const char *key);

/* Read digits at `s`; returns what follows them, or NULL when there are none or too many. */
const char *cmdline_parse_number(const char *s, uint64_t *number);

/* The value of `key` as a number; false when it is not there or is none. */
bool cmdline_get_number(const char *key, uint64_t *number);

/* What stands after ` -- `, or NULL. */
const char *cmdline_command(void);
