/*
 * The machine's part of struct cpu, and what must be inline: which CPU this is, and whether it
 * takes interrupts.
 *
 * A CPU is a host thread whose GS base points at struct machine_cpu (the host's C library uses
 * only FS). A kernel thread may be preempted by a signal at any instruction and resume on
 * another host thread, so whatever names "this CPU" must be one instruction: hence the
 * GS-relative accesses. "Interrupts disabled" is the byte at offset 8; a signal that finds it
 * zero sets bits in `pending` and returns, and interrupts_enable() replays them.
 */
#pragma once

#include "kern/types.h"

struct cpu;
struct vextframe;

/* (i) immutable after start, (s) only this CPU, (a) atomic */
struct machine_cpu {
    struct cpu *self;               /* (i) offset 0 */
    volatile uint8_t interrupts_on; /* (s) offset 8 */
    volatile uint32_t pending;      /* (a) offset 12: interrupts that wait, as bits */
    volatile uint32_t idle;         /* (a) sleeps in machine_idle() on `pending` */
    int host_thread;                /* (i) the host's thread number, for tgkill(2) */
    int timer;                      /* (i) the host's timer */
    nsec_t deadline;                /* (s) when timer_interrupt() is to be called */
    nsec_t programmed;              /* (s) when the host's timer will go off */
    nsec_t busy_until;              /* (s) seeded: a program computes until then */
    volatile bool in_guest;         /* (s) inside user_run(): an interrupt must end it */
    struct vextframe *vframe;       /* (i) for vmspace_ctl() and vmspace_kick() */
    void *vmspace;                  /* (s) of the active page table */
    uint32_t relaxed;               /* (s) how often cpu_relax() was called */
    void *fault_stack;              /* (i) where the host runs the handler of kernel faults */
};

_Static_assert(offsetof(struct machine_cpu, self) == 0, "used by cpu_self()");
_Static_assert(offsetof(struct machine_cpu, interrupts_on) == 8, "used below");
_Static_assert(offsetof(struct machine_cpu, pending) == 12, "used below");

/* Run the handlers of what is pending, with interrupts disabled, then enable them. */
void machine_replay_interrupts(void);

/*
 * The CPU that this code runs on. Stable only with interrupts disabled: otherwise the thread
 * may move to another CPU before the answer is used.
 */
static inline struct cpu *cpu_self(void)
{
    struct cpu *cpu;

    __asm__ volatile("mov %%gs:0, %0" : "=r"(cpu));
    return cpu;
}

/* There are as many CPUs as the host has processors, or more: who waits must let others run. */
extern bool machine_is_crowded;
void machine_yield(void);

static inline void cpu_relax(void)
{
    __asm__ volatile("pause" ::: "memory");
    if (machine_is_crowded)
        machine_yield();
}

static inline bool interrupts_are_enabled(void)
{
    uint8_t on;

    __asm__ volatile("movb %%gs:8, %0" : "=q"(on)::"memory");
    return on != 0;
}

/*
 * Disable interrupts on this CPU; returns whether they were enabled. The two instructions need
 * not be one: if the thread is moved in between, interrupts were on, here and there.
 */
static inline bool interrupts_disable(void)
{
    uint8_t on;

    __asm__ volatile("movb %%gs:8, %0\n\t"
                     "movb $0, %%gs:8"
                     : "=&q"(on)::"memory");
    return on != 0;
}

static inline void interrupts_enable(void)
{
    uint32_t pending;

    __asm__ volatile("movb $1, %%gs:8\n\t"
                     "movl %%gs:12, %0"
                     : "=r"(pending)::"memory");
    if (pending != 0)
        machine_replay_interrupts();
}

/* Enable interrupts if `enabled`: the counterpart of interrupts_disable(). */
static inline void interrupts_restore(bool enabled)
{
    if (enabled)
        interrupts_enable();
}
