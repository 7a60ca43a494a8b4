/*
 * The registers of a user thread, and Linux's system-call convention over them (syscall(2)):
 * number in rax, arguments in rdi rsi rdx r10 r8 r9, result in rax.
 *
 * The assembly in entry.S knows the order of the members up to `ss`.
 */
#pragma once

#include "kern/types.h"
#include <machine/param.h>

/* Whose programs run: what uname(2) calls the processor, and ELF's number for it. */
#define USER_MACHINE     "x86_64"
#define USER_ELF_MACHINE EM_X86_64

struct trapframe {
    uint64_t r15, r14, r13, r12, rbp, rbx, r11, r10, r9, r8, rax, rcx, rdx, rsi, rdi;
    uint64_t trap_number, error_code; /* of the last trap; the machine's business */
    uint64_t rip, cs, rflags, rsp, ss;
    uint64_t fs_base, gs_base;
    uint8_t fpu[FPU_STATE_SIZE] __attribute__((aligned(64)));
};

static inline uint64_t frame_syscall_number(const struct trapframe *frame)
{
    return frame->rax;
}

static inline void frame_syscall_arguments(const struct trapframe *frame, uint64_t arguments[6])
{
    arguments[0] = frame->rdi;
    arguments[1] = frame->rsi;
    arguments[2] = frame->rdx;
    arguments[3] = frame->r10;
    arguments[4] = frame->r8;
    arguments[5] = frame->r9;
}

static inline void frame_set_result(struct trapframe *frame, int64_t result)
{
    frame->rax = (uint64_t)result;
}

/* Make the system call that just trapped trap again when the program runs: back over the
 * 2-byte instruction, with the number where it was. */
static inline void frame_restart_syscall(struct trapframe *frame, uint64_t number)
{
    frame->rip -= 2;
    frame->rax = number;
}

static inline uaddr_t frame_pc(const struct trapframe *frame)
{
    return frame->rip;
}

static inline uaddr_t frame_stack(const struct trapframe *frame)
{
    return frame->rsp;
}

static inline void frame_set_stack(struct trapframe *frame, uaddr_t stack)
{
    frame->rsp = stack;
}

/* The thread pointer: what arch_prctl(ARCH_SET_FS) and CLONE_SETTLS set. */
static inline void frame_set_tls(struct trapframe *frame, uaddr_t base)
{
    frame->fs_base = base;
}

static inline uaddr_t frame_tls(const struct trapframe *frame)
{
    return frame->fs_base;
}
