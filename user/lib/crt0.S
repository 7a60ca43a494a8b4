/*
 * Everything of the library that C cannot say: the program's first instructions, the system
 * call, vfork, the return from signal handlers, and setjmp. x86-64, System V calling convention.
 */
    .text

/*
 * Entry: %rsp points to argc, argv[], 0, envp[], 0, the auxiliary vector (user/lib/start.c).
 * Nothing has been pushed: there is nowhere to return to.
 */
    .global _start
    .type _start, @function
_start:
    xor %ebp, %ebp              /* the end of the chain of frames, for debuggers */
    mov %rsp, %rdi
    and $-16, %rsp
    call start_program
    hlt

/*
 * long syscall(long number, ...): the arguments move one register to the left; the kernel takes
 * the fourth in %r10, because the instruction itself uses %rcx and %r11.
 */
    .global syscall
    .type syscall, @function
syscall:
    mov %rdi, %rax
    mov %rsi, %rdi
    mov %rdx, %rsi
    mov %rcx, %rdx
    mov %r8, %r10
    mov %r9, %r8
    mov 8(%rsp), %r9
    syscall
.Lreturn_result:
    cmp $-4095, %rax            /* -4095..-1 are errors */
    jae .Lreturn_error
    ret
.Lreturn_error:
    neg %eax
    mov %eax, errno(%rip)
    mov $-1, %rax
    ret

/*
 * pid_t vfork(void): parent and child share the stack, and the child goes on first. It would
 * overwrite the return address, so that is kept in a register across the call.
 */
    .global vfork
    .type vfork, @function
vfork:
    pop %rdx
    mov $58, %eax
    syscall
    push %rdx
    jmp .Lreturn_result

/* Where signal handlers return to: rt_sigreturn(2). It does not come back. */
    .global signal_restorer
    .type signal_restorer, @function
signal_restorer:
    mov $15, %eax
    syscall

/* int setjmp(jmp_buf): the registers that a function must preserve, %rsp and the return address. */
    .global setjmp
    .type setjmp, @function
setjmp:
    mov %rbx, (%rdi)
    mov %rbp, 8(%rdi)
    mov %r12, 16(%rdi)
    mov %r13, 24(%rdi)
    mov %r14, 32(%rdi)
    mov %r15, 40(%rdi)
    lea 8(%rsp), %rdx
    mov %rdx, 48(%rdi)
    mov (%rsp), %rdx
    mov %rdx, 56(%rdi)
    xor %eax, %eax
    ret

/* void longjmp(jmp_buf, int value): returns from setjmp once more, with value, or 1 for 0. */
    .global longjmp
    .type longjmp, @function
longjmp:
    mov %esi, %eax
    test %eax, %eax
    jnz 1f
    inc %eax
1:  mov (%rdi), %rbx
    mov 8(%rdi), %rbp
    mov 16(%rdi), %r12
    mov 24(%rdi), %r13
    mov 32(%rdi), %r14
    mov 40(%rdi), %r15
    mov 48(%rdi), %rsp
    jmp *56(%rdi)

    .section .note.GNU-stack, "", @progbits
