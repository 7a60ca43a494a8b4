/*
 * User programs run natively on an x86-64 host: their registers and their system-call
 * convention are those of x86_64. Only the size of the floating-point state differs
 * (<machine/param.h>): it is the host's.
 */
#pragma once

#include "arch/x86_64/include/machine/frame.h"
