/*
 * Guest programs for the tests: one page of position-independent code, copied to GUEST_CODE.
 * Each starts at its label and ends in a system call or a trap.
 */
    .section .rodata
    .balign 4096
    .globl guest_code, guest_code_end
guest_code:

.macro guest name
    .globl guest_\name
guest_\name:
.endm

guest syscalls                  /* for ever: system call number rax + 1 */
    mov $100, %eax
    mov $1, %edi
    mov $2, %esi
    mov $3, %edx
    mov $4, %r10d
    mov $5, %r8d
    mov $6, %r9d
1:  syscall
    inc %eax
    jmp 1b

guest load                      /* rax = *rdi, system call, again */
1:  mov (%rdi), %rax
    syscall
    jmp 1b

guest store                     /* *rdi = rsi, system call, again */
1:  mov %rsi, (%rdi)
    syscall
    jmp 1b

guest call                      /* jump to rdi */
    jmp *%rdi

guest spin                      /* count in rax for ever */
1:  inc %rax
    jmp 1b

guest clear_trap_flag           /* the same, and hide from a debugger */
1:  pushf
    andq $~0x100, (%rsp)
    popf
    inc %rax
    jmp 1b

guest load_spin                 /* read *rdi for ever */
1:  mov (%rdi), %rax
    jmp 1b

/* Write *(rdi + 8) for ever, with system call 0 now and then; system call 1 when *rdi is rsi. */
guest overwrite
1:  mov $100, %ecx
2:  cmp %rsi, (%rdi)
    je 3f
    mov %rdi, 8(%rdi)
    dec %ecx
    jnz 2b
    xor %eax, %eax
    syscall
    jmp 1b
3:  mov $1, %eax
    syscall

guest divide
    xor %ecx, %ecx
    xor %edx, %edx
    mov $1, %eax
    div %ecx

guest undefined
    ud2

guest breakpoint
    int3

guest privileged
    hlt

guest int80
    mov $20, %eax
    int $0x80
    syscall

guest sysenter
    mov $20, %eax
    sysenter

guest vsyscall
    mov $0xffffffffff600400, %rax
    call *%rax
    syscall

guest xmm                       /* system call; xmm0 must be what it was: rax = xmm0 */
    movq %rdi, %xmm0
1:  syscall
    movq %xmm0, %rax
    jmp 1b

guest read_xmm                  /* rax = xmm0, rdx = mxcsr */
    movq %xmm0, %rax
    sub $8, %rsp
    stmxcsr (%rsp)
    pop %rdx
    syscall

guest fs                        /* rax = %fs:0 */
1:  mov %fs:0, %rax
    syscall
    jmp 1b

guest wrfsbase                  /* fs = rdi, system call, rax = fs */
    wrfsbase %rdi
    syscall
    rdfsbase %rax
    syscall

guest long_mode_off             /* far return to a 32-bit code segment */
    mov $0x23, %eax
    shl $32, %rax
    lea 1f(%rip), %rcx
    or %rcx, %rax
    push %rax
    lretl
1:  .byte 0xcd, 0x80            /* int 0x80 */
    .byte 0xeb, 0xfe            /* jmp . */

guest attack                    /* all registers from memory at rsp, then jump to rip there */
    mov 0(%rsp), %rax
    mov 8(%rsp), %rdi
    mov 16(%rsp), %rsi
    mov 24(%rsp), %rdx
    mov 32(%rsp), %r10
    mov 40(%rsp), %r8
    mov 48(%rsp), %r9
    mov 56(%rsp), %rbx
    mov 64(%rsp), %rbp
    mov 72(%rsp), %rcx
    mov 80(%rsp), %rsp
    jmp *%rcx

guest after_attack              /* where attacks try to arrive */
    mov $0x666, %eax
    syscall

guest write_slot                /* overwrite [rdi, rsi) with rax, then spin */
1:  mov %rax, (%rdi)
    add $8, %rdi
    cmp %rsi, %rdi
    jb 1b
2:  jmp 2b

guest wait_word                 /* until *rdi == rsi; system call, again */
1:  cmp %rsi, (%rdi)
    jne 1b
    syscall
    mov $0, %eax
    jmp 1b

guest count_shared              /* add 1 to *rdi, rsi times; system call, again */
1:  mov %rsi, %rcx
2:  lock incq (%rdi)
    dec %rcx
    jnz 2b
    syscall
    jmp 1b

guest walk                      /* read rsi pages from rdi on; rax = sum; system call, again */
1:  xor %eax, %eax
    mov %rdi, %rdx
    mov %rsi, %rcx
2:  add (%rdx), %rax
    add $4096, %rdx
    dec %rcx
    jnz 2b
    mov %rax, %rbx
    syscall
    jmp 1b

guest hunt                      /* until *rdi, *(rdi + rdx), ..., up to rsi, has the value r8 */
1:  mov %rdi, %rcx
2:  cmp %r8, (%rcx)
    je 3f
    add %rdx, %rcx
    cmp %rsi, %rcx
    jb 2b
    jmp 1b
3:  syscall

guest hunt_any                  /* the same for any value but 0; rax = the value */
1:  mov %rdi, %rcx
2:  mov (%rcx), %rax
    test %rax, %rax
    jnz 3f
    add %rdx, %rcx
    cmp %rsi, %rcx
    jb 2b
    jmp 1b
3:  syscall
guest_code_end:
    .section .note.GNU-stack, "", @progbits
