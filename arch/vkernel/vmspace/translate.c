/*
 * The MMU: page tables are walked here, and what the stub has mapped is our TLB.
 *
 * A walk does what a processor does (Intel SDM vol. 3A, sections 4.5 to 4.8): permissions are
 * combined over all levels, A is set in every entry used, D in the leaf for a write, each with
 * one compare-and-exchange, so that an entry that changes under the walk is seen and the walk
 * starts again. A page is mapped in the stub read-only until D is set, so that the first write
 * comes here to set it.
 *
 * The *shadow* remembers what the stub has mapped (or will have when the queued operations are
 * done): a hash table of 2 MiB pieces. It makes the invalidation of what is not mapped free. When
 * the host refuses one more mapping (vm.max_map_count), or memory for the shadow, everything is
 * dropped, as a TLB may at any time (translate_reset(); recover() in run.c).
 *
 * A mapping operation costs the stub a system call, a missing one a signal and a hand-over. So a
 * fault maps around: neighbours that have been accessed before (their A is set) come along, and
 * neighbours in memory become one operation.
 *
 * Walk and shadow update are one step under vmspace->lock, and invalidation takes the same lock
 * after the entry was changed: a walk either sees the new entry or its result is found in the
 * shadow and dropped.
 */
#include "arch/vkernel/vmspace/internal.h"
#include "arch/vkernel/vmspace/linux.h"

#include <errno.h>

#define AROUND      16 /* pages that a fault may map, aligned */
#define ARENA_CHUNK (1UL << 18)

#define PTE_LARGE_PAT (1UL << 12) /* of a large page: a caching attribute, no address bit */

/* --- The walk ------------------------------------------------------------------------------ */

struct translation {
    uint64_t page;                   /* physical address of the 4 KiB page */
    uint32_t protection;             /* what the stub may do with it now */
    bool writable, user, executable; /* of the levels above the leaf */
    pte_t *leaf;                     /* its entry */
    int level;                       /* the leaf's */
};

static bool is_memory(uint64_t address)
{
    return address < vmspace_config.memory_size;
}

static uint8_t *memory_at(uint64_t address)
{
    return (uint8_t *)vmspace_config.memory + address;
}

/* What the stub may map for a leaf entry below those levels: write only once it is dirty. */
static uint32_t leaf_protection(const struct translation *above, pte_t pte)
{
    prot_t prot = pte_prot(pte);

    if (!(prot & PROT_READ) || !above->user)
        return 0;
    if (!above->writable || !(pte & PTE_DIRTY))
        prot &= ~(prot_t)PROT_WRITE;
    if (!above->executable)
        prot &= ~(prot_t)PROT_EXEC;
    return prot;
}

/* Whether `pte`, below those levels, allows the access. */
static bool is_allowed(const struct translation *above, pte_t pte, uint64_t access)
{
    return (pte & PTE_USER) && above->user &&
           (!(access & PAGEFAULT_WRITE) || ((pte & PTE_WRITE) && above->writable)) &&
           (!(access & PAGEFAULT_FETCH) || (!(pte & PTE_NOEXEC) && above->executable));
}

/* Set bits in an entry that was read as `pte`; false if it has changed. */
static bool set_bits(pte_t *entry, pte_t pte, pte_t bits)
{
    if ((pte & bits) == bits)
        return true;
    return __atomic_compare_exchange_n(entry, &pte, pte | bits, false, __ATOMIC_SEQ_CST,
                                       __ATOMIC_SEQ_CST);
}

/*
 * Whether a present entry has bits set that must be 0: of its address those that memory does not
 * have, and those inside of a large page (but PAT); and there are no large pages in the top table.
 */
static bool is_reserved(pte_t pte, int level)
{
    uint64_t inside = (1UL << pte_shift(level)) - 1;

    if (level == 1 || !pte_is_leaf(pte, level))
        return !is_memory(pte_address(pte));
    return level == PTE_LEVELS || (pte_address(pte) & inside & ~PTE_LARGE_PAT) != 0 ||
           !is_memory(pte_address(pte));
}

