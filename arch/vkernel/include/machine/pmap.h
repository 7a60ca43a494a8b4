/* What the vkernel adds to a page table: the vmspace that follows it. */
#pragma once

#include "kern/types.h"

struct machine_pmap {
    void *vmspace; /* (i) the id given to vmspace_create() */
};
