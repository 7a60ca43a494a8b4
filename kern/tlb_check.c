/*
 * What the kernel says about a stale translation that the machine found in its TLB (debug builds;
 * kern/machine.h).
 *
 * It is a bug of whoever changed the page table: an entry that loses a permission or its page
 * must be invalidated before map->lock is released, and until then the old translation is
 * legal. So the state of that lock says whether a change is under way.
 *
 * The author is found in the history that vm/pmap.c keeps (vm/pmap_history.h). If its last change
 * is not what made the entry what it is, then somebody else stored to it.
 */
#include "kern/machine.h"

#ifdef DEBUG

#include "kern/abi/mman.h"
#include "kern/print.h"
#include "kern/process.h"
#include "kern/string.h"
#include "kern/symbols.h"
#include "kern/syscall.h"
#include "kern/thread.h"
#include "vm/map.h"
#include "vm/page.h"
#include "vm/pmap.h"
#include "vm/pmap_history.h"

#define NOTED (PTE_ACCESSED | PTE_DIRTY) /* what the processor sets by itself */

bool tlb_is_changing(const struct pmap *pmap)
{
    const struct map *map = container_of(pmap, struct map, pmap);

    return mutex_is_taken(&map->lock);
}

/* --- Who it was ---------------------------------------------------------------------------- */

/* Whether the entry is still, but for what the processor noted, what it was made. */
static bool is_still(pte_t made, pte_t now)
{
    return now == (made | (now & NOTED));
}

static bool has_lost(pte_t old, pte_t new)
{
    return (pte_prot(old) & ~pte_prot(new)) != 0 || pte_address(old) != pte_address(new) ||
           (old & ~new &PTE_DIRTY) != 0;
}

/*
 * Whether the last change that vm/pmap.c made is the one: it left what is there now, and it was
 * made after the translation was in order or took something away.
 */
static bool is_author(const struct pmap_change *change, const struct tlb_stale *stale)
{
    return is_still(change->new, stale->new) &&
           (has_lost(change->old, change->new) || !is_still(change->new, stale->old));
}

/* The function that vm/pmap.c was entered by. */
static const char *author_name(const struct pmap_change *change)
{
    const char *author = NULL;

    for (int i = 0; i < PMAP_CALLS && change->calls[i] != 0; i++) {
        size_t offset;
        const char *name = symbol_find(change->calls[i] - 1, &offset);

        if (name != NULL && strncmp(name, "pmap_", 5) == 0)
            author = name;
        else if (author != NULL)
            break;
    }
    return author != NULL ? author : "vm/pmap.c";
}

/* --- What is said -------------------------------------------------------------------------- */

static void print_entry(const char *when, pte_t pte)
{
    if (pte == 0)
        kprintf("    %s  0\n", when);
    else
        kprintf("    %s  %#018lx: pfn %#lx, %s%s%s%s%s%s\n", when, pte,
                pte_address(pte) >> PAGE_SHIFT, pte_is_present(pte) ? "P" : "not present",
                (pte & PTE_WRITE) ? " W" : "", (pte & PTE_USER) ? " U" : "",
                (pte & PTE_ACCESSED) ? " A" : "", (pte & PTE_DIRTY) ? " D" : "",
                (pte & PTE_NOEXEC) ? " NX" : "");
}

static void print_calls(const struct pmap_change *change)
{
    for (int i = 0; i < PMAP_CALLS && change->calls[i] != 0; i++)
        backtrace_print_call(change->calls[i]);
}

static void print_last_syscall(const struct thread *thread)
{
    const struct syscall_history *history = &thread->history;
    const struct syscall_record *record;
    const char *name;

    if (history->begun == 0)
        return;
    record = &history->records[(history->begun - 1) % SYSCALL_HISTORY];
    name = syscall_name(record->number);
    kprintf("  the last system call of %s was %s(%#lx, %#lx, %#lx)\n", thread->name,
            name != NULL ? name : "?", record->arguments[0], record->arguments[1],
            record->arguments[2]);
}

static void print_other_author(const pte_t *entry, const struct pmap_change *change)
{
    kprintf("  changed by a store outside of vm/pmap.c, since this process ran last\n");
    print_last_syscall(thread_self());
    if (change != NULL) {
        kprintf("  %s, the last of vm/pmap.c, had left it as %#lx:\n", author_name(change),
                change->new);
        print_calls(change);
    }
    kprintf("  To catch it, run with the same seed= in gdb: watch *(unsigned long *)%p\n"
            "  Page tables are changed by the functions of vm/pmap.h, which invalidate.\n",
            (const void *)entry);
}

static void explain(const void *argument)
{
    const struct tlb_stale *stale = argument;
    const pte_t *entry = direct_map(stale->entry);
    struct pmap_change change;
    bool is_known = pmap_last_change(entry, &change);

    kprintf("  page table entry at %p, level %d\n", (const void *)entry, stale->level);
    print_entry("was", stale->old);
    print_entry("is ", stale->new);
    if (!is_known || !is_author(&change, stale)) {
        print_other_author(entry, is_known ? &change : NULL);
        return;
    }
    kprintf("  changed by %s, and then not invalidated\n", author_name(&change));
    print_calls(&change);
    kprintf("  An entry that loses a permission or its page must be invalidated before map->lock\n"
            "  is released: machine_tlb_invalidate(pmap, %#lx, %#lx)\n",
            stale->va, stale->va + PAGE_SIZE);
}

/* What the program can do, and should not be able to. */
static const char *lost_right(const struct tlb_stale *stale)
{
    prot_t lost = stale->prot & ~pte_prot(stale->new);

    if (lost & PROT_READ)
        return "use";
    if (lost & PROT_EXEC)
        return "execute";
    if (pte_address(stale->old) != pte_address(stale->new))
        return "use the former page of";
    return (lost & PROT_WRITE) ? "write to" : "write, without D being set, to";
}

void tlb_report_stale(const struct tlb_stale *stale)
{
    const struct process *process = process_self();

    panic_explained(explain, stale, "stale TLB entry: process %d (%s) can still %s %#lx",
                    process->pid, process->name, lost_right(stale), stale->va);
}

#endif
