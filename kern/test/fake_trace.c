/*
 * For native unit tests: no event is recorded.
 */
#include "kern/trace.h"

bool trace_is_on;

nsec_t trace_record(enum trace_kind kind, unsigned detail, const uint64_t words[TRACE_WORDS])
{
    (void)kind;
    (void)detail;
    (void)words;
    return 0;
}

nsec_t trace_clock(void)
{
    return 0;
}

void trace_switch(const struct thread *previous, struct thread *next, nsec_t began, nsec_t ended)
{
    (void)previous;
    (void)next;
    (void)began;
    (void)ended;
}

void trace_wake(struct thread *thread)
{
    (void)thread;
}

void trace_block_submit(struct block_request *request)
{
    (void)request;
}

void trace_block_done(const struct block_request *request)
{
    (void)request;
}
