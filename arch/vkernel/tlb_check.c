/*
 * The TLB checker: a page table's TLB is what its vmspace has mapped, which the vmspace library
 * can compare with the page table. It is on in debug builds, unless the word tlb-check=off is on
 * the kernel's command line.
 */
#include "arch/vkernel/vkernel.h"
#include "arch/vkernel/vmspace/vmspace.h"

#ifdef DEBUG

#include "kern/cmdline.h"
#include "kern/machine.h"

#include <string.h>

static bool is_changing(const void *pmap)
{
    return tlb_is_changing(pmap);
}

static void report_stale(const void *pmap, const struct vmspace_stale *found)
{
    struct tlb_stale stale = {
        .va = found->address,
        .prot = (prot_t)found->protection,
        .level = found->level,
        .entry = found->entry,
        .old = found->old,
        .new = found->new,
    };

    (void)pmap;
    tlb_report_stale(&stale);
}

void tlb_check_configure(struct vmspace_config *config)
{
    char value[8];

    if (cmdline_get("tlb-check", value, sizeof(value)) && strcmp(value, "off") == 0)
        return;
    config->is_changing = is_changing;
    config->report_stale = report_stale;
}

#endif
