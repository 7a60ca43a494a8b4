/*
 * Page tables.
 *
 * A page table is a tree of PTE_LEVELS levels. The entry of the top table that pte_index(va,
 * PTE_LEVELS) selects points at a table of the next level, and so on; the entries of the
 * lowest tables (level 1, "leaf tables") point at page frames. The processor walks the same
 * tree whenever its TLB has no translation, at any moment and without any lock:
 *
 *      root            level 3          level 2          leaf table        frame
 *      [ | |*| ] ----> [*| | | ] -----> [ | | |*] -----> [ |*| | ] ------> 4 KiB
 *
 * Hence the rules of this file:
 * - An entry is changed by one atomic operation that loses no accessed or dirty bit which the
 *   processor sets at the same time.
 * - A table page is cleared before it is linked, and stays until pmap_destroy().
 * - When a present entry loses a permission or gets another frame, the old translation may
 *   still be cached: machine_tlb_invalidate() is called before anyone may rely on the change, and
 *   before the old frame may be used for anything else. When an entry was not present, or only
 *   gains permissions, there is nothing to invalidate: the worst is a spurious fault.
 *
 * pmap_remove() must invalidate before it gives frames away, and yet invalidate once for
 * many pages. So it works in two passes: the first takes away PTE_PRESENT and leaves the rest
 * of each entry where it is, to be found by the second, after the invalidation. Entries that
 * are not present but not 0 exist only in between.
 *
 * Locks: changes to what is mapped are serialised by the lock of the map that owns the page table;
 * pmap->lock protects the tree and `resident` from readers without that lock, and is held for
 * one leaf table at a time, so that interrupts are not off for long.
 */
#include "vm/pmap.h"
#include "kern/abi/errno.h"
#include "kern/machine.h"
#include "kern/print.h"
#include "kern/solutions.h"
#include "vm/page.h"
#include "vm/pmap_history.h"

#define LEAF_TABLE_SPAN (1UL << pte_shift(2)) /* bytes that one leaf table maps */

/* The part of a page table walk that a whole operation shares: what it has changed. */
struct changed_range {
    vaddr_t start, end; /* end == 0: nothing yet */
};

static void note_change(struct changed_range *changed, vaddr_t va)
{
    if (changed->end == 0)
        changed->start = va;
    changed->end = va + PAGE_SIZE;
}

static void invalidate(struct pmap *pmap, const struct changed_range *changed)
{
    if (changed->end != 0)
        machine_tlb_invalidate(pmap, changed->start, changed->end);
}

static inline pte_t load(const pte_t *entry)
{
    return __atomic_load_n(entry, __ATOMIC_ACQUIRE);
}

/* Change an entry from *old, or set *old to what it is meanwhile and return false. All changes are
 * made here. */