/* One attempt at a walk. Returns 0, -EFAULT with *error, or -EAGAIN: an entry changed. */
static int walk_once(uint64_t table, uint64_t address, uint64_t access, struct translation *result,
                     uint64_t *error)
{
    *result = (struct translation){.writable = true, .user = true, .executable = true};
    *error = access | PAGEFAULT_USER;
    for (int level = PTE_LEVELS;; level--) {
        pte_t *entry, pte;

        entry = (pte_t *)memory_at(table) + pte_index(address, level);
        pte = __atomic_load_n(entry, __ATOMIC_ACQUIRE);
        if (!pte_is_present(pte))
            return -EFAULT;
        if (is_reserved(pte, level)) {
            *error |= PAGEFAULT_RESERVED | PAGEFAULT_PRESENT;
            return -EFAULT;
        }
        if (!pte_is_leaf(pte, level)) {
            if (!set_bits(entry, pte, PTE_ACCESSED))
                return -EAGAIN;
            result->writable &= (pte & PTE_WRITE) != 0;
            result->user &= (pte & PTE_USER) != 0;
            result->executable &= (pte & PTE_NOEXEC) == 0;
            table = pte_address(pte);
            continue;
        }
        *error |= PAGEFAULT_PRESENT;
        result->page = (pte_address(pte) & ~((1UL << pte_shift(level)) - 1)) |
                       (address & ((1UL << pte_shift(level)) - 1) & ~(PAGE_SIZE - 1));
        if (!is_memory(result->page)) {
            *error |= PAGEFAULT_RESERVED;
            return -EFAULT;
        }
        if (!is_allowed(result, pte, access))
            return -EFAULT;
        if (!set_bits(entry, pte, PTE_ACCESSED | ((access & PAGEFAULT_WRITE) ? PTE_DIRTY : 0)))
            return -EAGAIN;
        pte |= (access & PAGEFAULT_WRITE) ? PTE_DIRTY : 0;
        result->protection = leaf_protection(result, pte);
        result->leaf = entry;
        result->level = level;
        return 0;
    }
}

static int walk(struct vmspace *vmspace, uint64_t address, uint64_t access,
                struct translation *result, uint64_t *error)
{
    int status;

    *error = access | PAGEFAULT_USER;
    if (vmspace->root == NO_ROOT || address < vmspace->start || address >= vmspace->end)
        return -EFAULT;
    if (!is_memory(vmspace->root)) {
        *error |= PAGEFAULT_RESERVED | PAGEFAULT_PRESENT;
        return -EFAULT;
    }
    do {
        status = walk_once(vmspace->root, address, access, result, error);
    } while (status == -EAGAIN);
    return status;
}

int translate(struct vmspace *vmspace, uint64_t address, uint64_t access, uint8_t **page,
              uint64_t *error)
{
    struct translation found;
    int status = walk(vmspace, address, access, &found, error);

    if (status == 0)
        *page = memory_at(found.page);
    return status;
}

/* --- The shadow ---------------------------------------------------------------------------- */

static struct {
    struct host_lock lock;
    struct shadow *free;
} arena;

static struct shadow *shadow_allocate(uint64_t number)
{
    struct shadow *shadow;

    host_lock(&arena.lock);
    if (arena.free == NULL) {
        long chunk = host_call(SYS_mmap, 0, ARENA_CHUNK, PROT_READ | PROT_WRITE,
                               MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

        for (size_t i = 0; !(chunk < 0 && chunk > -4096) && i < ARENA_CHUNK / sizeof(*shadow);
             i++) {
            shadow = (struct shadow *)chunk + i;
            shadow->next = arena.free;
            arena.free = shadow;
        }
    }
    shadow = arena.free;
    if (shadow != NULL)
        arena.free = shadow->next;
    host_unlock(&arena.lock);
    if (shadow != NULL)
        *shadow = (struct shadow){.number = number};
    return shadow;
}

static void shadow_free(struct shadow *shadow)
{
    *shadow->link = shadow->next;
    if (shadow->next != NULL)
        shadow->next->link = shadow->link;
    host_lock(&arena.lock);
    shadow->next = arena.free;
    arena.free = shadow;
    host_unlock(&arena.lock);
}

/* The piece with this number; NULL when there is none and it is not to be made, or no memory. */
static struct shadow *shadow_find(struct vmspace *vmspace, uint64_t number, bool make)
{
    struct shadow **bucket = &vmspace->shadow[number % SHADOW_BUCKETS];
    struct shadow *shadow = *bucket;

