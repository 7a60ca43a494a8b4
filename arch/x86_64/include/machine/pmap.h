/* What x86_64 adds to a page table: on which CPUs it is loaded, for TLB shootdown (tlb.c). */
#pragma once

#include "kern/types.h"

struct machine_pmap {
    uint64_t active_cpus; /* (a) bit n: CPU n has it in CR3 */
};
