/*
 * What the vkernel and a stub share: addresses, words, and descriptors. Read by C on both sides
 * and by the stub's assembly.
 *
 * The stub's address space above the user programs:
 *
 *      STUB_RESIDENT   r-x   one page of code: the signal handler and its system calls
 *      STUB_SETUP      rwx   code and data that make a stub; gone before guest code runs
 *      SLOT_ORDERS     r--   one page: what the vkernel tells the stub; the stub cannot write it
 *      SLOT_FRAME      rw-   what the stub tells the vkernel, and the stack of its signals
 *
 * SLOT_ORDERS and SLOT_FRAME are one memfd a stub, which the vkernel maps too, writable. Only
 * pwrite(2) on that memfd, which the filter admits with fixed arguments from one instruction,
 * lets the stub set the word `state` (theory in handover.c).
 */
#pragma once

#define STUB_RESIDENT  0x700000100000
#define STUB_SETUP     0x700000200000
#define STUB_SETUP_END 0x700000300000
#define SLOT_ORDERS    0x700000300000
#define SLOT_FRAME     0x700000301000
#define SLOT_FRAME_END 0x700000306000
#define SLOT_STACK     (SLOT_FRAME + 0x1000) /* the signal stack, to SLOT_FRAME_END */
#define SLOT_SIZE      (SLOT_FRAME_END - SLOT_ORDERS)

/* The stub's descriptors. */
#define STUB_FD_MEMORY  0 /* guest RAM */
#define STUB_FD_SLOT    1 /* its slot */
#define STUB_FD_CONTROL 2 /* the socket to the vkernel; the zygote's only */

/* Values of `state`, which differ in the lowest byte only: pwrite(2) need not be atomic. */
#define STATE_RUN     0 /* the stub's turn: obey the orders, then run guest code */
#define STATE_TRAPPED 1 /* the vkernel's turn: no guest code runs */
#define STATE_DEAD    2 /* the process is gone */

/* Offsets in SLOT_ORDERS. */
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
#define FLAG_FSGSBASE   1 /* the host lets programs use RDFSBASE and its kin */
#define FLAG_LOAD_BASES 2 /* set the FS and GS bases before the guest runs */

/* Offsets in SLOT_FRAME. */
#define FRAME_STUB_SLEEPS 0
#define FRAME_BARRIER     4
#define FRAME_FS_BASE     8
#define FRAME_GS_BASE     16
#define FRAME_SECRET      24
#define FRAME_FAILED      32
#define FRAME_TRAPPED_AT  40
#define FRAME_RESUMED_AT  48

/* The one way in which a stub maps guest RAM: MAP_SHARED | MAP_FIXED | MAP_POPULATE. */
#define STUB_MAP_FLAGS 0x8011

#ifndef __ASSEMBLER__

#include <stdint.h>

/* One mapping operation; `map` false: unmap. */
struct stub_operation {
    uint64_t address, length, offset;
    uint32_t protection, map;
};

#define STUB_OPERATIONS ((4096 - ORDERS_OPERATIONS) / 32)

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
};

struct stub_words {
    volatile uint32_t stub_sleeps;   /* wake it when you set `state` */
    uint32_t barrier;                /* target of the stub's locked instructions */
    uint64_t fs_base, gs_base;       /* the guest's at the trap, if FLAG_FSGSBASE */
    uint64_t secret;                 /* while there are operations: the filter's secret */
    int64_t failed;                  /* result of the operation that failed, or 0 */
    uint64_t trapped_at, resumed_at; /* when its turn ended and began, in cycles */
};

_Static_assert(sizeof(struct stub_operation) == 32, "known to the stub");
_Static_assert(sizeof(struct stub_orders) <= 4096, "one page");
_Static_assert(__builtin_offsetof(struct stub_orders, frame) == ORDERS_FRAME, "");
_Static_assert(__builtin_offsetof(struct stub_orders, count) == ORDERS_COUNT, "");
_Static_assert(__builtin_offsetof(struct stub_orders, operations) == ORDERS_OPERATIONS, "");
_Static_assert(__builtin_offsetof(struct stub_words, secret) == FRAME_SECRET, "");
_Static_assert(__builtin_offsetof(struct stub_words, failed) == FRAME_FAILED, "");
_Static_assert(__builtin_offsetof(struct stub_words, resumed_at) == FRAME_RESUMED_AT, "");

/* The addresses just behind the system calls of the resident page: what the filter sees. */
struct stub_calls {
    uint64_t publish, wait, wake, sigreturn, map, unmap, set_fs;
    uint64_t trapped; /* where the word STATE_TRAPPED lies that `publish` writes */
};

/* The zygote's first message: the above, and what the host does at a signal. */
struct stub_hello {
    struct stub_calls calls;
    uint64_t frame;   /* address of the signal frame on the signal stack */
    uint64_t fpstate; /* address of the floating-point state in it */
};

#define STUB_FILTER_MAX 128 /* instructions of the filter, the vkernel's answer */

#endif
