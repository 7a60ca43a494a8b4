/* unit: arch/vkernel/vmspace/*.c arch/vkernel/vmspace/*.S arch/vkernel/vmspace/test/harness.c arch/vkernel/vmspace/test/guest.S */
/*
 * When the host gives no more: mappings for a stub, memory for the library's tables, descriptors
 * and processes for one more vmspace. Programs go on as far as they can; errors are returned.
 */
#include "arch/vkernel/vmspace/test/harness.h"

#include <errno.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

GUEST(load)
GUEST(fs)

#define BASE   0x20000000UL
#define VALUES 8

static struct space space;
static struct trapframe frame;
static uint64_t pages[VALUES]; /* physical; page i holds i + 1 */

/* Every other page, so that the host cannot merge two mappings. */
static uint64_t place(uint64_t i)
{
    return BASE + i * 2 * PAGE_SIZE;
}

static void map_places(uint64_t count)
{
    for (uint64_t i = 0; i < count; i++)
        space_map(&space, place(i), pages[i % VALUES], PROT_READ);
}

static void load_places(uint64_t count)
{
    frame_start(&frame, ENTRY(load));
    for (uint64_t i = 0; i < count; i++) {
        frame.rdi = place(i);
        CHECK(space_run(&space, &frame) == VMSPACE_SYSCALL && frame.rax == i % VALUES + 1);
    }
}

/* How large the host lets each stub's address space be. */
static void limit_stubs(rlim_t size)
{
    limit_processes("duet-guest", RLIMIT_AS, size);
}

static void test_size_of_a_stub(void)
{
    limit_stubs(4 << 20);
    for (int round = 0; round < 3; round++)
        load_places(5000);
}

/* Orders that fail include the loading of the FS base: it must not be forgotten. */
static void test_bases_after_a_failure(void)
{
    uint64_t constant = GUEST_DATA, fresh = 0x10000000000;

    space_map(&space, constant, pages[4], PROT_READ);
    frame_start(&frame, ENTRY(fs));
    for (uint64_t i = 0; i < 2500; i++) {
        frame_set_tls(&frame, fresh + i * 2 * PAGE_SIZE);
        CHECK(space_run(&space, &frame) == VMSPACE_PAGEFAULT);
        space_map(&space, fresh + i * 2 * PAGE_SIZE, pages[0], PROT_READ);
        frame_set_tls(&frame, constant);
        CHECK(space_run(&space, &frame) == VMSPACE_SYSCALL && frame.rax == 5);
    }
    limit_stubs(RLIM_INFINITY);
}

/* No room for the few pages of one instruction: the program is lost, and only it. */
static void test_no_room_at_all(void)
{
    static struct space victim;

    space_create(&victim);
    limit_stubs(4096);
    frame_start(&frame, ENTRY(load));
    CHECK(space_run(&victim, &frame) == VMSPACE_LOST);
    space_destroy(&victim);
    limit_stubs(RLIM_INFINITY);
    load_places(10);
}

static void test_number_of_mappings(void)
{
    FILE *file = fopen("/proc/sys/vm/max_map_count", "r");
    uint64_t limit = 0;

    CHECK(file != NULL && fscanf(file, "%lu", &limit) == 1);
    fclose(file);
    if (limit > 200000) {
        printf("not tested: this host allows %lu mappings\n", limit);
        return;
    }
    map_places(limit + 1000);
    load_places(limit + 1000);
    load_places(1000);
}

static void test_memory_for_tables(void)
{
    struct rlimit before, none;
    uint64_t far = 0x20000000000;

    for (uint64_t i = 0; i < 400; i++)
        space_map(&space, far + (i << 21), pages[i % VALUES], PROT_READ);
    CHECK(getrlimit(RLIMIT_AS, &before) == 0);
    none = (struct rlimit){4096, before.rlim_max};
    CHECK(setrlimit(RLIMIT_AS, &none) == 0);
    frame_start(&frame, ENTRY(load));
    for (int round = 0; round < 3; round++)
        for (uint64_t i = 0; i < 400; i++) {
            frame.rdi = far + (i << 21);
            CHECK(space_run(&space, &frame) == VMSPACE_SYSCALL && frame.rax == i % VALUES + 1);
        }
    CHECK(setrlimit(RLIMIT_AS, &before) == 0);
}

/* Create vmspaces until the host says no; destroy them; and create as many again. */
static void test_no_more(int resource)
{
    static char names[100];
    struct rlimit before, none;
    int error = 0, count = 0;

    CHECK(getrlimit(resource, &before) == 0);
    none = (struct rlimit){0, before.rlim_max};
    CHECK(setrlimit(resource, &none) == 0);
    while (count < 100 && (error = vmspace_create(&names[count], 0, NULL)) == 0)
        count++;
    CHECK(error == -EAGAIN);
    CHECK(setrlimit(resource, &before) == 0);
    CHECK(vmspace_create(&names[count++], 0, NULL) == 0);
    while (count > 0)
        CHECK(vmspace_destroy(&names[--count]) == 0);
    load_places(10);
}

int main(void)
{
    alarm(250);
    harness_start((unsigned)sysconf(_SC_NPROCESSORS_ONLN));
    space_create(&space);
    for (uint64_t i = 0; i < VALUES; i++) {
        pages[i] = page_new();
        *(uint64_t *)(memory + pages[i]) = i + 1;
    }
    map_places(5000);
    test_size_of_a_stub();
    test_bases_after_a_failure();
    test_no_room_at_all();
    test_number_of_mappings();
    test_memory_for_tables();
    test_no_more(RLIMIT_NOFILE);
    test_no_more(RLIMIT_AS);
    space_destroy(&space);
    harness_end();
}
