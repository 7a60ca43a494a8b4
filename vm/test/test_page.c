/* unit: vm/page.c vm/heap.c vm/test/fake_machine.c kern/test/fake_fail.c */
/*
 * The page allocator: alignment, holes, joining, references, and the checks of debug builds.
 */
#include "vm/page.h"
#include "vm/test/fake_machine.h"
#include <string.h>

static const struct memory_range memory[] = {
    {0x1000, 0x9f000},
    {0x100000, 0x1500000},
    {0x1800000, 0x1803000},
};

#define HIGHEST (0x1803000 / PAGE_SIZE)
#define BLOCKS  400

static uint8_t owner[HIGHEST]; /* the model: which block has the page, 0: none */

static bool is_memory(paddr_t pa)
{
    for (size_t i = 0; i < array_length(memory); i++) {
        if (pa >= memory[i].start && pa < memory[i].end)
            return true;
    }
    return false;
}

/* Mark a block's pages as owned by `mark`, which were owned by `expected`. */
static void mark_block(const struct page *page, unsigned order, uint8_t expected, uint8_t mark)
{
    size_t first = page_address(page) / PAGE_SIZE;

    CHECK(first % (1UL << order) == 0);
    for (size_t i = first; i < first + (1UL << order); i++) {
        CHECK(is_memory(i * PAGE_SIZE) && owner[i] == expected);
        owner[i] = mark;
    }
}

static size_t count_largest_blocks(void)
{
    struct page *blocks[16];
    size_t count = 0;

    while (count < 16 && (blocks[count] = page_alloc(PAGE_ORDER_MAX)) != NULL)
        count++;
    for (size_t i = 0; i < count; i++)
        page_release(blocks[i]);
    return count;
}

static void test_random(void)
{
    static struct page *blocks[BLOCKS];
    static unsigned orders[BLOCKS];
    size_t free_before = page_free_count(), taken = 0;

    for (unsigned step = 0; step < 20000; step++) {
        unsigned i = fake_random(BLOCKS);

        if (blocks[i] != NULL) {
            CHECK(*(unsigned *)page_data(blocks[i]) == i);
            mark_block(blocks[i], orders[i], (uint8_t)(i % 255 + 1), 0);
            page_release(blocks[i]);
            taken -= 1UL << orders[i];
            blocks[i] = NULL;
        } else {
            orders[i] = fake_random(6);
            blocks[i] = step % 2 ? page_alloc(orders[i]) : page_alloc_zero(orders[i]);
            if (blocks[i] == NULL)
                continue;
            if (step % 2 == 0)
                CHECK(((uint64_t *)page_data(blocks[i]))[511] == 0);
            mark_block(blocks[i], orders[i], 0, (uint8_t)(i % 255 + 1));
            taken += 1UL << orders[i];
            *(unsigned *)page_data(blocks[i]) = i;
        }
        CHECK(page_free_count() == free_before - taken);
    }
    for (unsigned i = 0; i < BLOCKS; i++) {
        if (blocks[i] != NULL) {
            mark_block(blocks[i], orders[i], (uint8_t)(i % 255 + 1), 0);
            page_release(blocks[i]);
        }
    }
    CHECK(page_free_count() == free_before);
}

static void test_references(void)
{
    size_t before = page_free_count();
    struct page *page = page_alloc(3);

    CHECK(page_references(page) == 1);
    page_reference(page);
    page_release(page);
    CHECK(page_free_count() == before - 8);
    CHECK(page_from_address(page_address(page)) == page);
    CHECK(direct_map_address(page_data(page)) == page_address(page));
    page_release(page);
    CHECK(page_free_count() == before);
}

static void test_exhaustion(void)
{
    size_t before = page_free_count();

    CHECK(page_alloc(PAGE_ORDER_MAX + 1) == NULL);
    fake_hoard_pages(0);
    CHECK(page_free_count() == 0 && page_alloc(0) == NULL && page_alloc_zero(2) == NULL);
    fake_return_pages();
    CHECK(page_free_count() == before);
}

static void release_twice(void)
{
    struct page *page = page_alloc(0);

    page_release(page);
    page_release(page);
}

static void reference_free_page(void)
{
    struct page *page = page_alloc(0);

    page_release(page);
    page_reference(page);
}

static void release_hole(void)
{
    page_release(page_from_address(0xa0000));
}

static void write_after_free(void)
{
    struct page *page = page_alloc(0);

    page_release(page);
    ((char *)page_data(page))[100] = 1;
    fake_hoard_pages(0);
}

int main(void)
{
    size_t largest;

    fake_start(memory, array_length(memory));
    CHECK(page_total_count() > 0 && page_free_count() == page_total_count());
    CHECK(page_total_count() < 0x9e + 0x1400 + 3);
    largest = count_largest_blocks();
    CHECK(largest == 4);
    test_references();
    test_exhaustion();
    test_random();
    CHECK(count_largest_blocks() == largest);
    CHECK(fake_panics(release_twice, "freed twice"));
    CHECK(fake_panics(reference_free_page, "reference to a page with 0"));
    CHECK(fake_panics(release_hole, "never allocated"));
    CHECK(fake_panics(write_after_free, "written after it was freed"));
    return fake_done();
}
