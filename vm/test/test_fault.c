/* unit: vm/map.c vm/map_fork.c vm/region.c vm/fault.c vm/anon.c vm/object.c vm/copyio.c
    vm/pmap.c vm/page.c vm/heap.c vm/test/fake_machine.c kern/test/fake_trace.c
    kern/test/fake_fail.c */
/*
 * Page faults: how many pages and faults copy-on-write, the stack and files cost; reclaim; and the
 * limits of copyin and copyout.
 */
#include "kern/abi/errno.h"
#include "kern/abi/mman.h"
#include "vm/copyio.h"
#include "vm/heap.h"
#include "vm/map.h"
#include "vm/object.h"
#include "vm/page.h"
#include "vm/test/fake_machine.h"
#include <string.h>

static const struct memory_range memory[] = {{0x100000, 0x1100000}};

#define RW (PROT_READ | PROT_WRITE)
#define AT 0x10000000UL

static unsigned faults, reads;
static int read_result;

static uint8_t *access_byte(struct map *map, uaddr_t va, prot_t access)
{
    uint8_t *byte = fake_access(&map->pmap, va, access);

    if (byte == NULL) {
        faults++;
        CHECK(map_fault(map, va, access) == 0);
        byte = fake_access(&map->pmap, va, access);
    }
    CHECK(byte != NULL);
    return byte;
}

static void map_at(struct map *map, uaddr_t address, struct map_request request)
{
    request.fixed = true;
    CHECK(map_insert(map, &address, &request) == 0);
}

static bool changes_while_read;

static int read_object(struct object *object, off_t offset, void *page)
{
    reads++;
    memset(page, (int)(offset / (off_t)PAGE_SIZE) + 1, PAGE_SIZE);
    if (changes_while_read)
        object_drop_pages(object, 0);
    changes_while_read = false;
    return read_result;
}

static const struct pager pager = {.read = read_object};

static void test_copy_on_write(void)
{
    struct map *parent = map_create(), *child;
    uint8_t *original;
    size_t before;

    map_at(parent, AT, (struct map_request){.size = 4 * PAGE_SIZE, .prot = RW});
    original = access_byte(parent, AT, PROT_WRITE);
    *original = 1;
    *access_byte(parent, AT + PAGE_SIZE, PROT_WRITE) = 2;
    CHECK(map_fork(parent, &child) == 0);
    CHECK(access_byte(parent, AT, PROT_READ) == original);
    CHECK(access_byte(child, AT, PROT_READ) == original);
    before = page_free_count();
    *access_byte(child, AT, PROT_WRITE) = 3; /* copies */
    CHECK(page_free_count() == before - 1 && *access_byte(parent, AT, PROT_READ) == 1);
    *access_byte(parent, AT, PROT_WRITE) = 4; /* the last reference: does not */
    CHECK(page_free_count() == before - 1 && *original == 4);
    CHECK(*access_byte(child, AT, PROT_READ) == 3);
    CHECK(*access_byte(child, AT + PAGE_SIZE, PROT_READ) == 2);
    map_release(child);
    before = page_free_count();
    *access_byte(parent, AT + PAGE_SIZE, PROT_WRITE) = 5;
    CHECK(page_free_count() == before);
    map_release(parent);
}

static void test_neighbours(void)
{
    struct object *object = object_create(&pager, NULL);
    struct map *map = map_create(), *child;

    map_at(map, AT,
           (struct map_request){.size = 32 * PAGE_SIZE,
                                .prot = PROT_READ | PROT_EXEC,
                                .object = object,
                                .object_end = 40 * (off_t)PAGE_SIZE});
    faults = reads = 0;
    for (unsigned i = 0; i < 32; i++)
        CHECK(*access_byte(map, AT + i * PAGE_SIZE, PROT_EXEC) == i + 1);
    CHECK(faults == 32 && reads == 32); /* nothing was in memory */
    CHECK(map_fork(map, &child) == 0);
    faults = 0;
    for (unsigned i = 0; i < 32; i++)
        CHECK(*access_byte(child, AT + i * PAGE_SIZE, PROT_READ) == i + 1);
    CHECK(faults == 2 && reads == 32 && child->pmap.resident == 32);
    CHECK(map_fault(child, AT, PROT_WRITE) == -EACCES);
    map_release(map);
    map_release(child);
    CHECK(object->references == 1 && object->cached == 32);
    CHECK(object_reclaim() == 32 && object->cached == 0);
    object_release(object);
}

