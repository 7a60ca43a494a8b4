/*
 * Start and end of the kernel, and what it is called.
 */
#pragma once

#include "kern/types.h"

#define DUET_NUMBER  "0.1"
#define DUET_RELEASE "6.1.0-duet"
#ifdef DEBUG
#define DUET_VERSION "Duet " DUET_NUMBER " debug"
#else
#define DUET_VERSION "Duet " DUET_NUMBER
#endif

/* Write everything back, tell the results channel, and end the machine with `status`. */
void kernel_power_off(int status) noreturn_fn;
