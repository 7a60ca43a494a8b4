/*
 * The machine's part of struct cpu, and what must be inline: which CPU this is, and whether it
 * takes interrupts. While the kernel runs, GS points at struct machine_cpu.
 */
#pragma once

#include "kern/types.h"

struct cpu;
struct pmap;
struct trapframe;

/* All but `self` and `apic_id` belong to this CPU, with interrupts disabled. */
struct machine_cpu {
    struct cpu *self;             /* offset 0 */
    uint64_t user_rsp;            /* offset 8: the user's stack pointer during SYSCALL entry */
    uint64_t kernel_rsp;          /* offset 16: the stack pointer inside user_enter() */
    void *frame_end;              /* offset 24: where a trap from user mode pushes registers */
    struct trapframe *user_frame; /* whose floating point and segment bases are loaded */
    uint64_t fs_base, gs_base;    /* the bases that are loaded */
    struct pmap *pmap;            /* whose page table is loaded; NULL: the kernel's */
    nsec_t deadline;              /* of the timer */
    uint32_t apic_id;             /* its local APIC's name */
};

_Static_assert(offsetof(struct machine_cpu, self) == 0, "used by cpu_self()");
_Static_assert(offsetof(struct machine_cpu, user_rsp) == 8, "used in entry.S");
_Static_assert(offsetof(struct machine_cpu, kernel_rsp) == 16, "used in entry.S");
_Static_assert(offsetof(struct machine_cpu, frame_end) == 24, "used in entry.S");

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

static inline void cpu_relax(void)
{
    __asm__ volatile("pause" ::: "memory");
}

static inline bool interrupts_are_enabled(void)
{
    uint64_t flags;

    __asm__ volatile("pushfq; popq %0" : "=r"(flags));
    return (flags & 0x200) != 0;
}

/* Disable interrupts on this CPU; returns whether they were enabled. */
static inline bool interrupts_disable(void)
{
    bool were_enabled = interrupts_are_enabled();

    __asm__ volatile("cli" ::: "memory");
    return were_enabled;
}

static inline void interrupts_enable(void)
{
    __asm__ volatile("sti" ::: "memory");
}

/* Enable interrupts if `enabled`: the counterpart of interrupts_disable(). */
static inline void interrupts_restore(bool enabled)
{
    if (enabled)
        interrupts_enable();
}
