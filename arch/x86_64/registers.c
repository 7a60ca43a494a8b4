/*
 * The registers of a fault in the kernel. Like switch.S, this serves the vkernel, too.
 */
#include "arch/x86_64/registers.h"

#include "kern/cpu.h"
#include "kern/machine.h"
#include "kern/print.h"
#include "kern/symbols.h"

#define PUSH_RBP 0x55 /* how a function with a frame begins */

/* Whether the code at `pc` belongs to a function that makes a frame. */
static bool has_frame(vaddr_t pc)
{
    size_t offset;

    return symbol_find(pc, &offset) != NULL && *(const uint8_t *)(pc - offset) == PUSH_RBP;
}

vaddr_t fault_frame_pointer(const struct trapframe *r)
{
    const struct thread *thread = cpu_self()->current;
    vaddr_t low = thread != NULL ? (vaddr_t)thread->stack : 0;
    vaddr_t *top = (vaddr_t *)r->rsp;
    size_t offset;

    if (low == 0 || r->rsp < low + sizeof(*top) || r->rsp >= low + KERNEL_STACK_SIZE ||
        has_frame(r->rip) || symbol_find(top[0], &offset) == NULL)
        return r->rbp;
    top[-1] = r->rbp;
    return (vaddr_t)&top[-1];
}

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
