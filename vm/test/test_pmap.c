/* unit: vm/pmap.c vm/page.c vm/heap.c vm/test/fake_machine.c kern/test/fake_fail.c */
/*
 * Page tables: against a model, through a processor that caches what it may; and that nothing is
 * invalidated needlessly.
 */
#include "kern/abi/errno.h"
#include "kern/abi/mman.h"
#include "vm/page.h"
#include "vm/pmap.h"
#include "vm/test/fake_machine.h"

static const struct memory_range memory[] = {{0x100000, 0x900000}};

#define BASE   0x7fffff000UL /* the window crosses the borders of tables of two levels */
#define WINDOW 700
#define FRAMES 64
#define RW     (PROT_READ | PROT_WRITE)

static struct pmap pmap;
static paddr_t frames[FRAMES];
static size_t released_count, released_dirty;

static void note_release(paddr_t pa, bool dirty, void *argument)
{
    CHECK(argument == &pmap && is_aligned(pa, PAGE_SIZE));
    released_count++;
    released_dirty += dirty;
}

static void enter(vaddr_t va, unsigned frame, prot_t prot)
{
    CHECK(pmap_enter(&pmap, va, frames[frame], prot) == 0);
}

/* Whether the processor can do `access` at `va`, and reaches the frame when it can. */
static bool reaches(vaddr_t va, prot_t access, unsigned frame)
{
    uint8_t *byte = fake_access(&pmap, va, access);

    return byte != NULL && byte == (uint8_t *)direct_map(frames[frame]) + va % PAGE_SIZE;
}

static void test_enter(void)
{
    size_t before = fake_invalidations;

    CHECK(pmap_lookup(&pmap, BASE) == 0 && !reaches(BASE, PROT_READ, 0));
    enter(BASE, 0, PROT_READ);
    CHECK(reaches(BASE + 5, PROT_READ, 0) && !reaches(BASE, PROT_WRITE, 0));
    CHECK(!reaches(BASE, PROT_EXEC, 0));
    enter(BASE, 0, RW); /* more permissions */
    CHECK(reaches(BASE, PROT_WRITE, 0) && pmap.resident == 1);
    CHECK(fake_invalidations == before);
    CHECK((pmap_lookup(&pmap, BASE) & (PTE_ACCESSED | PTE_DIRTY)) == (PTE_ACCESSED | PTE_DIRTY));
    enter(BASE, 0, PROT_READ); /* fewer: the processor's note stays, the translation goes */
    CHECK(fake_invalidations == before + 1 && !reaches(BASE, PROT_WRITE, 0));
    CHECK((pmap_lookup(&pmap, BASE) & PTE_DIRTY) != 0);
    CHECK(reaches(BASE, PROT_READ, 0));
    enter(BASE, 1, PROT_READ); /* another frame */
    CHECK(fake_invalidations == before + 2 && reaches(BASE, PROT_READ, 1));
    CHECK((pmap_lookup(&pmap, BASE) & PTE_DIRTY) == 0 && pmap.resident == 1);
    enter(BASE, 1, PROT_READ | PROT_EXEC);
    CHECK(reaches(BASE, PROT_EXEC, 1));
    pmap_remove(&pmap, BASE, BASE + PAGE_SIZE, NULL, NULL);
    CHECK(!reaches(BASE, PROT_READ, 1) && pmap.resident == 0);
}

static void test_remove(void)
{
    size_t before;

    for (unsigned i = 0; i < FRAMES; i++)
        enter(BASE + i * PAGE_SIZE, i, RW);
    for (unsigned i = 0; i < FRAMES; i++)
        CHECK(reaches(BASE + i * PAGE_SIZE, i < 10 ? PROT_WRITE : PROT_READ, i));
    before = fake_invalidations;
    pmap_remove(&pmap, 1UL << 32, BASE, note_release, &pmap);
    CHECK(fake_invalidations == before && released_count == 0);
    pmap_remove(&pmap, USER_MIN, USER_MAX, note_release, &pmap);
    CHECK(fake_invalidations == before + 1);
    CHECK(released_count == FRAMES && released_dirty == 10 && pmap.resident == 0);
    for (unsigned i = 0; i < FRAMES; i++)
        CHECK(!reaches(BASE + i * PAGE_SIZE, PROT_READ, i));
}

static void test_protect(void)
{
    size_t before = fake_invalidations;

    for (unsigned i = 0; i < 8; i++) {
        enter(BASE + i * PAGE_SIZE, i, i < 4 ? RW : PROT_READ);
        CHECK(reaches(BASE + i * PAGE_SIZE, PROT_READ, i));
    }
    pmap_protect(&pmap, BASE + 4 * PAGE_SIZE, BASE + 100 * PAGE_SIZE, PROT_READ);
    pmap_protect(&pmap, BASE, BASE + 100 * PAGE_SIZE, RW);
    CHECK(fake_invalidations == before); /* nothing was lost */
    pmap_protect(&pmap, BASE, BASE + 100 * PAGE_SIZE, PROT_READ);
    CHECK(fake_invalidations == before + 1);
    for (unsigned i = 0; i < 8; i++)
        CHECK(!reaches(BASE + i * PAGE_SIZE, PROT_WRITE, i) &&
              reaches(BASE + i * PAGE_SIZE, PROT_READ, i));
    pmap_remove(&pmap, BASE, BASE + 8 * PAGE_SIZE, NULL, NULL);
}

