/* unit: vm/map.c vm/map_fork.c vm/region.c vm/fault.c vm/anon.c vm/object.c vm/pmap.c vm/page.c
    vm/heap.c vm/test/fake_machine.c kern/test/fake_trace.c kern/test/fake_fail.c */
/*
 * Address maps: Linux's answers to odd requests, choice of addresses, joining of regions, brk, and
 * that a failed operation leaves nothing behind.
 */
#include "kern/abi/errno.h"
#include "kern/abi/mman.h"
#include "vm/heap.h"
#include "vm/map.h"
#include "vm/object.h"
#include "vm/page.h"
#include "vm/test/fake_machine.h"

static const struct memory_range memory[] = {{0x100000, 0x900000}};

#define RW (PROT_READ | PROT_WRITE)
#define AT 0x10000000UL

static struct map *map;

static int map_at(uaddr_t address, size_t size, prot_t prot)
{
    struct map_request request = {.size = size, .prot = prot, .fixed = true};

    return map_insert(map, &address, &request);
}

static size_t region_count(void)
{
    size_t count = 0;

    list_for_each (&map->regions, region, struct region, link)
        count += region->start < region->end;
    return count;
}

static void write_byte(uaddr_t va, uint8_t value)
{
    uint8_t *byte = fake_access(&map->pmap, va, PROT_WRITE);

    if (byte == NULL) {
        CHECK(map_fault(map, va, PROT_WRITE) == 0);
        byte = fake_access(&map->pmap, va, PROT_WRITE);
    }
    CHECK(byte != NULL);
    *byte = value;
}

static int read_byte(uaddr_t va)
{
    uint8_t *byte = fake_access(&map->pmap, va, PROT_READ);
    int error;

    if (byte == NULL) {
        error = map_fault(map, va, PROT_READ);
        if (error != 0)
            return error;
        byte = fake_access(&map->pmap, va, PROT_READ);
    }
    CHECK(byte != NULL);
    return *byte;
}

static void begin(void)
{
    map = map_create();
    CHECK(map != NULL);
}

static void end(void)
{
    map_release(map);
    CHECK(heap_used() == 0);
}

static void test_errors(void)
{
    uaddr_t address = 0;
    struct map_request request = {.prot = RW};

    begin();
    CHECK(map_insert(map, &address, &request) == -EINVAL); /* size 0 */
    CHECK(map_at(AT + 1, PAGE_SIZE, RW) == -EINVAL);
    CHECK(map_at(0, PAGE_SIZE, RW) == -ENOMEM);
    CHECK(map_at(USER_MAX, PAGE_SIZE, RW) == -ENOMEM);
    CHECK(map_at(USER_MAX - PAGE_SIZE, 2 * PAGE_SIZE, RW) == -ENOMEM);
    CHECK(map_at(~(PAGE_SIZE - 1), PAGE_SIZE, RW) == -ENOMEM);
    CHECK(map_at(AT, SIZE_MAX, PROT_NONE) == -ENOMEM);
    CHECK(map_at(AT, 1UL << 30, RW) == -ENOMEM); /* more than there is */
    CHECK(map_at(AT, 1UL << 40, PROT_NONE) == 0);
    CHECK(map_remove(map, AT, 1UL << 40) == 0);
    CHECK(map_at(USER_MAX - PAGE_SIZE, 1, RW) == 0);
    CHECK(map_remove(map, AT, 0) == -EINVAL);
    CHECK(map_remove(map, AT + 1, PAGE_SIZE) == -EINVAL);
    CHECK(map_remove(map, AT, PAGE_SIZE) == 0); /* nothing there */
    CHECK(map_remove(map, USER_MAX, PAGE_SIZE) == -EINVAL);
    CHECK(map_remove(map, AT, SIZE_MAX) == -EINVAL);
    CHECK(map_protect(map, AT + 1, PAGE_SIZE, RW) == -EINVAL);
    CHECK(map_protect(map, AT, 0, RW) == 0);
    CHECK(map_protect(map, AT, PAGE_SIZE, RW) == -ENOMEM);
    CHECK(map_protect(map, AT, SIZE_MAX - PAGE_SIZE, RW) == -ENOMEM);
    request = (struct map_request){
        .size = 1, .prot = RW, .fixed = true, .no_replace = true, .grows_down = false};
    address = USER_MAX - PAGE_SIZE;
    CHECK(map_insert(map, &address, &request) == -EEXIST);
    end();
}

