/*
 * The leak check at power-off: exactly what was allocated since init was about to start, and is
 * not free again when nothing is left that could use it.
 *
 *      leak_mark()      remembers how many allocations there have been, of heap and pages
 *      ...              programs run; init has killed and waited for all others
 *      leak_prepare()   init's own files, directories, address space; ended threads, idle vnodes
 *      (file systems)   write everything back
 *      leak_report()    idle buffers; then each object of the heap, and each page that is not the
 *                       heap's, that was born after the mark is a leak, named by its allocator
 *
 * The word check-leaks asks for it. Only debug builds know when something was born, and by whom.
 * A process that init could not get rid of is a leak, too, and then nothing else is looked at.
 *
 * Locks: none. Nothing else runs any more but idle threads and the flusher.
 */
#include "kern/leak.h"

#include "kern/clock.h"
#include "kern/cmdline.h"
#include "kern/fs/buffer.h"
#include "kern/fs/mount.h"
#include "kern/machine.h"
#include "kern/print.h"
#include "kern/process.h"
#include "kern/string.h"
#include "kern/symbols.h"
#include "kern/thread.h"
#include "vm/heap.h"
#include "vm/object.h"
#include "vm/page.h"

#ifdef DEBUG

#define ALLOCATORS_MAX  32
#define THREAD_PATIENCE 1000 /* milliseconds until the last threads are gone */

static uint64_t heap_mark, page_mark;
static uint32_t thread_mark;
static bool is_prepared;

/* What each function has left behind; the last one counts for all further ones. */
static struct {
    const char *allocator;
    unsigned count;
    size_t bytes;
} leaks[ALLOCATORS_MAX];

static void tell(const char *format_string, ...) printf_like(1, 2);
static void tell(const char *format_string, ...)
{
    char line[160];
    va_list arguments;

    va_start(arguments, format_string);
    format_v(line, sizeof(line), format_string, arguments);
    va_end(arguments);
    machine_results_write(line, strlen(line));
}

void leak_mark(void)
{
    heap_mark = heap_births();
    page_mark = page_births();
    thread_mark = thread_last_number();
}

/* --- Before ---------------------------------------------------------------------------------- */

/* Whether only init is left; what else there is is told. */
static bool is_init_alone(void)
{
    bool is_alone = process_self()->pid == 1;

    if (!is_alone)
        tell("leaks: not checked: process %d powers off, not init\n", process_self()->pid);
    spin_lock(&process_tree_lock);
    list_for_each (&process_list, process, struct process, all_link) {
        if (process == process_self() || !is_alone)
            continue;
        tell("leak: process %d (%s) has not ended\n", process->pid, process->name);
        is_alone = false;
    }
    spin_unlock(&process_tree_lock);
    return is_alone;
}

void leak_prepare(void)
{
    if (cmdline_find("check-leaks") == NULL || !is_init_alone())
        return;
    process_dismantle_init();
    for (unsigned i = 0; i < THREAD_PATIENCE && thread_count_after(thread_mark) > 0; i++)
        (void)!clock_sleep_until(clock_monotonic() + NSEC_PER_MSEC);
    thread_free_ended();
    mount_evict_all();
    is_prepared = true;
}

/* --- After ----------------------------------------------------------------------------------- */

static void note(vaddr_t allocated_by, size_t size)
{
    size_t offset;
    const char *name = symbol_find(allocated_by - 1, &offset);
    unsigned i = 0;

    while (i < ALLOCATORS_MAX - 1 && leaks[i].count > 0 && leaks[i].allocator != name)
        i++;
    leaks[i].allocator = name;
    leaks[i].count++;
    leaks[i].bytes += size;
}

static void look_at_object(const struct heap_object *object)
{
    if (object->born > heap_mark && (void *)object->start != thread_self())
        note(object->allocated_by, object->size);
}

static void look_at_page(struct page *page)
{
    if (page->flags & (PAGE_SLAB | PAGE_LARGE))
        heap_visit(page, look_at_object);
    else if (page->born > page_mark)
        note(page->allocated_by, PAGE_SIZE << page->order);
}

void leak_report(void)
{
    if (!is_prepared)
        return;
    buffer_reclaim(SIZE_MAX);
    page_visit(look_at_page);
    for (unsigned i = 0; i < ALLOCATORS_MAX && leaks[i].count > 0; i++)
        tell("leak: %u allocations, %zu bytes, by %s\n", leaks[i].count, leaks[i].bytes,
             leaks[i].allocator != NULL ? leaks[i].allocator : "?");
    if (leaks[0].count == 0)
        tell("leaks: none\n");
}

#else

void leak_mark(void)
{
}

void leak_prepare(void)
{
    if (cmdline_find("check-leaks") != NULL)
        kprintf("check-leaks: only a debug build knows\n");
}

void leak_report(void)
{
}

#endif
