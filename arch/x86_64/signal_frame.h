/*
 * What signal_frame.c, which the vkernel compiles as well, needs from the machine's side of the
 * floating-point state.
 */
#pragma once

struct trapframe;

/*
 * Make frame->fpu hold the program's floating-point state, and have the next user_run() load it
 * from there, so that it may be read and changed meanwhile. The frame's thread does not run in
 * user mode.
 */
void user_frame_save_fpu(struct trapframe *frame);
