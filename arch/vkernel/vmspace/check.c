/*
 * The TLB checker (debug builds): before guest code runs, all that the stub has mapped is
 * compared with the page tables. What the shadow allows and the tables do not is *stale*: an entry
 * was changed and nobody said MADV_INVAL. A table that allows more than the shadow is in order.
 *
 * The tables are read here without side effects and by code of its own, not by the walk of
 * translate.c: the checker does not rely on what it checks.
 *
 * Cost: it runs before every resume, so it must not look at each page. For each piece of 2 MiB it
 * keeps a copy of the entries as they were when it last found them in order, and compares tables
 * and copy a *line* of 8 entries at a time, and only lines with translations in them. Only a
 * line that differs, or got a new translation (`fresh`), is looked at entry by entry.
 *
 *      entries[]    . . X X . . . .   . . . . . . . .   X . . . . . . .   what the stub has
 *      lines               1                 0                 1          looked at
 *      seen[]       a b c d e f g h                     i j k l m n o p   = the leaf table's?
 *
 * Until the invalidation an old translation is legal, as it is on hardware. So when a stale one
 * is found, the caller is asked whether a change is under way (vmspace_config.is_changing).
 * There is no race in this: who changes an entry says so before, and no longer once MADV_INVAL
 * has returned; that takes the vmspace's lock, which is held here. So if the old translation is
 * found and a change is not under way, nobody is going to invalidate it.
 */
#include "arch/vkernel/vmspace/internal.h"

#ifdef DEBUG

#include <string.h>

#define LINE      8 /* entries; 64 bytes of a table */
#define PROT_FULL (PROT_READ | PROT_WRITE | PROT_EXEC)

/* The way from the root to the entries that translate a piece. */
struct path {
    uint64_t address;            /* where the piece begins */
    pte_t above[PTE_LEVELS - 1]; /* the entries passed, from the root, */
    uint64_t at[PTE_LEVELS - 1]; /* and their physical addresses */
    prot_t allowed;              /* by all of them */
    int level;                   /* of the last entry passed */
    uint64_t table;              /* the leaf table that they lead to, or NO_TABLE */
};

#define NO_TABLE UINT64_MAX

static pte_t load(uint64_t address)
{
    const uint8_t *memory = vmspace_config.memory;

    return __atomic_load_n((const pte_t *)(memory + address), __ATOMIC_ACQUIRE);
}

static void follow_path(const struct vmspace *vmspace, uint64_t address, struct path *path)
{
    uint64_t table = vmspace->root;

    *path = (struct path){
        .address = address, .allowed = PROT_FULL, .level = PTE_LEVELS, .table = NO_TABLE};
    for (int level = PTE_LEVELS; table < vmspace_config.memory_size; level--) {
        unsigned i = (unsigned)(PTE_LEVELS - level);

        if (level == 1) {
            path->table = table;
            return;
        }
        path->level = level;
        path->at[i] = table + pte_index(address, level) * sizeof(pte_t);
        path->above[i] = load(path->at[i]);
        path->allowed &= pte_prot(path->above[i]);
        if (!pte_is_present(path->above[i]) || pte_is_leaf(path->above[i], level))
            return;
        table = pte_address(path->above[i]);
    }
}

/* Entry `index` of the piece's leaf table. A large page is as if it had one; 0 if there is none. */
static pte_t leaf_entry(const struct path *path, unsigned index)
{
    uint64_t inside = (1UL << pte_shift(path->level)) - 1;
    pte_t last = path->above[PTE_LEVELS - path->level];

    if (path->table != NO_TABLE)
        return load(path->table + index * sizeof(pte_t));
    if (!pte_is_present(last) || !pte_is_leaf(last, path->level))
        return 0;
    return (last & ~(PTE_ADDRESS & inside)) | ((path->address + index * PAGE_SIZE) & inside);
}

/* Whether the tables allow what an entry of the shadow says. */
static bool is_allowed(const struct path *path, pte_t pte, uint32_t cached)
{
    prot_t allowed = path->allowed & pte_prot(pte);

    if (!(pte & PTE_DIRTY))
        allowed &= ~(prot_t)PROT_WRITE;
    return pte_address(pte) == shadow_page(cached) && !(shadow_prot(cached) & ~allowed);
}

/* --- What to report ------------------------------------------------------------------------ */

/* Whether an entry allows less than before, or leads elsewhere. */
static bool has_lost(pte_t old, pte_t new)
{
    return (pte_prot(old) & ~pte_prot(new)) != 0 || pte_address(old) != pte_address(new);
}