static inline bool change(pte_t *entry, pte_t *old, pte_t new)
{
    if (!__atomic_compare_exchange_n(entry, old, new, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
        return false;
    pmap_note_change(entry, *old, new);
    return true;
}

#if SOL_PAGETABLE
/*
 * The leaf entry of `va`, or NULL when it has no leaf table. `*next` (if wanted) is set to where
 * the leaf table, or the hole in the tree, ends.
 */
static pte_t *find_entry(const struct pmap *pmap, vaddr_t va, vaddr_t *next)
{
    pte_t *table = direct_map(pmap->root);

    for (int level = PTE_LEVELS; level > 1; level--) {
        pte_t entry = load(&table[pte_index(va, level)]);

        if (!pte_is_present(entry)) {
            if (next != NULL)
                *next = align_down(va, 1UL << pte_shift(level)) + (1UL << pte_shift(level));
            return NULL;
        }
        table = direct_map(pte_address(entry));
    }
    if (next != NULL)
        *next = align_down(va, LEAF_TABLE_SPAN) + LEAF_TABLE_SPAN;
    return &table[pte_index(va, 1)];
}

/* As find_entry(), making the tables that are missing; NULL when out of memory. */
static pte_t *make_entry(struct pmap *pmap, vaddr_t va)
{
    pte_t *table = direct_map(pmap->root);

    for (int level = PTE_LEVELS; level > 1; level--) {
        pte_t *entry = &table[pte_index(va, level)];
        pte_t pte = load(entry);

        if (!pte_is_present(pte)) {
            struct page *page = page_alloc_zero(0);

            if (page == NULL)
                return NULL;
            list_push_front(&pmap->tables, &page->link);
            while (!change(entry, &pte, pte_make_table(page_address(page))))
                ;
        }
        table = direct_map(pte_address(load(entry)));
    }
    return &table[pte_index(va, 1)];
}
#else
/*
 * Lab pagetable, step 1: walk. The leaf entry of `va`, or NULL when it has no leaf table. `*next`
 * (if wanted) is set to where the leaf table, or the hole in the tree, ends: from there on a caller
 * who works on a range looks again. Here there are no tables at all.
 */
static pte_t *find_entry(const struct pmap *pmap, vaddr_t va, vaddr_t *next)
{
    (void)pmap;
    (void)va;
    if (next != NULL)
        *next = USER_MAX;
    return NULL;
}

/*
 * Lab pagetable, step 2: map. As find_entry(), making the tables that are missing: pages that
 * page_alloc_zero() clears, kept on pmap->tables; NULL when out of memory.
 */
static pte_t *make_entry(struct pmap *pmap, vaddr_t va)
{
    return find_entry(pmap, va, NULL);
}
#endif

int pmap_create(struct pmap *pmap)
{
    struct page *root = page_alloc_zero(0);
    int error;

    if (root == NULL)
        return -ENOMEM;
    spin_init(&pmap->lock, "pmap", LOCK_PMAP);
    pmap->root = page_address(root);
    pmap->resident = 0;
    list_init(&pmap->tables);
    list_push_front(&pmap->tables, &root->link);
    error = machine_pmap_create(pmap);
    if (error != 0)
        page_release(root);
    return error;
}

void pmap_destroy(struct pmap *pmap)
{
    struct page *page;

    machine_pmap_destroy(pmap);
    while ((page = list_pop(&pmap->tables, struct page, link)) != NULL)
        page_release(page);
}

#if SOL_PAGETABLE
/* Replace a leaf; returns the old one. What the processor noted about the same frame stays. */
static pte_t replace(pte_t *entry, pte_t wanted)
{
    pte_t old = load(entry);
    pte_t new;

    do {
        new = wanted;
        if (pte_is_present(old) && pte_address(old) == pte_address(new))
            new |= old &(PTE_ACCESSED | PTE_DIRTY);
    } while (!change(entry, &old, new));
    return old;
}

/* Whether someone may have a translation cached that is more than `new` gives. */
static bool takes_away(pte_t old, pte_t new)
{
    return pte_is_present(old) &&
           (pte_address(old) != pte_address(new) || (pte_prot(old) & ~pte_prot(new)) != 0);
}
#else
/*
 * Lab pagetable, step 2: map. Replace a leaf by the one that is wanted, and return the old one. The
 * accessed and dirty bits, which the processor may set at any moment, are lost only when the
 * entry gets another frame.
 */
static pte_t replace(pte_t *entry, pte_t wanted)
{
    (void)wanted;
    return load(entry);
}

/* Lab pagetable, step 2: whether someone may have a translation cached that is more than `new`
 * gives. */
static bool takes_away(pte_t old, pte_t new)
{
    (void)old;
    (void)new;
    return false;
}
#endif

int pmap_enter_accessed(struct pmap *pmap, vaddr_t va, paddr_t pa, prot_t prot, prot_t access)
{
    pte_t new = pte_make_user(pa, prot);
    pte_t *entry, old;

    assert(is_aligned(va | pa, PAGE_SIZE) && va >= USER_MIN && va < USER_MAX);
    assert(pte_is_present(new));
    if (access != 0)
        new |= PTE_ACCESSED;
    if (access & prot & PROT_WRITE)
        new |= PTE_DIRTY;
    spin_lock(&pmap->lock);
    entry = make_entry(pmap, va);
    if (entry == NULL) {
        spin_unlock(&pmap->lock);
        return -ENOMEM;
    }
    old = replace(entry, new);
    if (!pte_is_present(old))
        pmap->resident++;
    spin_unlock(&pmap->lock);
    if (takes_away(old, new))
        machine_tlb_invalidate(pmap, va, va + PAGE_SIZE);
    return 0;
}

int pmap_enter(struct pmap *pmap, vaddr_t va, paddr_t pa, prot_t prot)
{
    return pmap_enter_accessed(pmap, va, pa, prot, 0);
}

void pmap_enter_absent(struct pmap *pmap, vaddr_t va, struct page *pages[], size_t count,
                       prot_t prot)
{
    pte_t *entry;

    assert(align_down(va, LEAF_TABLE_SPAN) ==
           align_down(va + (count - 1) * PAGE_SIZE, LEAF_TABLE_SPAN));
    spin_lock(&pmap->lock);
    entry = find_entry(pmap, va, NULL);
    for (size_t i = 0; entry != NULL && i < count; i++) {
        if (pages[i] != NULL && !pte_is_present(load(&entry[i]))) {
            replace(&entry[i], pte_make_user(page_address(pages[i]), prot) | PTE_ACCESSED);
            pages[i] = NULL;
            pmap->resident++;
        }
    }
    spin_unlock(&pmap->lock);
}

#if SOL_PAGETABLE
/* Second pass of a removal: clear the entries and give their frames away. */
static void release_entries(pte_t *entry, size_t count, pmap_release_fn *release, void *argument)
{
    for (; count > 0; count--, entry++) {
        pte_t old = load(entry);

        if (old == 0)
            continue;
        while (!change(entry, &old, 0))
            ;
        if (release != NULL)
            release(pte_address(old), (old & PTE_DIRTY) != 0, argument);
    }
}
#else
/*
 * Lab pagetable, step 3: unmap. Clear `count` entries of a leaf table from `entry` on, and give
 * their frames away: to release(), if there is one, with whether the page was written to. They need
 * not be present any more, but those that are 0 are nothing.
 */
static void release_entries(pte_t *entry, size_t count, pmap_release_fn *release, void *argument)
{
    (void)entry;
    (void)count;
    (void)release;
    (void)argument;
}
#endif

void pmap_clear(struct pmap *pmap, vaddr_t start, vaddr_t end, pmap_release_fn *release,
                void *argument)
{
    vaddr_t next;

    for (vaddr_t va = start; va < end; va = next) {
        pte_t *entry = find_entry(pmap, va, &next);

        if (entry != NULL)
            release_entries(entry, (min(next, end) - va) / PAGE_SIZE, release, argument);
    }
}

#if SOL_PAGETABLE
/* First pass of a removal: make the entries of one leaf table from `va` on not present. */
static void unset_present(struct pmap *pmap, pte_t *entry, vaddr_t va, vaddr_t end,
                          struct changed_range *changed)
{
    spin_lock(&pmap->lock);
    for (; va < end; va += PAGE_SIZE, entry++) {
        pte_t old = load(entry);

        if (!pte_is_present(old))
            continue;
        while (!change(entry, &old, old & ~PTE_PRESENT))
            ;
        pmap->resident--;
        note_change(changed, va);
    }
    spin_unlock(&pmap->lock);
}

void pmap_remove(struct pmap *pmap, vaddr_t start, vaddr_t end, pmap_release_fn *release,
                 void *argument)
{
    struct changed_range changed = {0, 0};
    vaddr_t next;

    for (vaddr_t va = start; va < end; va = next) {
        pte_t *entry = find_entry(pmap, va, &next);

        if (entry != NULL)
            unset_present(pmap, entry, va, min(next, end), &changed);
    }
    invalidate(pmap, &changed);
    pmap_clear(pmap, changed.start, changed.end, release, argument);
}
#else
/*
 * Lab pagetable, step 3: unmap. In the order that the top of this file gives: entries become not
 * present, then the old translations are invalidated, once, and then pmap_clear() gives the
 * frames away. `resident` counts what is present.
 */
void pmap_remove(struct pmap *pmap, vaddr_t start, vaddr_t end, pmap_release_fn *release,
                 void *argument)
{
    (void)pmap;
    (void)start;
    (void)end;
    (void)release;
    (void)argument;
}
#endif

#if SOL_PAGETABLE
/* Take away what is not in `prot` from one entry; returns whether it had any of that. */
static bool restrict_entry(pte_t *entry, prot_t prot)
{
    pte_t old = load(entry);
    pte_t new;

    do {
        if ((pte_prot(old) & ~prot & ~(prot_t)PROT_READ) == 0)
            return false;
        new = pte_make_user(pte_address(old), pte_prot(old) & (prot | PROT_READ)) |
              (old & (PTE_ACCESSED | PTE_DIRTY));
    } while (!change(entry, &old, new));
    return true;
}
#else
/*
 * Lab pagetable, step 4: protect. Take away what is not in `prot` from one entry; returns whether
 * it had any of that. Frame, accessed and dirty bits stay.
 */
static bool restrict_entry(pte_t *entry, prot_t prot)
{
    (void)entry;
    (void)prot;
    return false;
}
#endif

void pmap_protect(struct pmap *pmap, vaddr_t start, vaddr_t end, prot_t prot)
{
    struct changed_range changed = {0, 0};
    vaddr_t next;

    assert(prot != PROT_NONE);
    for (vaddr_t va = start; va < end; va = next) {
        pte_t *entry = find_entry(pmap, va, &next);
        vaddr_t stop = min(next, end);

        if (entry == NULL)
            continue;
        spin_lock(&pmap->lock);
        for (vaddr_t at = va; at < stop; at += PAGE_SIZE, entry++) {
            if (restrict_entry(entry, prot))
                note_change(&changed, at);
        }
        spin_unlock(&pmap->lock);
    }
    invalidate(pmap, &changed);
}

pte_t pmap_lookup(struct pmap *pmap, vaddr_t va)
{
    pte_t *entry = find_entry(pmap, va, NULL);
    pte_t found = entry == NULL ? 0 : load(entry);

    return pte_is_present(found) ? found : 0;
}

void pmap_mark_accessed(struct pmap *pmap, vaddr_t va, bool write)
{
    pte_t *entry = find_entry(pmap, va, NULL);
    pte_t bits = PTE_ACCESSED | (write ? PTE_DIRTY : 0);
    pte_t old;

    if (entry == NULL)
        return;
    for (old = load(entry); pte_is_present(old) && (old & bits) != bits;) {
        if (change(entry, &old, old | bits))
            return;
    }
}