static void test_mark_and_absent(void)
{
    struct page *pages[4] = {NULL};
    size_t before = fake_invalidations;

    enter(BASE, 3, RW);
    CHECK((pmap_lookup(&pmap, BASE) & (PTE_ACCESSED | PTE_DIRTY)) == 0);
    pmap_mark_accessed(&pmap, BASE, false);
    CHECK((pmap_lookup(&pmap, BASE) & (PTE_ACCESSED | PTE_DIRTY)) == PTE_ACCESSED);
    pmap_mark_accessed(&pmap, BASE, true);
    CHECK((pmap_lookup(&pmap, BASE) & PTE_DIRTY) != 0);
    pmap_mark_accessed(&pmap, BASE + 9 * PAGE_SIZE, true);
    CHECK(pmap_lookup(&pmap, BASE + 9 * PAGE_SIZE) == 0);
    pages[0] = page_from_address(frames[0]);
    CHECK(pmap_enter_accessed(&pmap, BASE + 2 * PAGE_SIZE, frames[2], RW, PROT_WRITE) == 0);
    CHECK((pmap_lookup(&pmap, BASE + 2 * PAGE_SIZE) & PTE_DIRTY) != 0);
    pages[2] = page_from_address(frames[4]);
    pages[3] = page_from_address(frames[5]);
    pmap_enter_absent(&pmap, BASE + PAGE_SIZE, pages, 4, PROT_READ);
    CHECK(pages[0] == NULL && pages[2] == NULL && pages[3] == NULL);
    pages[0] = page_from_address(frames[6]);
    pmap_enter_absent(&pmap, BASE + 2 * PAGE_SIZE, pages, 1, PROT_READ);
    CHECK(pages[0] != NULL && reaches(BASE + 2 * PAGE_SIZE, PROT_WRITE, 2));
    CHECK(reaches(BASE + PAGE_SIZE, PROT_READ, 0) && !reaches(BASE + PAGE_SIZE, PROT_WRITE, 0));
    CHECK(reaches(BASE + 3 * PAGE_SIZE, PROT_READ, 4));
    CHECK(pmap.resident == 5 && fake_invalidations == before);
    pmap_remove(&pmap, BASE, BASE + 10 * PAGE_SIZE, NULL, NULL);
}

static void test_no_memory(void)
{
    struct pmap other;
    size_t all = page_free_count();

    for (size_t left = 0; left < 4; left++) {
        fake_hoard_pages(left);
        if (pmap_create(&other) == 0) {
            CHECK(pmap_enter(&other, BASE, frames[0], RW) == -ENOMEM);
            CHECK(pmap_lookup(&other, BASE) == 0 && other.resident == 0);
            fake_return_pages();
            CHECK(pmap_enter(&other, BASE, frames[0], RW) == 0);
            pmap_destroy(&other);
        }
        fake_return_pages();
        CHECK(page_free_count() == all);
    }
}

/* What each page of the window should show. */
static struct {
    int frame; /* -1: nothing */
    prot_t prot;
} model[WINDOW];

static void random_step(void)
{
    unsigned first = fake_random(WINDOW);
    unsigned end = first + 1 + fake_random(min(WINDOW - first, 40u));
    prot_t prots[] = {PROT_READ, RW, PROT_READ | PROT_EXEC, RW | PROT_EXEC};
    prot_t prot = prots[fake_random(4)];
    unsigned what = fake_random(12), frame = fake_random(FRAMES);

    if (what == 0) {
        pmap_remove(&pmap, BASE + first * PAGE_SIZE, BASE + end * PAGE_SIZE, NULL, NULL);
        for (; first < end; first++)
            model[first].frame = -1;
    } else if (what == 1) {
        pmap_protect(&pmap, BASE + first * PAGE_SIZE, BASE + end * PAGE_SIZE, prot);
        for (; first < end; first++)
            model[first].prot &= prot;
    } else if (what < 6) {
        enter(BASE + first * PAGE_SIZE, frame, prot);
        model[first].frame = (int)frame;
        model[first].prot = prot;
    }
    for (unsigned i = 0; i < 8; i++) {
        unsigned page = fake_random(WINDOW);
        prot_t access = (prot_t[]){PROT_READ, PROT_WRITE, PROT_EXEC}[fake_random(3)];
        bool allowed = model[page].frame >= 0 && (model[page].prot & access);
        uint8_t *byte = fake_access(&pmap, BASE + page * PAGE_SIZE + 7, access);

        CHECK((byte != NULL) == allowed);
        CHECK(byte == NULL || byte == (uint8_t *)direct_map(frames[model[page].frame]) + 7);
    }
}

static void test_random(void)
{
    size_t resident = 0;

    for (unsigned i = 0; i < WINDOW; i++)
        model[i].frame = -1;
    for (unsigned i = 0; i < 30000; i++)
        random_step();
    for (unsigned i = 0; i < WINDOW; i++)
        resident += model[i].frame >= 0;
    CHECK(pmap.resident == resident);
}

int main(void)
{
    size_t all;

    fake_start(memory, array_length(memory));
    for (unsigned i = 0; i < FRAMES; i++)
        frames[i] = page_address(page_alloc(0));
    all = page_free_count();
    CHECK(pmap_create(&pmap) == 0);
    test_enter();
    test_remove();
    test_protect();
    test_mark_and_absent();
    test_random();
    pmap_destroy(&pmap);
    CHECK(page_free_count() == all);
    test_no_memory();
    return fake_done();
}
