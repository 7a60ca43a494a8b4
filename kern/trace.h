/*
 * The event trace: what the kernel did lately, in a ring for each CPU. Theory in kern/trace.c.
 *
 *      trace            on the kernel's command line: large rings, and the machine's trace
 *      trace=EVENTS     channel gets them as JSON at the end; EVENTS for each CPU
 *
 * Without the word, debug builds have small rings, for the report of a panic.
 */
#pragma once

#include "kern/types.h"

struct block_request;
struct cpu;
struct thread;

/* Words are numbers, times, or constant strings. A kind with `began` lasted from then on. */
enum trace_kind {
    TRACE_SWITCH,        /* `thread` runs from now on: struct trace_switch_words */
    TRACE_WAKE,          /* made runnable: thread's number, name (2 words) */
    TRACE_THREAD_END,    /* detail: the system call's number; tid, name (2 words), began */
    TRACE_SYSCALL_ENTER, /* detail: number; 6 arguments */
    TRACE_SYSCALL_EXIT,  /* detail: number; began, result */
    TRACE_FAULT,         /* detail: access; began, address, result */
    TRACE_LOCK_SPUN,     /* name, began: waited for a spinlock, and has it */
    TRACE_LOCK_WAIT,     /* name: begins to wait for a mutex */
    TRACE_LOCK_TAKEN,    /* name, began: and has it */
    TRACE_LOCK_RELEASED, /* name: of a mutex for which others wait */
    TRACE_INTERRUPT,     /* name */
    TRACE_KICK,          /* which CPU */
    TRACE_BLOCK_SUBMIT,  /* detail: enum trace_block; sector, count */
    TRACE_BLOCK_DONE,    /* detail: enum trace_block; began, sector, count, error */
};

enum trace_block { TRACE_BLOCK_READ, TRACE_BLOCK_WRITE, TRACE_BLOCK_FLUSH };

#define TRACE_WORDS 6

/* The words of TRACE_SWITCH. */
struct trace_switch_words {
    uint64_t previous;   /* the number of the thread that ran until now */
    nsec_t began, ended; /* when it did */
    char name[16];       /* its name */
    nsec_t woken_at;     /* when the TRACE_WAKE was that made `thread` runnable; 0: none */
};

struct trace_event {
    nsec_t time;
    uint32_t thread; /* the number of the thread that ran; 0: none yet */
    uint16_t kind;   /* enum trace_kind */
    uint16_t detail;
    uint64_t words[TRACE_WORDS];
};

/* (i) immutable after start, (s) only this CPU, with interrupts disabled */
struct trace_ring {
    struct trace_event **blocks; /* (i) the ring in blocks of TRACE_BLOCK_EVENTS */
    uint64_t mask;               /* (i) how many fit, minus 1 */
    uint64_t count;              /* (s) events ever recorded */
};

/* Events are recorded: set by trace_init(), cleared by trace_stop(). */
extern bool trace_is_on;

/* Make the rings of all CPUs. Called once, when memory can be allocated. */
void trace_init(void);

/* Record an event on this CPU; returns its time. Any context. The functions below are for use. */
nsec_t trace_record(enum trace_kind kind, unsigned detail, const uint64_t words[TRACE_WORDS]);

/* The time, for an event that begins now and will be recorded when it has ended. */
nsec_t trace_clock(void);

/* This CPU's current thread is `next` now; `previous` ran from `began` to `ended`. */
void trace_switch(const struct thread *previous, struct thread *next, nsec_t began, nsec_t ended);
void trace_wake(struct thread *thread);
void trace_thread_end(struct thread *self);
void trace_syscall_enter(struct thread *self, uint64_t number, const uint64_t arguments[6]);
void trace_syscall_exit(struct thread *self, uint64_t number, int64_t result);
void trace_block_submit(struct block_request *request);
void trace_block_done(const struct block_request *request);

static inline nsec_t trace(enum trace_kind kind, unsigned detail, uint64_t a, uint64_t b,
                           uint64_t c)
{
    return trace_is_on ? trace_record(kind, detail, (const uint64_t[TRACE_WORDS]){a, b, c}) : 0;
}

/* `name` is a constant string. */
static inline nsec_t trace_name(enum trace_kind kind, const char *name)
{
    return trace(kind, 0, (uint64_t)name, 0, 0);
}

/* No more events: CPUs that could record some have been stopped, or some may be cut short. */
void trace_stop(void);

/*
 * Reading, after trace_stop(). The newest events that a ring holds are the numbers from
 * trace_first() to ring->count - 1.
 */
uint64_t trace_first(const struct trace_ring *ring);
const struct trace_event *trace_event(const struct trace_ring *ring, uint64_t number);

/* How many events were recorded, and how many of these have been overwritten. */
uint64_t trace_count(uint64_t *lost);

/* In words: PROT_ bits, enum trace_block (kern/trace_print.c). */
const char *trace_access_name(unsigned access);
const char *trace_block_name(unsigned kind);

/* Print the last events of each CPU to the log. */
void trace_print_last(void);

/*
 * If the command line asked for it, write all to the machine's trace channel, as JSON for a trace
 * viewer (kern/trace_json.c). After trace_stop().
 */
void trace_write(void);

/* The machine ends: stop the other CPUs, all if self is NULL (cpus_stop()), and write the trace. */
void trace_end(struct cpu *self);