static void test_stack(void)
{
    struct map *map = map_create(), *child;
    struct map_request stack = {.size = 2 * PAGE_SIZE, .prot = RW, .grows_down = true};
    uaddr_t start = USER_MAX - 2 * PAGE_SIZE, limit = USER_MAX - MAP_STACK_MAX;

    map_at(map, start, stack);
    *access_byte(map, start, PROT_WRITE) = 1;
    *access_byte(map, start - 100 * PAGE_SIZE - 1, PROT_WRITE) = 2;
    CHECK(map->size == 103 * PAGE_SIZE && *access_byte(map, start, PROT_READ) == 1);
    CHECK(map_fault(map, limit - 1, PROT_WRITE) == -EFAULT);
    CHECK(map_fork(map, &child) == 0);
    *access_byte(child, limit, PROT_WRITE) = 3;
    CHECK(child->size == MAP_STACK_MAX && map->size == 103 * PAGE_SIZE);
    CHECK(*access_byte(child, start - 100 * PAGE_SIZE - 1, PROT_READ) == 2);
    map_release(child);
    /* It does not come near to other memory. */
    map_at(map, limit, (struct map_request){.size = PAGE_SIZE, .prot = RW});
    CHECK(map_fault(map, limit + MAP_STACK_GAP, PROT_WRITE) == -EFAULT);
    CHECK(map_fault(map, limit + PAGE_SIZE + MAP_STACK_GAP, PROT_WRITE) == 0);
    map_release(map);
}

/* The tail of a segment: bytes of the file, then zeros; private, and the file does not change. */
static void test_segment(void)
{
    struct object *object = object_create(&pager, NULL);
    struct map *map = map_create();

    map_at(map, AT,
           (struct map_request){.size = 4 * PAGE_SIZE,
                                .prot = RW,
                                .object = object,
                                .offset = (off_t)PAGE_SIZE,
                                .object_end = 2 * (off_t)PAGE_SIZE + 100});
    CHECK(*access_byte(map, AT + PAGE_SIZE + 99, PROT_READ) == 3);
    CHECK(*access_byte(map, AT + PAGE_SIZE + 100, PROT_READ) == 0);
    CHECK(*access_byte(map, AT + 2 * PAGE_SIZE, PROT_READ) == 0);
    *access_byte(map, AT, PROT_WRITE) = 77;
    CHECK(map_remove(map, AT + PAGE_SIZE, PAGE_SIZE) == 0);
    map_at(map, AT + PAGE_SIZE,
           (struct map_request){.size = PAGE_SIZE,
                                .prot = PROT_READ,
                                .object = object,
                                .object_end = (off_t)PAGE_SIZE * 9,
                                .offset = (off_t)PAGE_SIZE});
    CHECK(*access_byte(map, AT + PAGE_SIZE, PROT_READ) == 2 && *access_byte(map, AT, 1) == 77);
    object_drop_pages(object, 0);
    CHECK(*access_byte(map, AT + PAGE_SIZE, PROT_READ) == 2); /* still mapped */
    read_result = -EIO;
    CHECK(map_fault(map, AT + PAGE_SIZE, PROT_READ) == 0); /* spurious: nothing to do */
    CHECK(map_remove(map, AT, PAGE_SIZE) == 0);
    map_at(map, AT,
           (struct map_request){.size = PAGE_SIZE,
                                .prot = PROT_READ,
                                .object = object,
                                .object_end = (off_t)PAGE_SIZE});
    CHECK(map_fault(map, AT, PROT_READ) == -EIO);
    read_result = 0;
    map_release(map);
    object_release(object);
}

/* A file that is written while the pager reads it is read again. */
static void test_change(void)
{
    struct object *object = object_create(&pager, NULL);
    struct page *page;

    reads = 0;
    changes_while_read = true;
    CHECK(object_get_page(object, 3, &page) == 0 && reads == 2 && object->cached == 1);
    page_release(page);
    object_drop_pages(object, 4);
    CHECK(object->cached == 1);
    object_drop_pages(object, 3);
    CHECK(object->cached == 0);
    object_release(object);
}

/* A program takes all memory: the cache gives way, and some is left for the kernel. */
static void test_reclaim(void)
{
    struct object *object = object_create(&pager, NULL);
    struct map *map = map_create();
    size_t size = page_total_count() * PAGE_SIZE;
    uaddr_t va = AT;
    struct page *page;
    int error = 0;

    for (size_t i = 0; i < 1000; i++) {
        CHECK(object_get_page(object, i, &page) == 0);
        page_release(page);
    }
    CHECK(object->cached == 1000);
    map_at(map, AT, (struct map_request){.size = size, .prot = RW});
    for (; va < AT + size && error == 0; va += PAGE_SIZE)
        error = map_fault(map, va, PROT_WRITE);
    CHECK(error == -ENOMEM && object->cached == 0);
    CHECK(page_free_count() >= page_total_count() / 64 - 20);
    CHECK(map_copyout(map, va, "", 1) == -ENOMEM);
    map_release(map);
    object_release(object);
}

