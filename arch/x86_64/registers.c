/*
 * The registers of a fault in the kernel, as text. Like switch.S, this serves the vkernel, too.
 */
#include "kern/machine.h"
#include "kern/print.h"
#include <machine/frame.h>

void machine_print_registers(const struct trapframe *r)
{
    kprintf("registers:\n");
    kprintf("    rip %016lx  rflags %08lx  cs %02lx  ss %02lx  error code %lx\n", r->rip, r->rflags,
            r->cs, r->ss, r->error_code);
    kprintf("    rsp %016lx  rbp %016lx  rax %016lx\n", r->rsp, r->rbp, r->rax);
    kprintf("    rbx %016lx  rcx %016lx  rdx %016lx\n", r->rbx, r->rcx, r->rdx);
    kprintf("    rsi %016lx  rdi %016lx  r8  %016lx\n", r->rsi, r->rdi, r->r8);
    kprintf("    r9  %016lx  r10 %016lx  r11 %016lx\n", r->r9, r->r10, r->r11);
    kprintf("    r12 %016lx  r13 %016lx  r14 %016lx\n", r->r12, r->r13, r->r14);
    kprintf("    r15 %016lx\n", r->r15);
}
