/*
 * The other end of a slot where stubs are traced: see tracer.c.
 */
#pragma once

#include "arch/vkernel/vmspace/slot.h"

/* What the zygote tells its children. */
struct tracer_setup {
    long parent;      /* the vkernel's pid */
    uint64_t frame;   /* of the first slot: the signal frame, */
    uint64_t fpstate; /* and the floating-point state in it */
    /* What the host says there about its layout: struct fpstate_format. */
    uint8_t format[48] __attribute__((aligned(8)));
};

/* Trace the stub `pid` for ever, as the other end of the first slot, whose memfd is `slots`. */
void tracer_main(const struct tracer_setup *setup, long pid, long slots) __attribute__((noreturn));

/* In resident.S: one system call; and behind it, where a stub waits to be traced. */
void stub_traced_call(void);
void stub_parked(void) __attribute__((noreturn));
