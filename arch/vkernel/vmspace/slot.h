/*
 * What the vkernel and the stubs share: addresses, words, and descriptors. Read by C on both
 * sides and by the stub's assembly.
 *
 * A stub's address space above the user programs:
 *
 *      STUB_RESIDENT   r-x   one page of code: the signal handler and its system calls
 *      STUB_SETUP      rwx   code and data that make a stub; gone before guest code runs
 *      SLOTS                 SLOT_COUNT slots, one for each stub that shares the address space
 *
 * and a slot:
 *
 *      + 0             r--   orders: what the vkernel tells the stub; guests cannot write it
 *      + SLOT_FRAME    rw-   what the stub tells the vkernel, and
 *      + SLOT_STACK    rw-   the stack of its signals, to SLOT_END
 *
 * All slots of an address space are one memfd, which the vkernel maps too, writable. Only
 * pwrite(2) on that memfd, which the filter admits with fixed arguments from one instruction,
 * lets a stub set the word `state` of its slot (theory in handover.c). The offset in the memfd
 * is what tells a stub which slot is its own.
 */
#pragma once

#define STUB_RESIDENT  0x700000100000
#define STUB_SETUP     0x700000200000
#define STUB_SETUP_END 0x700000300000
#define SLOTS          0x700000400000 /* aligned to SLOT_COUNT * SLOT_STRIDE */
#define SLOT_STRIDE    0x8000
#define SLOT_COUNT     32
#define SLOTS_SIZE     (SLOT_COUNT * SLOT_STRIDE)
#define SLOT_FRAME     0x1000
#define SLOT_STACK     0x2000
#define SLOT_END       0x6000

/* A stub's descriptors. */
#define STUB_FD_MEMORY  0 /* guest RAM */
#define STUB_FD_SLOTS   1 /* the slots of its address space */
#define STUB_FD_CONTROL 2 /* the socket to the vkernel; the zygote's only */

/* Values of `state`, which differ in the lowest byte only: pwrite(2) need not be atomic. */
#define STATE_RUN     0 /* the stub's turn: obey the orders, then run guest code */
#define STATE_TRAPPED 1 /* the vkernel's turn: no guest code runs */
#define STATE_DEAD    2 /* the process is gone */
#define STATE_FAILED  3 /* as TRAPPED: the host refused one of the operations ordered */

/* Offsets in the orders. */
#define ORDERS_STATE         0
#define ORDERS_KERNEL_SLEEPS 4
#define ORDERS_SPIN          8
#define ORDERS_FLAGS         12
#define ORDERS_FRAME         16
#define ORDERS_FS_BASE       24
#define ORDERS_GS_BASE       32
#define ORDERS_COUNT         40
#define ORDERS_OPERATIONS    64

/* ORDERS_FLAGS */
#define FLAG_FSGSBASE     1  /* the host lets programs use RDFSBASE and its kin */
#define FLAG_LOAD_BASES   2  /* set the FS and GS bases before the guest runs */
#define FLAG_STAY         4  /* perform the operations, but do not run guest code */
#define FLAG_SECRET       8  /* the words have the filter's secret for the operations */
#define FLAG_LOAD_FPSTATE 16 /* the frame has another floating-point state than at the trap */

/* Offsets in the page at SLOT_FRAME. */
#define FRAME_STUB_SLEEPS 0
#define FRAME_BARRIER     4
#define FRAME_FS_BASE     8
#define FRAME_GS_BASE     16
#define FRAME_SECRET      24
#define FRAME_CHILD       32
#define FRAME_TRAPPED_AT  40
#define FRAME_RESUMED_AT  48
#define FRAME_STEPS       64

/* Offsets in the signal frame. */
#define HOST_RFLAGS 184
#define HOST_SIGNAL 312
#define HOST_CODE   320

/* What a step is, made with RFLAGS_TF: a signal, its code. */
#define STEP_SIGNAL 5 /* SIGTRAP */
#define STEP_CODE   2 /* TRAP_TRACE */
#define RFLAGS_TF   0x100

/* Kinds of operations. */
#define OPERATION_MAP       STUB_FD_MEMORY /* mmap(2) of guest RAM; the kind is the descriptor */
#define OPERATION_MAP_SLOTS STUB_FD_SLOTS  /* mmap(2) of the slots */
#define OPERATION_CALL      2 /* the system call `number` with the first three as arguments */
#define OPERATION_EXPECT    3 /* the same; the stub dies unless the result is `length` */
#define OPERATION_CLONE     4 /* the same, clone(2); the child's pid goes to FRAME_CHILD */

/* The one way in which a stub maps: MAP_SHARED | MAP_FIXED | MAP_POPULATE. */
#define STUB_MAP_FLAGS 0x8011

#ifndef __ASSEMBLER__

#include <stdint.h>

/* An operation that a stub performs. */
struct stub_operation {
    uint64_t address, length, offset;
    union {
        uint32_t protection; /* MAP */
        uint32_t number;     /* CALL and its kin */
    };
    uint32_t kind;
};