static void test_locked_words(void)
{
    struct map *map = map_create();
    struct page *page = NULL;
    uint32_t *word;
    int error = 0;

    map_at(map, AT, (struct map_request){.size = PAGE_SIZE, .prot = RW});
    map_at(map, AT + PAGE_SIZE,
           (struct map_request){.size = PAGE_SIZE, .prot = RW, .is_shared = true});
    map_at(map, AT + 2 * PAGE_SIZE, (struct map_request){.size = PAGE_SIZE, .prot = PROT_READ});
    word = map_lock_word(map, AT + 8, PROT_WRITE, &page, &error);
    CHECK(word != NULL && error == 0 && page == NULL && mutex_is_held(&map->lock));
    *word = 7;
    map_unlock_word(map);
    CHECK(*(uint32_t *)(void *)access_byte(map, AT + 8, PROT_READ) == 7);
    word = map_lock_word(map, AT + PAGE_SIZE + 12, PROT_READ, &page, &error);
    CHECK(word != NULL && page != NULL && (char *)word == (char *)page_data(page) + 12);
    map_unlock_word(map);
    CHECK(map_lock_word(map, AT + 2, PROT_READ, &page, &error) == NULL && error == -EINVAL);
    CHECK(map_lock_word(map, AT + 2 * PAGE_SIZE, PROT_WRITE, &page, &error) == NULL);
    CHECK(error == -EFAULT && !mutex_is_held(&map->lock));
    CHECK(map_lock_word(map, USER_MAX, PROT_READ, &page, &error) == NULL && error == -EFAULT);
    map_release(map);
}

static void test_copy_limits(void)
{
    struct map *map = map_create();
    char text[32] = "0123456789";

    map_at(map, AT, (struct map_request){.size = PAGE_SIZE, .prot = RW});
    map_at(map, USER_MAX - PAGE_SIZE, (struct map_request){.size = PAGE_SIZE, .prot = RW});
    CHECK(map_copyout(map, 0, text, 0) == 0 && map_copyin(map, text, ~0UL, 0) == 0);
    CHECK(map_copyout(map, 0, text, 1) == -EFAULT);
    CHECK(map_copyout(map, USER_MAX, text, 1) == -EFAULT);
    CHECK(map_copyout(map, USER_MAX - 1, text, 2) == -EFAULT);
    CHECK(map_copyin(map, text, USER_MAX - 1, SIZE_MAX) == -EFAULT);
    CHECK(map_copyin(map, text, DIRECT_MAP_BASE, 1) == -EFAULT);
    CHECK(map_copyout(map, AT + PAGE_SIZE - 4, text, 5) == -EFAULT);
    CHECK(map_copyout(map, AT + PAGE_SIZE - 4, text, 4) == 0);
    CHECK((pmap_lookup(&map->pmap, AT) & PTE_DIRTY) != 0);
    CHECK(map_copyin_string(map, text, AT + PAGE_SIZE - 4, 32) == -EFAULT);
    CHECK(map_copyin_string(map, text, AT + PAGE_SIZE - 4, 4) == -ENAMETOOLONG);
    CHECK(map_zero(map, AT + PAGE_SIZE - 1, 1) == 0);
    CHECK(map_copyin_string(map, text, AT + PAGE_SIZE - 4, 3) == -ENAMETOOLONG);
    CHECK(map_copyin_string(map, text, AT + PAGE_SIZE - 4, 4) == 3 && strcmp(text, "012") == 0);
    CHECK(map_copyout(map, USER_MAX - 3, "abc", 3) == 0);
    CHECK(map_copyin_string(map, text, USER_MAX - 3, 32) == -EFAULT);
    CHECK(map_copyin_string(map, text, USER_MAX - 3, 3) == -ENAMETOOLONG);
    CHECK(map_copyin_string(map, text, USER_MAX, 3) == -EFAULT);
    CHECK(map_copyin_string(map, text, AT, 0) == -ENAMETOOLONG);
    CHECK(map_protect(map, AT, PAGE_SIZE, PROT_READ) == 0);
    CHECK(map_copyout(map, AT, text, 1) == -EFAULT && map_copyin(map, text, AT, 1) == 0);
    CHECK(map_protect(map, AT, PAGE_SIZE, PROT_NONE) == 0);
    CHECK(map_copyin(map, text, AT, 1) == -EFAULT);
    map_release(map);
}

int main(void)
{
    fake_start(memory, array_length(memory));
    test_copy_on_write();
    test_neighbours();
    test_stack();
    test_segment();
    test_change();
    test_reclaim();
    test_locked_words();
    test_copy_limits();
    CHECK(heap_used() == 0);
    return fake_done();
}
