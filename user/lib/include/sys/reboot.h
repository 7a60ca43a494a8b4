/* The end of the machine: reboot(2). On Duet a power-off has an exit status. */
#pragma once

#include "kern/abi/reboot.h"

/*
 * Whether the kernel is Duet. Whoever would switch the machine off asks first: the same programs
 * run as root on other people's Linux.
 */
int system_is_duet(void);

/* Power off with `status`; refuses with EPERM unless system_is_duet(). */
int power_off(int status);
