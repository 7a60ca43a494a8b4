/*
 * The border between user programs and the kernel, and the entries of all interrupts.
 *
 *   user_enter(frame) ----- iretq/sysretq ---->  user program
 *         ^                                           | SYSCALL, interrupt, exception
 *         +---- trap_from_user <--- registers pushed --+
 *                                  into the frame
 *
 * While a user program runs, the trap stack (TSS.RSP0, and machine_cpu.frame_end for SYSCALL) is
 * the end of the register part of its own trapframe: pushing the registers in order fills the
 * frame, and trap_from_user returns from user_enter() as if it had been an ordinary call.
 * Interrupts are disabled from the entry on; only those with stacks of their own (IST) may come.
 *
 * An interrupt in kernel mode pushes the same registers on the current kernel stack.
 */

/* Offsets in struct trapframe (<machine/frame.h>): 15 registers, trap number, error code, and what
 * the processor pushes: rip, cs, rflags, rsp, ss. */
#define FRAME_TRAP      (15 * 8)
#define FRAME_RIP       (17 * 8)
#define FRAME_CS        (18 * 8)
#define FRAME_RSP       (20 * 8)
#define FRAME_END       (22 * 8)

/* struct machine_cpu (<machine/cpu.h>), through GS. */
#define CPU_USER_RSP    8
#define CPU_KERNEL_RSP  16
#define CPU_FRAME_END   24

#define TRAP_NUMBER_SYSCALL 256 /* trap.c */

#define SELECTOR_USER_DATA  0x2b /* descriptors.h */
#define SELECTOR_USER_CODE  0x33
#define MSR_GS_BASE         0xc0000101

        .macro  push_registers
        push    %rdi
        push    %rsi
        push    %rdx
        push    %rcx
        push    %rax
        push    %r8
        push    %r9
        push    %r10
        push    %r11
        push    %rbx
        push    %rbp
        push    %r12
        push    %r13
        push    %r14
        push    %r15
        .endm

        .macro  pop_registers
        pop     %r15
        pop     %r14
        pop     %r13
        pop     %r12
        pop     %rbp
        pop     %rbx
        pop     %r11
        pop     %r10
        pop     %r9
        pop     %r8
        pop     %rax
        pop     %rcx
        pop     %rdx
        pop     %rsi
        pop     %rdi
        .endm

/*
 * For debuggers: where the registers are once they have been pushed by an interrupt in kernel
 * mode, counted back from the end of what the processor pushed; and code that user mode entered,
 * where a backtrace ends.
 */
        .macro  cfi_interrupted
        .cfi_startproc simple
        .cfi_signal_frame
        .cfi_def_cfa rsp, FRAME_END
        .cfi_offset r15, -22 * 8
        .cfi_offset r14, -21 * 8
        .cfi_offset r13, -20 * 8
        .cfi_offset r12, -19 * 8
        .cfi_offset rbp, -18 * 8
        .cfi_offset rbx, -17 * 8
        .cfi_offset r11, -16 * 8
        .cfi_offset r10, -15 * 8
        .cfi_offset r9, -14 * 8
        .cfi_offset r8, -13 * 8
        .cfi_offset rax, -12 * 8
        .cfi_offset rcx, -11 * 8
        .cfi_offset rdx, -10 * 8
        .cfi_offset rsi, -9 * 8
        .cfi_offset rdi, -8 * 8
        .cfi_offset rip, -5 * 8
        .cfi_offset rsp, -2 * 8
        .endm

        .macro  cfi_outermost
        .cfi_startproc simple
        .cfi_def_cfa rsp, 8
        .cfi_undefined rip
        .endm

        .cfi_sections .debug_frame
        .text

/*
 * void user_enter(struct trapframe *frame, bool by_sysret)
 *
 * In: rdi = frame, esi = whether rcx and r11 hold rip and rflags, so that SYSRET loses nothing.
 * Interrupts disabled; RSP0 and frame_end set. Returns after the next trap, the registers in
 * the frame, interrupts disabled.
 */
        .globl  user_enter
        .type   user_enter, @function