    while (shadow != NULL && shadow->number != number)
        shadow = shadow->next;
    if (shadow != NULL || !make)
        return shadow;
    shadow = shadow_allocate(number);
    if (shadow == NULL)
        return NULL;
    shadow->next = *bucket;
    shadow->link = bucket;
    if (shadow->next != NULL)
        shadow->next->link = &shadow->next;
    *bucket = shadow;
    return shadow;
}

/* --- The queue of operations --------------------------------------------------------------- */

static struct stub_operation *last_operation(struct vmspace *vmspace)
{
    return vmspace->operation_count > 0 ? &vmspace->operations[vmspace->operation_count - 1] : NULL;
}

struct stub_operation operation_unmap(uint64_t start, uint64_t end)
{
    return (struct stub_operation){
        .address = start,
        .length = end - start,
        .number = SYS_munmap,
        .kind = OPERATION_CALL,
    };
}

static void append(struct vmspace *vmspace, struct stub_operation operation)
{
    if (vmspace->operation_count == OPERATIONS_MAX)
        translate_reset(vmspace, true);
    vmspace->operations[vmspace->operation_count++] = operation;
}

/* Queue the mapping of one page; it joins the last operation where it continues it. */
static void queue_map(struct vmspace *vmspace, uint64_t address, uint64_t page, uint32_t protection)
{
    struct stub_operation *last = last_operation(vmspace);

    if (last != NULL && last->kind == OPERATION_MAP && last->protection == protection &&
        last->address + last->length == address && last->offset + last->length == page) {
        last->length += PAGE_SIZE;
        return;
    }
    if (last != NULL && last->kind != OPERATION_MAP && last->address == address &&
        last->length == PAGE_SIZE)
        vmspace->operation_count--; /* the new mapping replaces what was there */
    append(vmspace, (struct stub_operation){address, PAGE_SIZE, page, {protection}, OPERATION_MAP});
}

void translate_queue_unmap(struct vmspace *vmspace, uint64_t start, uint64_t end)
{
    struct stub_operation *last;

    /* Operations that this one makes void need not be done. */
    while ((last = last_operation(vmspace)) != NULL && last->address >= start &&
           last->address + last->length <= end)
        vmspace->operation_count--;
    if (last != NULL && last->kind != OPERATION_MAP && last->address <= end &&
        start <= last->address + last->length) {
        uint64_t last_end = last->address + last->length;

        last->address = min(last->address, start);
        last->length = max(last_end, end) - last->address;
        return;
    }
    append(vmspace, operation_unmap(start, end));
}

/* --- Mapping ------------------------------------------------------------------------------- */

/* Map one page, if the stub does not have it so already. */
static int map_page(struct vmspace *vmspace, uint64_t address, uint64_t page, uint32_t protection)
{
    struct shadow *shadow = shadow_find(vmspace, address >> SHADOW_BITS, true);
    uint32_t *entry;
    uint32_t value = (uint32_t)(page >> PAGE_SHIFT) << 3 | protection;

    if (shadow == NULL) { /* no memory for one more: use again what the others have */
        translate_reset(vmspace, true);
        shadow = shadow_find(vmspace, address >> SHADOW_BITS, true);
    }
    if (shadow == NULL)
        return -ENOMEM;
    entry = &shadow->entries[pte_index(address, 1)];
    if (*entry == value)
        return 0;
    queue_map(vmspace, address, page, protection);
    /* Queuing may have reset everything: look the piece up again. */
    shadow = shadow_find(vmspace, address >> SHADOW_BITS, true);
    if (shadow == NULL)
        return -ENOMEM;
    entry = &shadow->entries[pte_index(address, 1)];
    if (*entry == 0) {
        shadow->count++;
        vmspace->mapped++;
    }
    *entry = value;
    check_note(shadow, pte_index(address, 1));
    return 0;
}

/*
 * Map the page of `address` as the walk found it, even if its entry has changed since: who changed
 * it will invalidate it and must find it in the shadow. And those pages around it that were
 * accessed before, as far as their entries say. Returns 0, or -ENOMEM when there was no memory
 * for all of them.
 */
static int map_around(struct vmspace *vmspace, uint64_t address, const struct translation *found)
{
    uint64_t first = align_down(address, (uint64_t)AROUND * PAGE_SIZE);

    for (uint64_t at = first; at < first + AROUND * PAGE_SIZE; at += PAGE_SIZE) {
        uint64_t page = found->page + (at - address);
        uint32_t protection = found->protection;

        if (at < vmspace->start || at >= vmspace->end)
            continue;
        if (found->level == 1 && at != address) {
            ptrdiff_t distance = ((int64_t)at - (int64_t)address) / (int64_t)PAGE_SIZE;
            pte_t pte = __atomic_load_n(found->leaf + distance, __ATOMIC_ACQUIRE);

            if (!pte_is_present(pte) || !(pte & PTE_ACCESSED))
                continue;
            page = pte_address(pte);
            protection = leaf_protection(found, pte);
        }
        if (protection != 0 && is_memory(page) && map_page(vmspace, at, page, protection) != 0)
            return -ENOMEM;
    }
    return 0;
}

int translate_and_map(struct vmspace *vmspace, uint64_t address, uint64_t access, uint64_t *error)
{
    struct translation found;
    struct shadow *shadow;
    int status = walk(vmspace, address, access, &found, error);

    if (status != 0)
        return status;
    address = align_down(address, PAGE_SIZE);
    /* The host faulted there: it has no such mapping, whatever the shadow says, or another one,
     * which is now replaced. */
    shadow = shadow_find(vmspace, address >> SHADOW_BITS, false);
    if (shadow != NULL && shadow->entries[pte_index(address, 1)] != 0) {
        shadow->entries[pte_index(address, 1)] = 0;
        shadow->count--;
        vmspace->mapped--;
    }
    vmspace->is_used = true;
    return map_around(vmspace, address, &found);
}

/* --- Invalidation -------------------------------------------------------------------------- */

/* Forget what a piece has of [start, end); widens [*first, *last) by what there was. */
static void shadow_clear(struct vmspace *vmspace, struct shadow *shadow, uint64_t start,
                         uint64_t end, uint64_t *first, uint64_t *last)
{
    uint64_t base = shadow->number << SHADOW_BITS;
    uint64_t from = max(start, base), to = min(end, base + (1UL << SHADOW_BITS));

    for (uint64_t at = from; at < to && shadow->count > 0; at += PAGE_SIZE) {
        uint32_t *entry = &shadow->entries[pte_index(at, 1)];

        if (*entry == 0)
            continue;
        *entry = 0;
        shadow->count--;
        vmspace->mapped--;
        *first = min(*first, at);
        *last = max(*last, at + PAGE_SIZE);
    }
    if (shadow->count == 0)
        shadow_free(shadow);
}

bool translate_invalidate(struct vmspace *vmspace, uint64_t start, uint64_t end)
{
    uint64_t first = UINT64_MAX, last = 0;
    uint64_t low = start >> SHADOW_BITS, high = (end - 1) >> SHADOW_BITS;

    if (high - low < SHADOW_BUCKETS) {
        for (uint64_t number = low; number <= high; number++) {
            struct shadow *shadow = shadow_find(vmspace, number, false);

            if (shadow != NULL)
                shadow_clear(vmspace, shadow, start, end, &first, &last);
        }
    } else {
        for (unsigned i = 0; i < SHADOW_BUCKETS; i++)
            for (struct shadow *shadow = vmspace->shadow[i], *next; shadow != NULL; shadow = next) {
                next = shadow->next;
                if (shadow->number >= low && shadow->number <= high)
                    shadow_clear(vmspace, shadow, start, end, &first, &last);
            }
    }
    if (first >= last)
        return false;
    translate_queue_unmap(vmspace, first, last);
    return true;
}

void translate_reset(struct vmspace *vmspace, bool queue)
{
    for (unsigned i = 0; i < SHADOW_BUCKETS; i++)
        while (vmspace->shadow[i] != NULL)
            shadow_free(vmspace->shadow[i]);
    vmspace->mapped = 0;
    if (queue) {
        vmspace->operation_count = 0;
        translate_queue_unmap(vmspace, 0, USER_MAX);
    }
}
