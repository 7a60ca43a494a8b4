/*
 * The machine of the unit tests; see the header.
 */
#include "vm/test/fake_machine.h"
#include "kern/mutex.h"
#include "kern/print.h"
#include "vm/heap.h"
#include "vm/page.h"
#include "vm/pmap.h"
#include "vm/pmap_history.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

/* --- Checks --------------------------------------------------------------------------------- */

static unsigned long checks;

void fake_check(bool ok, const char *text, const char *file, int line)
{
    checks++;
    if (ok)
        return;
    printf("%s:%d: failed: %s\n", file, line, text);
    exit(1);
}

int fake_done(void)
{
    printf("ok %lu checks\n", checks);
    return 0;
}

uint32_t fake_random(uint32_t limit)
{
    static uint64_t state = 88172645463325252UL;

    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (uint32_t)(state >> 16) % limit;
}

/* --- Messages and panic --------------------------------------------------------------------- */

#define PANIC_EXPECTED 42

static const char *expected_panic;

void panic(const char *fmt, ...)
{
    char text[512];
    va_list arguments;

    va_start(arguments, fmt);
    vsnprintf(text, sizeof(text), fmt, arguments);
    va_end(arguments);
    if (expected_panic != NULL && strstr(text, expected_panic) != NULL)
        _exit(PANIC_EXPECTED);
    printf("panic: %s\n", text);
    fflush(stdout);
    abort();
}

void kprintf(const char *fmt, ...)
{
    va_list arguments;

    va_start(arguments, fmt);
    vprintf(fmt, arguments);
    va_end(arguments);
}

bool fake_panics(void (*fn)(void), const char *text)
{
    pid_t child;
    int status;

    fflush(stdout);
    child = fork();
    if (child == 0) {
        expected_panic = text;
        fn();
        _exit(1);
    }
    return waitpid(child, &status, 0) == child && WIFEXITED(status) &&
           WEXITSTATUS(status) == PANIC_EXPECTED;
}

/* --- Locks: one thread, so they only check ---------------------------------------------------- */

static enum lock_rank spin_ranks[16], mutex_ranks[16];
static unsigned spin_depth, mutex_depth;

void spin_init(struct spinlock *lock, const char *name, enum lock_rank rank)
{
    *lock = (struct spinlock){.name = name, .rank = rank};
}

void spin_lock(struct spinlock *lock)
{
    if (lock->locked || lock->rank == LOCK_NONE)
        panic("spinlock %s is held already, or not initialised", lock->name);
    if (spin_depth > 0 && spin_ranks[spin_depth - 1] >= lock->rank)
        panic("spinlock %s: wrong order", lock->name);
    spin_ranks[spin_depth++] = lock->rank;
    lock->locked = 1;
}

void spin_unlock(struct spinlock *lock)
{
    if (!lock->locked || spin_depth == 0)
        panic("spinlock %s is not held", lock->name);
    spin_depth--;
    lock->locked = 0;
}

void mutex_init(struct mutex *mutex, const char *name, enum lock_rank rank)
{
    *mutex = (struct mutex){.name = name, .rank = rank};
}

void mutex_lock(struct mutex *mutex)
{
    if (mutex->holder != NULL || mutex->rank == LOCK_NONE || spin_depth > 0)
        panic("mutex %s is held already, or not initialised", mutex->name);
    if (mutex_depth > 0 && mutex_ranks[mutex_depth - 1] >= mutex->rank)
        panic("mutex %s: wrong order", mutex->name);
    mutex_ranks[mutex_depth++] = mutex->rank;
    mutex->holder = (void *)mutex;
}

void mutex_unlock(struct mutex *mutex)
{
    if (mutex->holder == NULL || mutex_depth == 0)
        panic("mutex %s is not held", mutex->name);
    mutex_depth--;
    mutex->holder = NULL;
}

bool mutex_is_held(struct mutex *mutex)
{
    return mutex->holder != NULL;
}

/* --- Memory --------------------------------------------------------------------------------- */

static const struct memory_range *memory;
static size_t memory_count;
static struct page *hoard; /* the pages taken, linked through their first bytes */

