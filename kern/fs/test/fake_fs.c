/*
 * See fake_fs.h. The fakes of the kernel's parts.
 */
#include "kern/fs/test/fake_fs.h"

#include "kern/abi/errno.h"
#include "kern/abi/fcntl.h"
#include "kern/clock.h"
#include "kern/dev/device.h"
#include "kern/file.h"
#include "kern/fs/context.h"
#include "kern/fs/mount.h"
#include "kern/mutex.h"
#include "kern/pipe.h"
#include "kern/print.h"
#include "kern/thread.h"
#include "vm/heap.h"
#include "vm/object.h"
#include "vm/page.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

static struct fs_context context;
struct process fake_process = {.pid = 1, .fs = &context};
bool fake_verbose;
unsigned fake_messages;
int fake_failing_allocations = -1, fake_failing_transfers = -1;
size_t fake_allocated, fake_free_pages = 4096;
struct block_device fake_disk = {.name = "disk0"};
uint64_t fake_seed = 1;
static void *disk_data;

/* --- Processes, messages, time ---------------------------------------------------------------- */

struct process *process_self(void)
{
    return fake_process.fs->root != NULL ? &fake_process : NULL;
}

void kprintf(const char *fmt, ...)
{
    va_list arguments;

    fake_messages++;
    if (!fake_verbose)
        return;
    va_start(arguments, fmt);
    vprintf(fmt, arguments);
    va_end(arguments);
}

nsec_t clock_realtime(void)
{
    static nsec_t now = 1700000000 * NSEC_PER_SEC;

    return now += 1234567;
}

nsec_t clock_monotonic(void)
{
    return clock_realtime();
}

void thread_start_kernel(const char *name, void (*start)(void *), void *argument)
{
    (void)name;
    (void)start;
    (void)argument;
}

uint32_t fake_random(uint32_t limit)
{
    fake_seed = fake_seed * 6364136223846793005ul + 1442695040888963407ul;
    return (uint32_t)(fake_seed >> 33) % limit;
}

/* --- Locks: there is one thread, so they only check ------------------------------------------- */

static enum lock_rank held[64];
static unsigned held_count;

static void rank_take(const char *name, enum lock_rank rank, bool nested)
{
    for (unsigned i = 0; i < held_count; i++)
        if (held[i] > rank || (held[i] == rank && !nested))
            panic("%s is taken in the wrong order", name);
    if (held_count == 64)
        panic("too many locks");
    held[held_count++] = rank;
}

static void rank_give(enum lock_rank rank)
{
    for (unsigned i = held_count; i-- > 0;)
        if (held[i] == rank) {
            memmove(&held[i], &held[i + 1], (--held_count - i) * sizeof held[0]);
            return;
        }
    panic("a lock is released that is not held");
}

void spin_init(struct spinlock *lock, const char *name, enum lock_rank rank)
{
    *lock = (struct spinlock)SPINLOCK_INITIALIZER(name, rank);
}

void spin_lock(struct spinlock *lock)
{
    rank_take(lock->name, lock->rank, false);
}

void spin_unlock(struct spinlock *lock)
{
    rank_give(lock->rank);
}

static struct thread *const self = (struct thread *)&fake_process;

void mutex_init(struct mutex *mutex, const char *name, enum lock_rank rank)
{
    *mutex = (struct mutex){.name = name, .rank = rank};
}

static void take(struct mutex *mutex, bool nested)
{
    if (mutex->holder != NULL)
        panic("%s is locked already", mutex->name);
    rank_take(mutex->name, mutex->rank, nested);
    mutex->holder = self;
}

void mutex_lock(struct mutex *mutex)
{
    take(mutex, false);
}

void mutex_lock_nested(struct mutex *mutex)
{
    take(mutex, true);
}

bool mutex_trylock(struct mutex *mutex)
{
    if (mutex->holder != NULL)
        return false;
    take(mutex, true);
    return true;
}

void mutex_unlock(struct mutex *mutex)
{
    if (mutex->holder == NULL)
        panic("%s is not locked", mutex->name);
    mutex->holder = NULL;
    rank_give(mutex->rank);
}

bool mutex_is_held(struct mutex *mutex)
{
    return mutex->holder != NULL;
}

void wait_queue_init(struct wait_queue *queue)
{
    (void)queue;
}

void wait_sleep(struct wait_queue *queue, struct spinlock *lock)
{
    (void)queue;
    panic("sleeps for ever under %s", lock->name);
}

int wait_sleep_until(struct wait_queue *queue, struct spinlock *lock, nsec_t deadline,
                     bool interruptible)
{
    (void)deadline;
    (void)interruptible;
    wait_sleep(queue, lock);
    return 0;
}

void wait_wake_all(struct wait_queue *queue)
{
    (void)queue;
}

