/*
 * Where a kernel thread's registers rest while it does not run: the callee-saved ones lie on
 * its stack (System V ABI, section 3.2.1), so the stack pointer is all there is to remember.
 */
#pragma once

#include "kern/types.h"

struct context {
    vaddr_t sp;
};

/*
 * The processor's part of context_switch() (kern/machine.h), in switch.S: the integer registers
 * and the stack. A machine's context_switch() wraps it with what else it has to do.
 */
void context_switch_registers(struct context *from, struct context *to);

/*
 * The frame pointer of a thread that does not run, for backtraces: on its stack, rbp lies right
 * below the return address (switch.S), as in any frame.
 */
static inline vaddr_t context_frame_pointer(const struct context *context)
{
    return context->sp + 5 * sizeof(uint64_t);
}