static void test_places(void)
{
    struct map_request request = {.size = 3 * PAGE_SIZE, .prot = PROT_READ};
    struct map_request stack = {.size = PAGE_SIZE, .prot = RW, .fixed = true, .grows_down = true};
    uaddr_t first = 0, second = 0, wish = AT, again = AT + 5, near_stack = MAP_MMAP_TOP;
    uaddr_t stack_at = MAP_MMAP_TOP - PAGE_SIZE;

    begin();
    CHECK(map_insert(map, &first, &request) == 0 && first == MAP_MMAP_TOP - 3 * PAGE_SIZE);
    request.prot = RW;
    CHECK(map_insert(map, &second, &request) == 0 && second == first - 3 * PAGE_SIZE);
    CHECK(map_insert(map, &wish, &request) == 0 && wish == AT);
    CHECK(map_insert(map, &again, &request) == 0 && again == second - 3 * PAGE_SIZE);
    CHECK(map_remove(map, second, 3 * PAGE_SIZE) == 0);
    second = 1; /* a wish below USER_MIN */
    CHECK(map_insert(map, &second, &request) == 0 && second == first - 3 * PAGE_SIZE);
    CHECK(map_remove(map, USER_MIN, USER_MAX - USER_MIN) == 0 && map->size == 0);
    /* Room is left for a stack to grow, also where the wish is free. */
    CHECK(map_insert(map, &stack_at, &stack) == 0);
    CHECK(map->stack_limit == MAP_MMAP_TOP - MAP_STACK_MAX);
    first = 0;
    CHECK(map_insert(map, &first, &request) == 0);
    CHECK(first == map->stack_limit - MAP_STACK_GAP - 3 * PAGE_SIZE);
    near_stack = stack_at - 4 * PAGE_SIZE;
    CHECK(map_insert(map, &near_stack, &request) == 0 && near_stack < first);
    end();
}

static void test_joining(void)
{
    begin();
    CHECK(map_at(AT, 4 * PAGE_SIZE, RW) == 0);
    CHECK(map_at(AT + 4 * PAGE_SIZE, 4 * PAGE_SIZE, RW) == 0 && region_count() == 1);
    write_byte(AT, 11);
    write_byte(AT + 5 * PAGE_SIZE, 22);
    CHECK(map_protect(map, AT + 2 * PAGE_SIZE, 2 * PAGE_SIZE, PROT_READ) == 0);
    CHECK(region_count() == 3);
    CHECK(map_protect(map, AT + 2 * PAGE_SIZE, 2 * PAGE_SIZE, RW) == 0 && region_count() == 1);
    CHECK(map_remove(map, AT + 3 * PAGE_SIZE, PAGE_SIZE) == 0 && region_count() == 2);
    CHECK(map_at(AT + 3 * PAGE_SIZE, PAGE_SIZE, RW) == 0 && region_count() == 1);
    CHECK(map_at(AT + 8 * PAGE_SIZE, PAGE_SIZE, RW) == 0 && region_count() == 1);
    write_byte(AT + 8 * PAGE_SIZE, 33);
    CHECK(read_byte(AT) == 11 && read_byte(AT + 5 * PAGE_SIZE) == 22);
    CHECK(read_byte(AT + 3 * PAGE_SIZE) == 0 && read_byte(AT + 8 * PAGE_SIZE) == 33);
    CHECK(map->size == 9 * PAGE_SIZE);
    /* mprotect up to a hole has its effect, as on Linux. */
    CHECK(map_remove(map, AT + 6 * PAGE_SIZE, PAGE_SIZE) == 0);
    CHECK(map_protect(map, AT, 9 * PAGE_SIZE, PROT_NONE) == -ENOMEM);
    CHECK(read_byte(AT) == -EACCES && read_byte(AT + 8 * PAGE_SIZE) == 33);
    CHECK(map_protect(map, AT, PAGE_SIZE, PROT_READ) == 0 && read_byte(AT) == 11);
    end();
}

