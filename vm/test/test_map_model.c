/* unit: vm/map.c vm/map_fork.c vm/region.c vm/fault.c vm/anon.c vm/object.c vm/copyio.c
    vm/pmap.c vm/page.c vm/heap.c vm/test/fake_machine.c kern/test/fake_trace.c
    kern/test/fake_fail.c */
/*
 * Address maps against a model: four processes map, unmap, protect, fork, read and write at random;
 * the model knows for each page what it may do and which bytes it shows. Then the same with so
 * little memory that every operation fails now and then.
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

#define BASE      0x3fff80000UL
#define WINDOW    300
#define PROCESSES 4
#define SHARES    1300
#define PROBES    2

static const size_t probes[PROBES] = {17, 4001}; /* the offsets in a page that are looked at */

/* What a page of a process should be. */
struct model_page {
    bool is_mapped;
    prot_t prot;
    uint8_t values[PROBES]; /* unless shared */
    int share, share_page;  /* which shared memory, which page of it; share -1: private */
    bool is_read_only;      /* shared view of the object */
};

static struct process {
    struct map *map;
    struct model_page pages[WINDOW];
} processes[PROCESSES];

static uint8_t shares[SHARES][WINDOW][PROBES];
static int next_share;
static struct object *object;
static bool is_scarce; /* -ENOMEM may happen */

static uint8_t object_byte(off_t offset)
{
    return (uint8_t)(offset / (off_t)PAGE_SIZE * 7 + offset % 13 + 1);
}

static int read_object(struct object *of, off_t offset, void *page)
{
    CHECK(of == object && is_aligned(offset, (off_t)PAGE_SIZE));
    for (size_t i = 0; i < PAGE_SIZE; i++)
        ((uint8_t *)page)[i] = object_byte(offset + (off_t)i);
    return 0;
}

static uint8_t *model_value(struct model_page *page, unsigned probe)
{
    return page->share < 0 ? &page->values[probe] : &shares[page->share][page->share_page][probe];
}

/* What map_fault() should say for an access to the page. */
static int expected_fault(const struct model_page *page, prot_t access)
{
    if (!page->is_mapped)
        return -EFAULT;
    return page->prot != 0 && ((page->prot | PROT_READ) & access) ? 0 : -EACCES;
}

/* Let the program of `process` access one byte; faults are handled as the kernel does. */
static void touch(struct process *process, unsigned index, prot_t access)
{
    unsigned probe = fake_random(PROBES);
    struct model_page *page = &process->pages[index];
    uaddr_t va = BASE + index * PAGE_SIZE + probes[probe];
    uint8_t *byte = fake_access(&process->map->pmap, va, access);

    if (byte == NULL) {
        int error = map_fault(process->map, va, access);

        if (is_scarce && error == -ENOMEM)
            return;
        CHECK(error == expected_fault(page, access));
        if (error != 0)
            return;
        byte = fake_access(&process->map->pmap, va, access);
    }
    CHECK(byte != NULL && expected_fault(page, access) == 0);
    CHECK(*byte == *model_value(page, probe));
    if (access == PROT_WRITE)
        *byte = *model_value(page, probe) = (uint8_t)fake_random(256);
}

/* The same through the kernel's copy functions, over two pages. */
static void copy(struct process *process, unsigned index)
{
    uint8_t bytes[PAGE_SIZE];
    uaddr_t va = BASE + index * PAGE_SIZE + probes[1];
    struct model_page *page = &process->pages[index], *next = page + 1;
    int first = expected_fault(page, PROT_READ), second = expected_fault(next, PROT_READ);
    int error = map_copyin(process->map, bytes, va, PAGE_SIZE);

    if (is_scarce && error == -ENOMEM)
        return;
    CHECK(error == (first == 0 && second == 0 ? 0 : -EFAULT));
    CHECK(first != 0 || bytes[0] == *model_value(page, 1));
    CHECK(error != 0 || bytes[PAGE_SIZE - probes[1] + probes[0]] == *model_value(next, 0));
    error = map_copyout(process->map, BASE + index * PAGE_SIZE + probes[0], &bytes[7], 1);
    if (is_scarce && error == -ENOMEM)
        return;
    CHECK(error == (expected_fault(page, PROT_WRITE) == 0 ? 0 : -EFAULT));
    if (error == 0)
        *model_value(page, 0) = bytes[7];
}

static void insert(struct process *process, unsigned first, unsigned end, prot_t prot)
{
    unsigned kind = fake_random(5);
    uaddr_t address = BASE + first * PAGE_SIZE;
    off_t offset = (off_t)(fake_random(40) * PAGE_SIZE);
    off_t object_end = offset + (off_t)fake_random((end - first) * (uint32_t)PAGE_SIZE + 1);
    struct map_request request = {
        .size = (end - first) * PAGE_SIZE - fake_random(PAGE_SIZE),
        .prot = prot,
        .fixed = true,
        .is_shared = kind == 3 || kind == 4,
        .object = kind == 2 || kind == 3 ? object : NULL,
        .offset = offset,
        .object_end = object_end,
    };
    int share = next_share;
    int error;

    if (kind == 3 && (prot & PROT_WRITE)) {
        CHECK(map_insert(process->map, &address, &request) == -EINVAL);
        return;
    }
    error = map_insert(process->map, &address, &request);
    if (is_scarce && error == -ENOMEM)
        return;
    CHECK(error == 0 && address == BASE + first * PAGE_SIZE);
    if (kind == 4) {
        next_share = (next_share + 1) % SHARES;
        memset(shares[share], 0, sizeof(shares[share]));
    }
    for (unsigned i = first; i < end; i++) {
        struct model_page *page = &process->pages[i];

        *page = (struct model_page){.is_mapped = true, .prot = prot, .share = -1};
        page->share = kind == 4 ? share : -1;
        page->share_page = (int)i;
        page->is_read_only = kind == 3;
        for (unsigned probe = 0; request.object != NULL && probe < PROBES; probe++) {
            off_t at = offset + (off_t)((i - first) * PAGE_SIZE + probes[probe]);

            page->values[probe] = at < object_end || kind == 3 ? object_byte(at) : 0;
        }
    }
}

