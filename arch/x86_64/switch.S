/*
 * Switching between kernel threads. No privileged instruction: the vkernel uses this, too.
 *
 * A thread that does not run has on its stack, from context->sp upwards:
 *
 *      r15 r14 r13 r12 rbx rbp     the callee-saved registers (System V ABI, section 3.2.1)
 *      return address
 */
        .cfi_sections .debug_frame
        .text

/*
 * void context_switch_registers(struct context *from, struct context *to)
 *
 * In: rdi = from, rsi = to. Returns on the other stack, to where `to` called this.
 */
        .globl  context_switch_registers
        .type   context_switch_registers, @function
context_switch_registers:
        push    %rbp
        push    %rbx
        push    %r12
        push    %r13
        push    %r14
        push    %r15
        mov     %rsp, (%rdi)            /* from->sp */
        mov     (%rsi), %rsp            /* to->sp */
        pop     %r15
        pop     %r14
        pop     %r13
        pop     %r12
        pop     %rbx
        pop     %rbp
        ret
        .size   context_switch_registers, . - context_switch_registers

/*
 * Where the first switch to a thread "returns" to: context_init() put the function in r12 and
 * its argument in r13. rbp is 0, which ends backtraces.
 */
        .globl  context_start
        .type   context_start, @function
context_start:
        .cfi_startproc
        .cfi_undefined rip              /* debuggers: nothing called this */
        mov     %r13, %rdi
        call    *%r12
        ud2                             /* it never returns */
        .cfi_endproc
        .size   context_start, . - context_start

        .section .note.GNU-stack, "", @progbits