user_enter:
        push    %rbp
        push    %rbx
        push    %r12
        push    %r13
        push    %r14
        push    %r15
        mov     %rsp, %gs:CPU_KERNEL_RSP
        mov     %rdi, %rsp
        test    %esi, %esi
        jz      1f
        pop_registers
        mov     FRAME_RSP - FRAME_TRAP(%rsp), %rsp
        swapgs
        sysretq
1:      pop_registers
        add     $16, %rsp               /* trap number, error code */
        swapgs
        iretq
        .size   user_enter, . - user_enter

/*
 * SYSCALL: rcx = the program's rip, r11 = its rflags, rsp still its own. Push what an interrupt
 * would have pushed.
 */
        .globl  syscall_entry
        .type   syscall_entry, @function
syscall_entry:
        cfi_outermost
        swapgs
        mov     %rsp, %gs:CPU_USER_RSP
        mov     %gs:CPU_FRAME_END, %rsp
        push    $SELECTOR_USER_DATA
        push    %gs:CPU_USER_RSP
        push    %r11
        push    $SELECTOR_USER_CODE
        push    %rcx
        push    $0
        push    $TRAP_NUMBER_SYSCALL
        push_registers

/* All registers are in the frame, GS is the kernel's: return from user_enter(). */
return_from_user:
        mov     %gs:CPU_KERNEL_RSP, %rsp
        cld
        pop     %r15
        pop     %r14
        pop     %r13
        pop     %r12
        pop     %rbx
        pop     %rbp
        ret
        .cfi_endproc
        .size   syscall_entry, . - syscall_entry

/*
 * The 256 entries, 16 bytes each: push an error code where the processor did not (SDM vol. 3A,
 * table 6-1), push the number, and go on where it belongs: NMI, double fault and machine check
 * have stacks of their own.
 */
        .balign 16
        .globl  trap_entries
        .type   trap_entries, @function
trap_entries:
        .set    vector, 0
        .rept   256
        .balign 16
        .if     !(vector == 8 || (vector >= 10 && vector <= 14) || vector == 17 || vector == 21)
        push    $0
        .endif
        push    $vector
        .if     vector == 2 || vector == 8 || vector == 18
        jmp     trap_on_own_stack
        .else
        jmp     trap_common
        .endif
        .set    vector, vector + 1
        .endr
        .size   trap_entries, . - trap_entries

        .type   trap_common, @function
trap_common:
        cfi_outermost
        testb   $3, FRAME_CS - FRAME_TRAP(%rsp)
        jz      1f
        swapgs
        push_registers
        jmp     return_from_user
1:      push_registers
        .cfi_endproc
        cfi_interrupted
        cld
        mov     %rsp, %rdi
        push    FRAME_RIP(%rdi)         /* a frame, in which backtraces find where this */
        push    %rbp                    /* came from */
        mov     %rsp, %rbp
        .cfi_adjust_cfa_offset 16
        call    trap_from_kernel        /* (const struct trapframe *) */
        add     $16, %rsp
        .cfi_adjust_cfa_offset -16
        pop_registers
        add     $16, %rsp
        iretq
        .cfi_endproc
        .size   trap_common, . - trap_common

/*
 * The stack is good, but GS may be the user's or the kernel's: any instruction may have been
 * interrupted. Load GS from the pointer at the top of the stack, and put it back afterwards.
 */
        .type   trap_on_own_stack, @function
trap_on_own_stack:
        push_registers
        cfi_interrupted
        cld
        mov     $MSR_GS_BASE, %ecx
        rdmsr
        mov     %eax, %r12d
        mov     %edx, %r13d
        mov     FRAME_END(%rsp), %rax     /* struct cpu *, and its first member is GS's */
        mov     %rax, %rdx
        shr     $32, %rdx
        wrmsr
        mov     %rsp, %rdi
        call    trap_own_stack          /* (const struct trapframe *) */
        mov     $MSR_GS_BASE, %ecx
        mov     %r12d, %eax
        mov     %r13d, %edx
        wrmsr
        pop_registers
        add     $16, %rsp
        iretq
        .cfi_endproc
        .size   trap_on_own_stack, . - trap_on_own_stack

        .section .note.GNU-stack, "", @progbits
