/*
 * A process under ptrace(2), as the tracer sees it: it stops, its registers are read and written,
 * it goes on, and makes system calls for the tracer. There is one a tracer.
 *
 * What fails here ends the tracer, and with it the traced process: that has died, or nothing can be
 * said of it any more.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* Registers as PTRACE_GETREGS has them: struct user_regs_struct. */
struct registers {
    uint64_t r15, r14, r13, r12, rbp, rbx, r11, r10, r9, r8, rax, rcx, rdx, rsi, rdi, orig_rax;
    uint64_t rip, cs, rflags, rsp, ss, fs_base, gs_base, ds, es, fs, gs;
};

/* ptrace(2)'s struct iovec. */
struct part {
    void *data;
    uint64_t size;
};

extern struct tracee {
    long pid;
    struct registers registers; /* while it is stopped, as far as the tracer has read them */
    bool is_kicked;             /* there was a kick while it made a system call */
} tracee;

/* What tracee_go_on() returns before a system call (PTRACE_O_TRACESYSGOOD). */
#define STOPPED_FOR_SYSCALL 0x85

/* End both. */
void tracee_end(void) __attribute__((noreturn));

/* A request of ptrace(2), which has to succeed. */
void tracee_request(long request, uint64_t address, const void *data);

/*
 * Become the tracer of a process that will call stub_parked(), and wait until it is there, stopped.
 * Returns 0, or a negative errno when the host does not allow it.
 */
long tracee_adopt(long pid);

/*
 * Let it go on, with that signal, and wait until it stops for something that concerns us: a signal
 * of its own doing, a kick, a system call. Returns which.
 */
int tracee_go_on(long request, long signal);

/* Have it make a system call; returns the result. */
long tracee_call(long number, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e,
                 uint64_t f);

/* Whether the host allows all that a tracer does to a child: 0 or -errno. */
long tracee_probe(void);