#define STUB_OPERATIONS 122

/* struct sock_filter, struct sock_fprog and stack_t as the host takes them. */
struct stub_filter {
    uint64_t instructions[9];
    uint64_t length;
    uint64_t address; /* of the instructions, in the stub */
};

struct stub_orders {
    volatile uint32_t state;
    volatile uint32_t kernel_sleeps; /* wake us when you set `state` */
    volatile uint32_t spin;          /* cycles to look at `state` before sleeping */
    uint32_t flags;
    uint64_t frame; /* where the host puts the signal frame */
    uint64_t fs_base, gs_base;
    uint32_t count; /* of operations */
    uint32_t padding[5];
    struct stub_operation operations[STUB_OPERATIONS];
    struct stub_filter filter; /* arguments of operations: a filter to install, */
    uint64_t signal_stack[3];  /* a signal stack */
};

struct stub_words {
    volatile uint32_t stub_sleeps;   /* wake it when you set `state` */
    uint32_t barrier;                /* target of the stub's locked instructions */
    uint64_t fs_base, gs_base;       /* the guest's at the trap, if FLAG_FSGSBASE */
    uint64_t secret;                 /* with operations: the filter's secret */
    int64_t child;                   /* the last process cloned */
    uint64_t trapped_at, resumed_at; /* when its turn ended and began, in cycles */
    int64_t tracer;                  /* of the last process cloned, where stubs are traced */
    uint64_t steps;                  /* steps of the guest that are not to be reported */
};

_Static_assert(sizeof(struct stub_operation) == 32, "known to the stub");
_Static_assert(sizeof(struct stub_orders) <= 4096, "one page");
_Static_assert(__builtin_offsetof(struct stub_orders, frame) == ORDERS_FRAME, "");
_Static_assert(__builtin_offsetof(struct stub_orders, count) == ORDERS_COUNT, "");
_Static_assert(__builtin_offsetof(struct stub_orders, operations) == ORDERS_OPERATIONS, "");
_Static_assert(__builtin_offsetof(struct stub_words, secret) == FRAME_SECRET, "");
_Static_assert(__builtin_offsetof(struct stub_words, child) == FRAME_CHILD, "");
_Static_assert(__builtin_offsetof(struct stub_words, resumed_at) == FRAME_RESUMED_AT, "");
_Static_assert(__builtin_offsetof(struct stub_words, steps) == FRAME_STEPS, "");

/* The addresses just behind the system calls of the resident page: what the filter sees. */
struct stub_calls {
    uint64_t publish, wait, wake, sigreturn, map, call, set_fs;
    uint64_t trapped; /* where the word STATE_TRAPPED lies that `publish` writes; then FAILED */
};

/* The zygote's first message: the above, and what the host does at a signal. */
struct stub_hello {
    struct stub_calls calls;
    uint64_t frame;   /* address of the signal frame on the signal stack of the first slot */
    uint64_t fpstate; /* address of the floating-point state in it */
};

#define STUB_FILTER_MAX 128 /* instructions of a filter */

/* The vkernel's answer: how the guests' system calls are to be caught. */
struct stub_answer {
    uint32_t means;
    uint32_t length; /* of the filter */
    uint64_t filter[STUB_FILTER_MAX];
};

/* Values of `means`. */
#define STUB_MEANS_SECCOMP 1 /* by the filter */
#define STUB_MEANS_PTRACE                                                                          \
    2 /* by tracers; the filter is for the vsyscall page, if the host has it */

/* What the zygote says for each stub: its process and its tracer or 0; or a negative errno, and a
 * process that was killed, or 0. */
struct stub_birth {
    int64_t pid, tracer;
};

/* A signal frame, as Linux lays it on the stack (arch/x86/include/asm/sigframe.h). */
struct host_frame {
    uint64_t return_address;
    uint64_t flags, link;
    uint64_t stack_base;
    uint32_t stack_flags, padding;
    uint64_t stack_size;
    uint64_t r8, r9, r10, r11, r12, r13, r14, r15, rdi, rsi, rbp, rbx, rdx, rax, rcx, rsp, rip;
    uint64_t rflags;
    uint16_t cs, gs, fs, ss;
    uint64_t error_code, trap_number, old_mask, cr2;
    uint64_t fpstate; /* address, or 0: as after reset */
    uint64_t reserved[8];
    uint64_t mask;
    int32_t signal, error, code, padding2;
    uint64_t address;      /* si_addr, si_call_addr */
    uint32_t call_number;  /* SIGSYS */
    uint32_t architecture; /* SIGSYS */
};

_Static_assert(__builtin_offsetof(struct host_frame, rflags) == HOST_RFLAGS, "the ABI's");
_Static_assert(__builtin_offsetof(struct host_frame, signal) == HOST_SIGNAL, "the ABI's");
_Static_assert(__builtin_offsetof(struct host_frame, code) == HOST_CODE, "the ABI's");

#define USER_CS 0x33
#define USER_SS 0x2b

#endif
