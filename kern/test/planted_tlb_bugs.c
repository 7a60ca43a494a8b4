/*
 * Page table bugs on purpose, for grader/tests/test_tlb_check.py, in a kernel of its own (as
 * kern/test/planted_bugs.c). With the word
 *
 *      bug=protect, bug=remove      that function of vm/pmap.c forgets its invalidation
 *      bug=store                    umask(2) takes a permission from the page of the program's
 *                                   stack, by a plain store to its page table
 *      bug=upper                    the same in a table of an upper level
 *      bug=gain                     the same, and then gives it back: no bug
 */
#include "kern/cmdline.h"
#include "kern/machine.h"
#include "kern/process.h"
#include "kern/string.h"
#include "kern/syscall.h"
#include "kern/thread.h"
#include "vm/map.h"
#include "vm/page.h"

static bool forgets; /* the invalidations that come now; with one CPU */

static bool is_planted(const char *bug)
{
    char wanted[16];

    return cmdline_get("bug", wanted, sizeof(wanted)) && strcmp(wanted, bug) == 0;
}

void __real_machine_tlb_invalidate(struct pmap *pmap, vaddr_t start, vaddr_t end);
void __wrap_machine_tlb_invalidate(struct pmap *pmap, vaddr_t start, vaddr_t end);
void __wrap_machine_tlb_invalidate(struct pmap *pmap, vaddr_t start, vaddr_t end)
{
    if (!forgets)
        __real_machine_tlb_invalidate(pmap, start, end);
}

void __real_pmap_protect(struct pmap *pmap, vaddr_t start, vaddr_t end, prot_t prot);
void __wrap_pmap_protect(struct pmap *pmap, vaddr_t start, vaddr_t end, prot_t prot);
void __wrap_pmap_protect(struct pmap *pmap, vaddr_t start, vaddr_t end, prot_t prot)
{
    forgets = is_planted("protect");
    __real_pmap_protect(pmap, start, end, prot);
    forgets = false;
}

void __real_pmap_remove(struct pmap *pmap, vaddr_t start, vaddr_t end, pmap_release_fn *release,
                        void *argument);
void __wrap_pmap_remove(struct pmap *pmap, vaddr_t start, vaddr_t end, pmap_release_fn *release,
                        void *argument);
void __wrap_pmap_remove(struct pmap *pmap, vaddr_t start, vaddr_t end, pmap_release_fn *release,
                        void *argument)
{
    forgets = is_planted("remove");
    __real_pmap_remove(pmap, start, end, release, argument);
    forgets = false;
}

/* The entry at that level of the walk for `va`. */
static volatile pte_t *entry_of(const struct pmap *pmap, vaddr_t va, int wanted)
{
    pte_t *table = direct_map(pmap->root);

    for (int level = PTE_LEVELS; level > wanted; level--)
        table = direct_map(pte_address(table[pte_index(va, level)]));
    return &table[pte_index(va, wanted)];
}

int64_t __real_sys_umask(const uint64_t arg[]);
int64_t __wrap_sys_umask(const uint64_t arg[]);
int64_t __wrap_sys_umask(const uint64_t arg[])
{
    vaddr_t stack = frame_stack(&thread_self()->frame);
    volatile pte_t *entry =
        entry_of(&process_self()->map->pmap, stack, is_planted("upper") ? 3 : 1);

    if (is_planted("store") || is_planted("upper") || is_planted("gain"))
        *entry &= ~PTE_WRITE;
    if (is_planted("gain"))
        *entry |= PTE_WRITE;
    return __real_sys_umask(arg);
}
