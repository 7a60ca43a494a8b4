/*
 * The resident page of a stub: all host code that remains in a guest's address space.
 *
 * The host enters stub_handler for each signal of interest, with all signals blocked, on the
 * signal stack in the stub's slot. It tells the vkernel that guest code has stopped, waits for
 * its turn, performs the operations ordered, and returns through the signal frame, which the
 * vkernel has edited meanwhile. With FLAG_STAY it performs operations only. Steps that are not to
 * be reported it only counts.
 *
 * Guest code may jump to any byte of this page with any registers, and may have filled the slot
 * with anything. Therefore, from the instruction that publishes the trap to the one that ends
 * it, this code uses constants, registers that it set itself, and memory that guests cannot
 * write: no stack, no pointer that was in a register before. Which slot is its own it learns from
 * the offset in r10 that it passed to pwrite(2): the filter admits no other than the right one.
 * Each system call is admitted for one instruction only, with fixed arguments where it could
 * matter.
 *
 * Registers in here: rbx the orders, rbp the words at SLOT_FRAME, r12 and r13 the operations left
 * and the next one, r14 the secret.
 */
#include "arch/vkernel/vmspace/slot.h"

#define NR_mmap         9
#define NR_rt_sigreturn 15
#define NR_pwrite64     18
#define NR_pause        34
#define NR_prctl        157
#define NR_arch_prctl   158
#define NR_futex        202
#define ARCH_SET_FS     0x1002
#define PR_SET_PTRACER  0x59616d61

    .section .resident, "ax"

/* Addresses of the system calls, for the vkernel's filter: struct stub_calls. */
    .globl stub_calls
stub_calls:
    .quad published, waited, woken, returned, mapped, called, fs_set
    .quad word_trapped
word_trapped:                           /* the two differ in one bit of their address */
    .long STATE_TRAPPED
word_failed:
    .long STATE_FAILED

    .globl stub_handler
stub_handler:
    mov %rsp, %rbx
    and $-SLOT_STRIDE, %rbx
    lea SLOT_FRAME(%rbx), %rbp
    cmp ORDERS_FRAME(%rbx), %rsp        /* a forged signal stack? the vkernel would read */
    jne stub_stuck                      /* a frame that is not the one of this signal */
    cmpq $0, FRAME_STEPS(%rbp)          /* a step that nobody wants to hear of? */
    je 1f
    cmpl $STEP_SIGNAL, HOST_SIGNAL(%rsp)
    jne 1f
    cmpl $STEP_CODE, HOST_CODE(%rsp)
    jne 1f
    decq FRAME_STEPS(%rbp)
    orl $RFLAGS_TF, HOST_RFLAGS(%rsp)   /* it may have been a POPF */
    jmp return
1:  rdtsc
    shl $32, %rdx
    or %rdx, %rax
    mov %rax, FRAME_TRAPPED_AT(%rbp)
    testl $FLAG_FSGSBASE, ORDERS_FLAGS(%rbx)
    jz stub_publish
    rdfsbase %rax
    mov %rax, FRAME_FS_BASE(%rbp)
    rdgsbase %rax
    mov %rax, FRAME_GS_BASE(%rbp)
    jmp stub_publish

    .globl stub_born                    /* the first stub of an address space begins here */
stub_born:
    movabs $SLOTS, %rbx
stub_publish:
    lea word_trapped(%rip), %rsi
1:  mov %rbx, %r10                      /* pwrite(slots, the word, 4, offset of `state`) */
    movabs $SLOTS, %rax
    sub %rax, %r10
    mov $NR_pwrite64, %eax
    mov $STUB_FD_SLOTS, %edi
    mov $4, %edx
    syscall
published:
    movabs $SLOTS, %rbx                 /* nothing from before may be trusted, but r10 */
    add %r10, %rbx
    lea SLOT_FRAME(%rbx), %rbp
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
2:  cmpl $STATE_RUN, ORDERS_STATE(%rbx)
    je obey
    pause
    rdtsc
    shl $32, %rdx
    or %rdx, %rax
    sub %r12, %rax
    mov ORDERS_SPIN(%rbx), %edx
    cmp %rdx, %rax
    jb 2b
