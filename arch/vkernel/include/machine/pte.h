/*
 * The page table format of the vkernel is, bit for bit, that of x86-64: its MMU is the vmspace
 * library, which walks these tables and sets the accessed and dirty bits as the processor does.
 */
#pragma once

#include "arch/x86_64/include/machine/pte.h"
