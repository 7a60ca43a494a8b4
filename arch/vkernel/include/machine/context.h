/* Kernel threads of the vkernel switch as those of x86_64 do; see arch/x86_64/switch.S. */
#pragma once

#include "arch/x86_64/include/machine/context.h"
