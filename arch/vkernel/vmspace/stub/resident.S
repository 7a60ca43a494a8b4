/*
 * The resident page of a stub: all host code that remains in a guest's address space.
 *
 * The host enters stub_handler for each signal of interest, with all signals blocked, on the
 * signal stack in the slot. It tells the vkernel that guest code has stopped, waits for its
 * turn, performs the mapping operations ordered, and returns through the signal frame, which
 * the vkernel has edited meanwhile.
 *
 * Guest code may jump to any byte of this page with any registers, and may have filled the slot
 * with anything. Therefore, from the instruction that publishes the trap to the one that ends
 * it, this code uses constants, registers that it set itself, and memory that guests cannot
 * write: no stack, no pointer that was in a register before. Each system call is admitted by
 * the filter for one instruction only, with fixed arguments where it could matter.
 */
#include "arch/vkernel/vmspace/slot.h"

#define NR_mmap         9
#define NR_munmap       11
#define NR_rt_sigreturn 15
#define NR_pwrite64     18
#define NR_arch_prctl   158
#define NR_futex        202
#define ARCH_SET_FS     0x1002

    .section .resident, "ax"

/* Addresses of the system calls, for the vkernel's filter: struct stub_calls. */
    .globl stub_calls
stub_calls:
    .quad published, waited, woken, returned, mapped, unmapped, fs_set
    .quad word_trapped
word_trapped:
    .long STATE_TRAPPED

    .globl stub_handler
stub_handler:
    movabs $SLOT_ORDERS, %rbx
    movabs $SLOT_FRAME, %rbp
    cmp ORDERS_FRAME(%rbx), %rsp        /* a forged signal stack? the vkernel would read */
    jne stub_stuck                      /* a frame that is not the one of this signal */
    rdtsc
    shl $32, %rdx
    or %rdx, %rax
    mov %rax, FRAME_TRAPPED_AT(%rbp)
    testl $FLAG_FSGSBASE, ORDERS_FLAGS(%rbx)
    jz stub_publish
    rdfsbase %rax
    mov %rax, FRAME_FS_BASE(%rbp)
    rdgsbase %rax
    mov %rax, FRAME_GS_BASE(%rbp)

    .globl stub_publish
stub_publish:                           /* pwrite(slot, &word_trapped, 4, ORDERS_STATE) */
    mov $NR_pwrite64, %eax
    mov $STUB_FD_SLOT, %edi
    movabs $word_trapped, %rsi
    mov $4, %edx
    mov $ORDERS_STATE, %r10d
    syscall
published:
    movabs $SLOT_ORDERS, %rbx           /* nothing from before may be trusted */
    movabs $SLOT_FRAME, %rbp
    lock orl $0, FRAME_BARRIER(%rbp)     /* `state` is out before kernel_sleeps is read */
    cmpl $0, ORDERS_KERNEL_SLEEPS(%rbx)
    je wait
    mov $NR_futex, %eax                 /* futex(&state, FUTEX_WAKE, 1) */
    mov %rbx, %rdi
    mov $1, %esi
    mov $1, %edx
    syscall
woken:

wait:                                   /* spin for so many cycles, or until told not to */
    rdtsc
    shl $32, %rdx
    lea (%rdx, %rax), %r12
1:  cmpl $STATE_RUN, ORDERS_STATE(%rbx)
    je obey
    pause
    rdtsc
    shl $32, %rdx
    or %rdx, %rax
    sub %r12, %rax
    mov ORDERS_SPIN(%rbx), %edx
    cmp %rdx, %rax
    jb 1b
2:  movl $1, FRAME_STUB_SLEEPS(%rbp)
    lock orl $0, FRAME_BARRIER(%rbp)     /* the flag is out before `state` is read */
    cmpl $STATE_RUN, ORDERS_STATE(%rbx)
    je 3f
    mov $NR_futex, %eax                 /* futex(&state, FUTEX_WAIT, TRAPPED, NULL) */
    mov %rbx, %rdi
    xor %esi, %esi
    mov $STATE_TRAPPED, %edx
    xor %r10d, %r10d
    syscall
waited:
    jmp 2b
3:  movl $0, FRAME_STUB_SLEEPS(%rbp)

obey:                                   /* perform the operations: r12 left, r13 next */
    mov ORDERS_COUNT(%rbx), %r12d
    test %r12d, %r12d
    jz 7f
    lea ORDERS_OPERATIONS(%rbx), %r13
4:  mov 0(%r13), %rdi                   /* address */
    mov 8(%r13), %rsi                   /* length */
    cmpl $0, 28(%r13)
    je 5f
    mov $NR_mmap, %eax
    mov 24(%r13), %edx                  /* protection */
    mov $STUB_MAP_FLAGS, %r10d
    mov FRAME_SECRET(%rbp), %r8         /* secret << 32 | STUB_FD_MEMORY */
    mov 16(%r13), %r9                   /* offset */
    syscall
mapped:
    jmp 6f
5:  mov $NR_munmap, %eax
    mov FRAME_SECRET(%rbp), %rdx        /* ignored by the host, seen by the filter */
    syscall
unmapped:
6:  cmp $-4096, %rax
    ja stub_failed
    add $32, %r13
    dec %r12d
    jnz 4b
    movq $0, FRAME_SECRET(%rbp)

7:  testl $FLAG_LOAD_BASES, ORDERS_FLAGS(%rbx)
    jz 9f
    testl $FLAG_FSGSBASE, ORDERS_FLAGS(%rbx)
    jz 8f
    mov ORDERS_FS_BASE(%rbx), %rax
    wrfsbase %rax
    mov ORDERS_GS_BASE(%rbx), %rax
    wrgsbase %rax
    jmp 9f
8:  mov $NR_arch_prctl, %eax
    mov $ARCH_SET_FS, %edi
    mov ORDERS_FS_BASE(%rbx), %rsi
    syscall
fs_set:

9:  rdtsc
    shl $32, %rdx
    or %rdx, %rax
    mov %rax, FRAME_RESUMED_AT(%rbp)
    mov ORDERS_FRAME(%rbx), %rsp
    add $8, %rsp                        /* rt_sigreturn expects the return address popped */
    mov $NR_rt_sigreturn, %eax
    syscall
returned:

stub_stuck:                             /* SIGILL is blocked in a handler: the host kills us */
    ud2

stub_failed:
    movq $0, FRAME_SECRET(%rbp)
    mov %rax, FRAME_FAILED(%rbp)
    jmp stub_publish

    .section .note.GNU-stack, "", @progbits