3:  movl $1, FRAME_STUB_SLEEPS(%rbp)
    lock orl $0, FRAME_BARRIER(%rbp)     /* the flag is out before `state` is read */
    mov ORDERS_STATE(%rbx), %edx
    cmp $STATE_RUN, %edx
    je 4f
    mov $NR_futex, %eax                 /* futex(&state, FUTEX_WAIT, state, NULL) */
    mov %rbx, %rdi
    xor %esi, %esi
    xor %r10d, %r10d
    syscall
waited:
    jmp 3b
4:  movl $0, FRAME_STUB_SLEEPS(%rbp)

obey:
    mov ORDERS_COUNT(%rbx), %r12d
    test %r12d, %r12d
    jz resume
    lea ORDERS_OPERATIONS(%rbx), %r13
    testl $FLAG_SECRET, ORDERS_FLAGS(%rbx) /* otherwise r14 has had it since its birth */
    jz operation
    mov FRAME_SECRET(%rbp), %r14
    movq $0, FRAME_SECRET(%rbp)
operation:
    mov 0(%r13), %rdi
    mov 8(%r13), %rsi
    mov 28(%r13), %ecx
    cmp $OPERATION_CALL, %ecx
    jae 5f
    mov $NR_mmap, %eax                  /* mmap(address, length, protection, */
    mov 24(%r13), %edx
    mov %r14, %r10                      /*      secret's lower half << 32 | flags, */
    shl $32, %r10
    or $STUB_MAP_FLAGS, %r10
    mov %r14, %r8                       /*      its upper half << 32 | descriptor, */
    shr $32, %r8
    shl $32, %r8
    or %rcx, %r8
    mov 16(%r13), %r9                   /*      offset) */
    syscall
mapped:
    jmp 6f
5:  mov 24(%r13), %eax                  /* number(address, length, offset, 0, 0, secret) */
    mov 16(%r13), %rdx
    xor %r10d, %r10d
    xor %r8d, %r8d
    mov %r14, %r9
    syscall
called:
    mov 28(%r13), %ecx
    cmp $OPERATION_CALL, %ecx
    je 6f
    cmp $OPERATION_CLONE, %ecx
    je 7f
    cmp 8(%r13), %rax
    jne stub_stuck
    jmp next
7:  test %rax, %rax                     /* the child finds its slot by its stack pointer */
    jz stub_cloned
    mov %rax, FRAME_CHILD(%rbp)
6:  cmp $-4096, %rax
    ja stub_failed
next:
    add $32, %r13
    dec %r12d
    jnz operation

resume:
    testl $FLAG_STAY, ORDERS_FLAGS(%rbx)
    jnz stub_publish
    testl $FLAG_LOAD_BASES, ORDERS_FLAGS(%rbx)
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
return:
    mov ORDERS_FRAME(%rbx), %rsp
    add $8, %rsp                        /* rt_sigreturn expects the return address popped */
    mov $NR_rt_sigreturn, %eax
    syscall
returned:

stub_stuck:                             /* SIGILL is blocked in a handler: the host kills us */
    ud2

stub_cloned:
    mov %rsp, %rbx
    and $-SLOT_STRIDE, %rbx
    lea SLOT_FRAME(%rbx), %rbp
    jmp obey

stub_failed:
    lea word_failed(%rip), %rsi
    jmp 1b

/* Where a traced stub makes the system calls that its tracer wants (tracer.c), and where a newborn
 * one goes on: it allows any process to trace it, and waits for one. */
    .globl stub_traced_call, stub_parked
stub_traced_call:
    syscall
stub_parked:
    mov $NR_prctl, %eax
    mov $PR_SET_PTRACER, %edi
    mov $-1, %rsi
    syscall
1:  mov $NR_pause, %eax
    syscall
    jmp 1b

    .section .note.GNU-stack, "", @progbits
