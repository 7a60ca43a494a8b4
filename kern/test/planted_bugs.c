/*
 * Bugs on purpose, for grader/tests/test_sanitizers.py. They are no part of any other kernel:
 *
 *      make EXTRA_SOURCES=kern/test/planted_bugs.c EXTRA_LDFLAGS=-Wl,--wrap=fs_mount_root
 *
 * makes a kernel in which the word bug=NAME runs one of them right before the root file system
 * is mounted. Everything is volatile, so that the compiler sees nothing of what is wrong.
 */
#include "kern/cmdline.h"
#include "kern/print.h"
#include "kern/string.h"
#include "vm/heap.h"
#include "vm/page.h"

int __real_fs_mount_root(const char *disk, bool read_only);
int __wrap_fs_mount_root(const char *disk, bool read_only);

static volatile int zero;
static volatile char sink;

static __attribute__((noinline)) void use_after_free(void)
{
    volatile char *object = kmalloc(40);

    kfree((void *)object);
    sink = object[8];
}

static __attribute__((noinline)) void heap_overflow(void)
{
    volatile char *object = kmalloc(21);

    object[21 + zero] = 1;
    kfree((void *)object);
}

static __attribute__((noinline)) void heap_overflow_in_library(void)
{
    volatile char *object = kmalloc(100);

    memset((void *)object, 0, 101 + (size_t)zero);
    kfree((void *)object);
}

static __attribute__((noinline)) void page_after_release(void)
{
    struct page *page = page_alloc(0);
    volatile char *data = page_data(page);

    page_release(page);
    sink = data[100];
}

static __attribute__((noinline)) void buffer_overflow(void)
{
    volatile char buffer[16] = {0};

    buffer[16 + zero] = 1;
    sink = buffer[zero];
}

static __attribute__((noinline)) int stack_overflow(int depth)
{
    volatile char frame[512];

    frame[zero] = (char)depth;
    if (zero == 0)
        depth += stack_overflow(depth + 1);
    return depth + frame[zero];
}

static void deep_recursion(void)
{
    sink = (char)stack_overflow(0);
}

static __attribute__((noinline)) void undefined_shift(void)
{
    sink = (char)(1 << (zero + 33));
}

static __attribute__((noinline)) void misaligned_access(void)
{
    static uint64_t words[2];
    const volatile uint32_t *word = (const void *)((char *)words + 2 + zero);

    sink = (char)*word;
}

static __attribute__((noinline)) void null_pointer(void)
{
    const volatile char *nothing = (const volatile char *)(uintptr_t)zero;

    sink = *nothing;
}

static const struct {
    const char *name;
    void (*run)(void);
} bugs[] = {
    {"use_after_free", use_after_free},
    {"heap_overflow", heap_overflow},
    {"heap_overflow_in_library", heap_overflow_in_library},
    {"page_after_release", page_after_release},
    {"buffer_overflow", buffer_overflow},
    {"stack_overflow", deep_recursion},
    {"undefined_shift", undefined_shift},
    {"misaligned_access", misaligned_access},
    {"null_pointer", null_pointer},
};

int __wrap_fs_mount_root(const char *disk, bool read_only)
{
    char wanted[32];

    if (cmdline_get("bug", wanted, sizeof(wanted))) {
        for (size_t i = 0; i < array_length(bugs); i++) {
            if (strcmp(bugs[i].name, wanted) == 0)
                bugs[i].run();
        }
        kprintf("bug=%s was not noticed\n", wanted);
    }
    return __real_fs_mount_root(disk, read_only);
}
