/*
 * Where a kernel thread's registers rest while it does not run: the callee-saved ones lie on
 * its stack (System V ABI, section 3.2.1), so the stack pointer is all there is to remember.
 */
#pragma once

#include "kern/types.h"

struct context {
    vaddr_t sp;
};
