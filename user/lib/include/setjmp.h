/* Jumps out of functions: setjmp(3). The signal mask is not saved. */
#pragma once

typedef unsigned long jmp_buf[8]; /* rbx rbp r12 r13 r14 r15 rsp rip */

int setjmp(jmp_buf state) __attribute__((returns_twice));
_Noreturn void longjmp(jmp_buf state, int value);
