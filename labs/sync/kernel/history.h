/*
 * Lab sync: the history of a run, which the host reads from the console and judges.
 *
 * A line is an event: which worker, what it is about, what happened, and a value.
 *
 *      w2 mutex ask
 *      w2 mutex sleep
 *      w0 mutex leave
 *      w2 mutex enter 1f
 *
 * The lines have the order of the events. Worker numbers are those of the program (driver.c);
 * other threads and interrupt handlers have no history.
 */
#pragma once

#include "kern/types.h"

#define WORKERS_MAX 8

struct thread;

/* From now on these threads are the workers; or there are none any more. */
void history_start(struct thread *const threads[], unsigned count);
void history_stop(void);

/* The running worker's number, or -1. Any context. */
int history_worker(void);

/* An event of the running worker. Any context. */
void history_add(const char *subject, const char *event);
void history_add_value(const char *subject, const char *event, uint64_t value);

/* An event of another worker, when none runs any more. */
void history_add_of(int worker, const char *subject, const char *event);

/* No other CPU is between these two; interrupts are disabled, and there is no scheduling point. */
bool history_begin(void);
void history_end(bool interrupts_were_on);

/* What the next atomic operation that changes memory means: the worker has drawn its ticket. */
void instrument_expect_draw(void);

/*
 * Races (races.c): whether what the workers do to the data that locks protect is ordered by
 * acquire and release. Called between history_begin() and history_end().
 */
void race_acquire(int worker, const volatile void *object);
void race_release(int worker, const volatile void *object);

/* An atomic access with this order of the compiler's; is_write and is_read: both for an exchange.
 */
void race_atomic(int worker, const volatile void *object, int order, bool is_read, bool is_write);
void race_fence(int worker, int order);

/* An access to the data: the worker with whose access it is not ordered, or -1. */
int race_access(int worker, bool is_write);