size_t machine_memory(struct memory_range *ranges, size_t max)
{
    size_t count = memory_count < max ? memory_count : max;

    memcpy(ranges, memory, count * sizeof(*ranges));
    return count;
}

void fake_start(const struct memory_range *ranges, size_t count)
{
    memory = ranges;
    memory_count = count;
    for (size_t i = 0; i < count; i++) {
        void *at = direct_map(ranges[i].start);
        size_t size = ranges[i].end - ranges[i].start;

        if (mmap(at, size, PROT_READ | PROT_WRITE,
                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) != at)
            panic("no memory at %p", at);
        /* What boot code left there: nobody may take it for zeros. */
        memset(at, 0xee, size);
    }
    page_init();
    heap_init();
}

void fake_hoard_pages(size_t left)
{
    while (page_free_count() > left) {
        struct page *page = page_alloc(0);

        *(struct page **)page_data(page) = hoard;
        hoard = page;
    }
}

void fake_return_pages(void)
{
    while (hoard != NULL) {
        struct page *page = hoard;

        hoard = *(struct page **)page_data(page);
        page_release(page);
    }
}

/* --- The processor -------------------------------------------------------------------------- */

#define TLB_SIZE 8192

static struct tlb_entry {
    struct pmap *pmap;
    vaddr_t va;
    pte_t pte;
} tlb[TLB_SIZE];

size_t fake_invalidations;

int machine_pmap_create(struct pmap *pmap)
{
    (void)pmap;
    return 0;
}

void machine_pmap_destroy(struct pmap *pmap)
{
    for (size_t i = 0; i < TLB_SIZE; i++) {
        if (tlb[i].pmap == pmap)
            tlb[i].pmap = NULL;
    }
}

void machine_tlb_invalidate(struct pmap *pmap, vaddr_t start, vaddr_t end)
{
    if (start >= end || start % PAGE_SIZE != 0 || end % PAGE_SIZE != 0)
        panic("invalidation of [%#lx, %#lx)", start, end);
    fake_invalidations++;
    for (size_t i = 0; i < TLB_SIZE; i++) {
        if (tlb[i].pmap == pmap && tlb[i].va >= start && tlb[i].va < end)
            tlb[i].pmap = NULL;
    }
}

/* vm/pmap.c says of each change what it really made. */
void pmap_note_change(const pte_t *entry, pte_t old, pte_t new)
{
    (void)old;
    if (*entry != new)
        panic("%p was said to be %#lx, and is %#lx", (const void *)entry, new, *entry);
}

/* Walk the page table as the processor does; returns the leaf entry or NULL. */
static pte_t *walk(struct pmap *pmap, vaddr_t va)
{
    pte_t *table = direct_map(pmap->root);

    for (int level = PTE_LEVELS; level > 1; level--) {
        pte_t entry = table[pte_index(va, level)];

        if (!pte_is_present(entry))
            return NULL;
        table = direct_map(pte_address(entry));
    }
    return &table[pte_index(va, 1)];
}

uint8_t *fake_access(struct pmap *pmap, vaddr_t va, prot_t access)
{
    vaddr_t page = va & ~(PAGE_SIZE - 1);
    struct tlb_entry *cached = &tlb[((page >> PAGE_SHIFT) * 31 + (vaddr_t)pmap / 64) % TLB_SIZE];
    pte_t wanted = PTE_ACCESSED | (access == PROT_WRITE ? PTE_DIRTY : 0);

    if (cached->pmap != pmap || cached->va != page || !(pte_prot(cached->pte) & access) ||
        (cached->pte & wanted) != wanted) {
        pte_t *entry = walk(pmap, page);

        if (cached->pmap == pmap && cached->va == page)
            cached->pmap = NULL;
        if (entry == NULL || !(pte_prot(*entry) & access))
            return NULL;
        *entry |= wanted;
        *cached = (struct tlb_entry){.pmap = pmap, .va = page, .pte = *entry};
    }
    return (uint8_t *)direct_map(pte_address(cached->pte)) + va % PAGE_SIZE;
}
