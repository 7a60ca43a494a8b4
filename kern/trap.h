/*
 * Why a user program stopped running: what user_run() returns (kern/machine.h).
 */
#pragma once

#include "kern/types.h"

enum trap_kind {
    TRAP_INTERRUPT,  /* an interrupt was taken, or waits until interrupts are enabled */
    TRAP_SYSCALL,    /* a system call: number and arguments are in the frame */
    TRAP_PAGE_FAULT, /* no translation allows `access` at `address` */
    TRAP_EXCEPTION,  /* anything else that the processor refused: `signal`, `code` */
};

struct trap {
    enum trap_kind kind;
    prot_t access;   /* PAGE_FAULT: the one PROT_ bit that was wanted */
    vaddr_t address; /* PAGE_FAULT: the address; EXCEPTION: the instruction's, or the operand's */
    int signal;      /* EXCEPTION: SIGFPE, SIGILL, SIGTRAP, SIGSEGV, SIGBUS; SIGKILL when the
                        machine lost the program (its state cannot be resumed) */
    int code;        /* EXCEPTION: si_code */
};

/* The loop that every user thread lives in; never returns. kern/trap.c */
void user_loop(void) noreturn_fn;