/* The translation of page `index` is stale: say so, with the entry that is to blame. That is the
 * uppermost one that has lost something since the piece was last in order, or else the leaf. */
static void describe(const struct path *path, const struct shadow *shadow, unsigned index,
                     struct vmspace_stale *stale)
{
    *stale = (struct vmspace_stale){
        .address = path->address + index * PAGE_SIZE,
        .page = shadow_page(shadow->entries[index]),
        .protection = (int)shadow_prot(shadow->entries[index]),
        .level = 1,
        .entry = path->table + index * sizeof(pte_t),
        .old = shadow->check.seen[index],
        .new = leaf_entry(path, index),
    };
    for (int level = PTE_LEVELS; level > 1; level--) {
        int i = PTE_LEVELS - level;
        pte_t old = shadow->check.above[i], new = path->above[i];
        bool is_last = path->table == NO_TABLE && level == path->level;

        if (!is_last && (old == 0 || !has_lost(old, new)))
            continue;
        stale->level = level;
        stale->entry = path->at[i];
        stale->old = old;
        stale->new = new;
        return;
    }
}

/* --- Checking ------------------------------------------------------------------------------ */

/* Two entries; what another CPU changes meanwhile differs, and is then looked at again. */
typedef uint64_t pair_t __attribute__((vector_size(16), aligned(8), may_alias));

/* Whether the line of the leaf table is as it was when it was last in order. Several entries are
 * read at a time while other CPUs may change them, which is why ThreadSanitizer is not to look: a
 * difference is only the reason to read each one properly. */
static __attribute__((no_sanitize("thread"))) bool
is_unchanged(const struct path *path, const struct shadow *shadow, unsigned line)
{
    const uint8_t *memory = vmspace_config.memory;
    const pair_t *now = (const pair_t *)(memory + path->table) + line * LINE / 2;
    const pair_t *then = (const pair_t *)shadow->check.seen + line * LINE / 2;
    pair_t different =
        (now[0] ^ then[0]) | (now[1] ^ then[1]) | (now[2] ^ then[2]) | (now[3] ^ then[3]);

    return (different[0] | different[1]) == 0;
}

static bool check_line(const struct path *path, struct shadow *shadow, unsigned line,
                       struct vmspace_stale *stale)
{
    struct shadow_check *check = &shadow->check;
    bool is_used = false;

    for (unsigned i = line * LINE; i < (line + 1) * LINE; i++) {
        uint32_t cached = shadow->entries[i];
        pte_t pte = leaf_entry(path, i);

        if (cached != 0 && !is_allowed(path, pte, cached)) {
            describe(path, shadow, i, stale);
            return false;
        }
        is_used |= cached != 0;
        check->seen[i] = pte;
    }
    check->fresh &= ~(1UL << line);
    if (!is_used)
        check->lines &= ~(1UL << line);
    return true;
}

static bool check_piece(const struct vmspace *vmspace, struct shadow *shadow,
                        struct vmspace_stale *stale)
{
    struct shadow_check *check = &shadow->check;
    struct path path;
    bool is_same;

    follow_path(vmspace, shadow->number << SHADOW_BITS, &path);
    is_same = path.table != NO_TABLE && memcmp(path.above, check->above, sizeof(path.above)) == 0;
    for (uint64_t rest = check->lines; rest != 0; rest &= rest - 1) {
        unsigned line = (unsigned)__builtin_ctzl(rest);

        if (is_same && !(check->fresh & (1UL << line)) && is_unchanged(&path, shadow, line))
            continue;
        if (!check_line(&path, shadow, line, stale))
            return false;
    }
    memcpy(check->above, path.above, sizeof(path.above));
    return true;
}

static bool check_all(const struct vmspace *vmspace, struct vmspace_stale *stale)
{
    for (unsigned i = 0; i < SHADOW_BUCKETS; i++) {
        for (struct shadow *shadow = vmspace->shadow[i]; shadow != NULL; shadow = shadow->next) {
            if (!check_piece(vmspace, shadow, stale))
                return false;
        }
    }
    return true;
}

void check_translations(struct vmspace *vmspace)
{
    struct vmspace_stale stale;

    if (vmspace_config.report_stale == NULL || check_all(vmspace, &stale) ||
        vmspace_config.is_changing(vmspace->id))
        return;
    host_unlock(&vmspace->lock);
    vmspace_config.report_stale(vmspace->id, &stale);
    host_lock(&vmspace->lock);
}

#endif