static void unmap(struct process *process, unsigned first, unsigned end)
{
    int error = map_remove(process->map, BASE + first * PAGE_SIZE, (end - first) * PAGE_SIZE - 5);

    if (is_scarce && error == -ENOMEM)
        return;
    CHECK(error == 0);
    for (unsigned i = first; i < end; i++)
        process->pages[i].is_mapped = false;
}

static void protect(struct process *process, unsigned first, unsigned end, prot_t prot)
{
    int error, expected = 0;
    unsigned i;

    if (is_scarce)
        return; /* a failure may come after a part was done */
    error = map_protect(process->map, BASE + first * PAGE_SIZE, (end - first) * PAGE_SIZE, prot);
    for (i = first; i < end && expected == 0; i++) {
        struct model_page *page = &process->pages[i];

        if (!page->is_mapped)
            expected = -ENOMEM;
        else if (page->is_read_only && (prot & PROT_WRITE))
            expected = -EACCES;
        else
            page->prot = prot;
    }
    CHECK(error == expected);
}

static void fork_into(struct process *parent, struct process *child)
{
    int error;

    if (parent == child)
        return;
    map_release(child->map);
    error = map_fork(parent->map, &child->map);
    if (error == 0) {
        memcpy(child->pages, parent->pages, sizeof(child->pages));
        return;
    }
    CHECK(is_scarce && error == -ENOMEM);
    memset(child->pages, 0, sizeof(child->pages));
    while ((child->map = map_create()) == NULL)
        fake_return_pages();
}

/* The map's own account agrees with the model. */
static void check_size(const struct process *process)
{
    size_t size = 0;

    for (unsigned i = 0; i < WINDOW; i++)
        size += process->pages[i].is_mapped * PAGE_SIZE;
    CHECK(process->map->size == size);
}

/* Shared memory is reused by number: forget pages that still show an old one. */
static bool is_share_in_use(int share)
{
    for (unsigned p = 0; p < PROCESSES; p++) {
        for (unsigned i = 0; i < WINDOW; i++) {
            if (processes[p].pages[i].is_mapped && processes[p].pages[i].share == share)
                return true;
        }
    }
    return false;
}

static void step(void)
{
    static const prot_t prots[] = {PROT_NONE,
                                   PROT_READ,
                                   PROT_READ | PROT_WRITE,
                                   PROT_READ | PROT_WRITE,
                                   PROT_READ | PROT_EXEC,
                                   PROT_READ | PROT_WRITE | PROT_EXEC};
    struct process *process = &processes[fake_random(PROCESSES)];
    unsigned first = fake_random(WINDOW - 1);
    unsigned end = first + 1 + fake_random(min(WINDOW - first, 60u));
    prot_t prot = prots[fake_random(6)];

    switch (fake_random(24)) {
    case 0:
    case 1:
        while (is_share_in_use(next_share))
            next_share = (next_share + 1) % SHARES;
        insert(process, first, end, prot);
        break;
    case 2:
        unmap(process, first, end);
        break;
    case 3:
        protect(process, first, end, prot);
        break;
    case 4:
        fork_into(process, &processes[fake_random(PROCESSES)]);
        break;
    case 5:
        if (fake_random(10) == 0)
            object_drop_pages(object, fake_random(60));
        else if (fake_random(10) == 0)
            object_reclaim();
        break;
    case 6:
        check_size(process);
        break;
    default:
        copy(process, fake_random(WINDOW - 1));
        for (unsigned i = 0; i < 12; i++)
            touch(process, fake_random(WINDOW),
                  (prot_t[]){PROT_READ, PROT_WRITE, PROT_WRITE, PROT_EXEC}[fake_random(4)]);
    }
}

static void run(unsigned steps)
{
    size_t used = heap_used(), pages = page_free_count();

    for (unsigned p = 0; p < PROCESSES; p++) {
        processes[p].map = map_create();
        CHECK(processes[p].map != NULL);
    }
    memset(shares, 0, sizeof(shares));
    for (unsigned i = 0; i < steps; i++) {
        if (is_scarce && i % 50 == 0) {
            fake_return_pages();
            fake_hoard_pages(fake_random(400));
        }
        step();
    }
    fake_return_pages();
    for (unsigned p = 0; p < PROCESSES; p++) {
        map_release(processes[p].map);
        memset(processes[p].pages, 0, sizeof(processes[p].pages));
    }
    while (object_reclaim() > 0)
        continue;
    CHECK(object->cached == 0);
    kfree(object->pages); /* so that what it grew to is not in the account */
    object->pages = NULL;
    object->capacity = 0;
    CHECK(heap_used() == used);
    CHECK(page_free_count() + 13 * 8 >= pages);
}

int main(void)
{
    static const struct pager pager = {.read = read_object};

    fake_start(memory, array_length(memory));
    object = object_create(&pager, NULL);
    CHECK(object != NULL);
    run(20000);
    is_scarce = true;
    run(20000);
    object_release(object);
    CHECK(heap_used() == 0);
    return fake_done();
}
