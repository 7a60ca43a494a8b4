/*
 * The first registers of a kernel thread. Like switch.S, this serves the vkernel, too.
 */
#include <machine/context.h>

#include "kern/machine.h"
#include <machine/param.h>

/* What context_switch_registers() pops; the order is switch.S's. */
struct switch_frame {
    uint64_t r15, r14, r13, r12, rbx, rbp;
    void (*return_address)(void);
    uint64_t top[2]; /* so that context_start() finds the stack aligned to 16 */
};

/* In switch.S: calls r12(r13). */
void context_start(void);

void context_init(struct context *context, void *stack, void (*start)(void *), void *argument)
{
    struct switch_frame *frame = (struct switch_frame *)((char *)stack + KERNEL_STACK_SIZE) - 1;

    *frame = (struct switch_frame){
        .r12 = (uint64_t)start,
        .r13 = (uint64_t)argument,
        .return_address = context_start,
    };
    context->sp = (vaddr_t)frame;
}
