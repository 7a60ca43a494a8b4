/* unit: vm/heap.c vm/page.c vm/test/fake_machine.c kern/test/fake_fail.c */
/*
 * The kernel heap: alignment, independence of objects, accounting, and the checks of debug builds.
 */
#include "vm/heap.h"
#include "vm/page.h"
#include "vm/test/fake_machine.h"
#include <string.h>

static const struct memory_range memory[] = {{0x100000, 0x1900000}};

#define OBJECTS 600

static void test_alignment(void)
{
    for (size_t size = 0; size <= 9000; size++) {
        char *p = kmalloc(size), *zeroed = kzalloc(size);

        CHECK(p != NULL && zeroed != NULL && p != zeroed);
        CHECK(is_aligned((vaddr_t)p, size >= 64 ? 64UL : 16UL));
        memset(p, 0xff, size);
        for (size_t i = 0; i < size; i++) {
            if (zeroed[i] != 0)
                CHECK(false);
        }
        kfree(p);
        kfree(zeroed);
    }
    kfree(NULL);
}

/* Objects of random sizes, each full of its own byte, do not disturb each other. */
static void test_random(void)
{
    static unsigned char *objects[OBJECTS];
    static size_t sizes[OBJECTS];
    size_t used = heap_used();

    for (unsigned step = 0; step < 60000; step++) {
        unsigned i = fake_random(OBJECTS);

        if (objects[i] == NULL) {
            sizes[i] = fake_random(8) == 0 ? fake_random(20000) : fake_random(600);
            objects[i] = kmalloc(sizes[i]);
            CHECK(objects[i] != NULL);
            memset(objects[i], (int)i & 0xff, sizes[i]);
            continue;
        }
        if (sizes[i] > 0)
            CHECK(objects[i][0] == (i & 0xff) &&
                  memcmp(objects[i], objects[i] + 1, sizes[i] - 1) == 0);
        kfree(objects[i]);
        objects[i] = NULL;
    }
    CHECK(heap_used() > used);
    for (unsigned i = 0; i < OBJECTS; i++)
        kfree(objects[i]);
    CHECK(heap_used() == used);
}

static void test_exhaustion(void)
{
    static void *objects[200000];
    size_t count = 0, used = heap_used(), before = page_free_count();

    CHECK(kmalloc((PAGE_SIZE << PAGE_ORDER_MAX) + 1) == NULL && kmalloc(SIZE_MAX) == NULL);
    while (count < array_length(objects) && (objects[count] = kmalloc(count % 3000)) != NULL)
        count++;
    CHECK(count < array_length(objects));
    while (count > 0)
        kfree(objects[--count]);
    CHECK(heap_used() == used);
    /* Each of the caches may keep one slab. */
    CHECK(page_free_count() + 13 * 8 >= before);
}

static void free_twice(void)
{
    void *p = kmalloc(40);

    kfree(p);
    kfree(p);
}

static void free_large_twice(void)
{
    void *p = kmalloc(10000);

    kfree(p);
    kfree(p);
}

static void overrun(void)
{
    char *p = kmalloc(41);

    p[41] = 0;
    kfree(p);
}

static void overrun_large(void)
{
    char *p = kmalloc(5000);

    p[5000] = 0;
    kfree(p);
}

/* Writing before an object damages the trailer of the slot before it. */
static void underrun(void)
{
    uint64_t *first = kmalloc(100), *second = kmalloc(100), *higher = max(first, second);

    higher[-1] = higher[-2] = higher[-3] = higher[-4] = 0;
    kfree(min(first, second));
}

static void write_after_free(void)
{
    char *p = kmalloc(200);

    kfree(p);
    p[8] = 1;
    kfree(kmalloc(200));
}

static void free_inside(void)
{
    kfree((char *)kmalloc(200) + 64);
}

static void free_foreign(void)
{
    kfree(page_data(page_alloc(0)));
}

int main(void)
{
    fake_start(memory, array_length(memory));
    CHECK(heap_used() == 0);
    test_alignment();
    test_random();
    test_exhaustion();
    CHECK(fake_panics(free_twice, "freed twice"));
    CHECK(fake_panics(free_large_twice, "freed already"));
    CHECK(fake_panics(overrun, "overrun"));
    CHECK(fake_panics(overrun_large, "overrun"));
    CHECK(fake_panics(underrun, "trailer"));
    CHECK(fake_panics(write_after_free, "written after it was freed"));
    CHECK(fake_panics(free_inside, "not the start"));
    CHECK(fake_panics(free_foreign, "not of the heap"));
    CHECK(heap_used() == 0);
    return fake_done();
}
