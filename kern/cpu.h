/*
 * What the kernel knows of each CPU.
 */
#pragma once

#include "kern/sched.h"
#include "kern/thread.h"
#include "kern/trace.h"
#include "kern/types.h"
#include <machine/cpu.h>
#include <machine/param.h>

struct spinlock;
struct thread;

/* (i) immutable after start, (s) only this CPU, with interrupts disabled, (a) atomic */
struct cpu {
    struct machine_cpu machine;
    unsigned id;                 /* (i) 0 is the boot CPU */
    struct thread *current;      /* (s) */
    struct thread *idle;         /* (i) runs when nothing else can */
    unsigned interrupts_off;     /* (s) depth of interrupts_push() */
    bool interrupts_were_on;     /* (s) what the outermost push found */
    bool need_resched;           /* (a) the current thread should yield soon */
    bool is_idle;                /* (a) sleeps or is about to, in the idle thread */
    bool in_interrupt;           /* (s) inside a handler; the machine says so */
    uint32_t schedule_points[2]; /* (s) that its handlers passed; at which they waited */
    struct thread *previous;     /* (s) whom the current thread was switched to from */
    struct run_queue queue;
    struct timeouts *timeouts; /* (i) kern/clock.c */
    struct trace_ring trace;
    bool is_stopped;                /* (a) for ever, */
    vaddr_t stopped_pc, stopped_fp; /* and where (kern/panic.c) */
#ifdef DEBUG
    struct spinlock *held; /* (s) the newest spinlock that this CPU holds */
#endif
};

extern struct cpu cpus[MAX_CPUS];
