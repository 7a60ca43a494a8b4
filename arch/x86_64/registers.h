/*
 * The registers of a fault in the kernel: see registers.c.
 */
#pragma once

#include <machine/frame.h>

/*
 * Where the backtrace of a fault in the kernel begins. The compiler gives a function that calls no
 * other no frame, and a call to nowhere has none: then the return address is the topmost word
 * of the stack. This makes a frame of it, over what lies below the stack.
 */
vaddr_t fault_frame_pointer(const struct trapframe *r);