/* --- Memory ----------------------------------------------------------------------------------- */

static bool allocation_fails(void)
{
    if (fake_failing_allocations < 0)
        return false;
    if (fake_failing_allocations == 0)
        return true;
    fake_failing_allocations--;
    return false;
}

void *kmalloc(size_t size)
{
    if (allocation_fails())
        return NULL;
    fake_allocated++;
    return memset(malloc(size), 0x5a, size);
}

void *kzalloc(size_t size)
{
    void *p = kmalloc(size);

    return p != NULL ? memset(p, 0, size) : NULL;
}

void kfree(void *p)
{
    fake_allocated -= p != NULL;
    free(p);
}

struct fake_page {
    struct page page;
    void *data;
    struct fake_page *next;
};
static struct fake_page *pages;

struct page *page_alloc(unsigned order)
{
    struct fake_page *page;

    if (allocation_fails())
        return NULL;
    page = calloc(1, sizeof *page);
    page->data = aligned_alloc(PAGE_SIZE, PAGE_SIZE << order);
    page->next = pages;
    pages = page;
    fake_allocated++;
    return &page->page;
}

paddr_t page_address(const struct page *page)
{
    return direct_map_address(((const struct fake_page *)page)->data);
}

struct page *page_from_address(paddr_t pa)
{
    struct fake_page *page = pages;

    while (page->data != direct_map(pa))
        page = page->next;
    return &page->page;
}

void page_release(struct page *page)
{
    struct fake_page **link = &pages, *found;

    while (&(*link)->page != page)
        link = &(*link)->next;
    found = *link;
    *link = found->next;
    free(found->data);
    free(found);
    fake_allocated--;
}

size_t page_total_count(void)
{
    return 4096;
}

size_t page_free_count(void)
{
    return fake_free_pages;
}

struct object *object_create(const struct pager *pager, void *pager_data)
{
    struct object *object = kzalloc(sizeof *object);

    if (object != NULL) {
        object->references = 1;
        object->pager = pager;
        object->pager_data = pager_data;
    }
    return object;
}

void object_reference(struct object *object)
{
    object->references++;
}

void object_release(struct object *object)
{
    if (--object->references == 0)
        kfree(object);
}

void object_drop_pages(struct object *object, size_t index)
{
    object->cached = index;
}

/* --- The disk --------------------------------------------------------------------------------- */

static int transfer(uint64_t sector, uint32_t count, void *data, bool is_write)
{
    char *place = (char *)disk_data + sector * SECTOR_SIZE;

    if (sector + count > fake_disk.sectors || fake_failing_transfers == 0)
        return -EIO;
    fake_failing_transfers -= fake_failing_transfers > 0;
    if (is_write)
        memcpy(place, data, (size_t)count * SECTOR_SIZE);
    else
        memcpy(data, place, (size_t)count * SECTOR_SIZE);
    return 0;
}

void block_submit(struct block_device *device, struct block_request *request)
{
    (void)device;
    request->error = transfer(request->sector, request->count, request->data, request->is_write);
    request->done(request);
}

int block_transfer(struct block_device *device, uint64_t sector, uint32_t count, void *data,
                   bool is_write)
{
    (void)device;
    return transfer(sector, count, data, is_write);
}

int block_flush(struct block_device *device)
{
    (void)device;
    return 0;
}

void fake_disk_open(const char *path)
{
    fake_disk.sectors = host_map(path, &disk_data) / SECTOR_SIZE;
}

void fake_disk_close(void)
{
    munmap(disk_data, fake_disk.sectors * SECTOR_SIZE);
}

void *fake_disk_data(void)
{
    return disk_data;
}

/* --- What else kern/fs refers to -------------------------------------------------------------- */

int file_create(const struct file_ops *ops, uint32_t flags, struct vnode *vnode, void *data,
                struct file **file)
{
    struct file *new = kzalloc(sizeof *new);

    if (new == NULL)
        return -ENOMEM;
    new->ops = ops;
    new->flags = flags;
    new->vnode = vnode;
    new->data = data;
    new->references = 1;
    *file = new;
    return 0;
}

void file_release(struct file *file)
{
    file->ops->release(file);
    vnode_release(file->vnode);
    kfree(file);
}

bool file_is_writable(const struct file *file)
{
    return (file->flags & O_ACCMODE) == O_WRONLY || (file->flags & O_ACCMODE) == O_RDWR;
}

struct file *file_get(int descriptor)
{
    (void)descriptor;
    return NULL;
}

int pipe_open_fifo(struct vnode *vnode, struct file *file)
{
    (void)vnode;
    (void)file;
    return -ENXIO;
}

int device_open(mode_t type, dev_t number, struct file *file)
{
    (void)type;
    (void)number;
    (void)file;
    return -ENXIO;
}