static void test_heap(void)
{
    begin();
    map_set_heap(map, AT + 100);
    CHECK(map_set_break(map, 0) == AT + PAGE_SIZE);
    CHECK(map_set_break(map, AT + PAGE_SIZE + 1) == AT + PAGE_SIZE + 1 && region_count() == 1);
    write_byte(AT + 2 * PAGE_SIZE - 1, 1);
    CHECK(map_fault(map, AT + 2 * PAGE_SIZE, PROT_READ) == -EFAULT);
    CHECK(map_set_break(map, AT + 5 * PAGE_SIZE) == AT + 5 * PAGE_SIZE && region_count() == 1);
    write_byte(AT + 3 * PAGE_SIZE, 7);
    CHECK(map_set_break(map, AT) == AT + 5 * PAGE_SIZE);           /* below the start */
    CHECK(map_set_break(map, USER_MAX + 1) == AT + 5 * PAGE_SIZE); /* not an address */
    CHECK(map_set_break(map, AT + (1UL << 32)) == AT + 5 * PAGE_SIZE);
    CHECK(map_at(AT + 7 * PAGE_SIZE, PAGE_SIZE, PROT_READ) == 0);
    CHECK(map_set_break(map, AT + 8 * PAGE_SIZE) == AT + 5 * PAGE_SIZE); /* in the way */
    CHECK(map_set_break(map, AT + 2 * PAGE_SIZE) == AT + 2 * PAGE_SIZE);
    CHECK(map_set_break(map, AT + 5 * PAGE_SIZE) == AT + 5 * PAGE_SIZE);
    CHECK(read_byte(AT + 3 * PAGE_SIZE) == 0 && read_byte(AT + 2 * PAGE_SIZE - 1) == 1);
    end();
}

/* Every operation with 0, 1, 2, ... pages left: it fails cleanly or succeeds. */
static void test_no_memory(void)
{
    size_t all = page_free_count();
    struct map *child;

    for (size_t left = 0; left < 30; left++) {
        size_t used;

        begin();
        CHECK(map_at(AT, 64 * PAGE_SIZE, RW) == 0);
        write_byte(AT, 1);
        write_byte(AT + 63 * PAGE_SIZE, 2);
        used = heap_used();
        fake_hoard_pages(left);
        if (map_fork(map, &child) == 0)
            map_release(child);
        CHECK(heap_used() == used);
        if (map_at(AT + 10 * PAGE_SIZE, PAGE_SIZE, PROT_READ) != 0)
            CHECK(map->size == 64 * PAGE_SIZE && region_count() == 1);
        if (map_remove(map, AT + 20 * PAGE_SIZE, PAGE_SIZE) != 0)
            CHECK(map->size == 64 * PAGE_SIZE);
        CHECK(map_protect(map, AT + 30 * PAGE_SIZE, PAGE_SIZE, PROT_NONE) != -EINVAL);
        CHECK(map_fault(map, AT + 40 * PAGE_SIZE, PROT_WRITE) == -ENOMEM); /* the reserve */
        CHECK(read_byte(AT) == 1 && read_byte(AT + 63 * PAGE_SIZE) == 2);
        fake_return_pages();
        end();
    }
    CHECK(page_free_count() + 13 * 8 >= all);
}

int main(void)
{
    fake_start(memory, array_length(memory));
    test_errors();
    test_places();
    test_joining();
    test_heap();
    test_no_memory();
    return fake_done();
}
