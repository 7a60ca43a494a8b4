/*
 * The buffer cache.
 *
 * Everything that a disk file system reads and writes goes through here, so that a block that
 * is used again costs no transfer, and a block that is changed often is written once in a while.
 * A buffer is found by (device, number) in a hash table. It is
 *
 *      in use     references > 0: by a thread that locked or waits for it, by a transfer
 *      dirty      on dirty_list, oldest change first, in use or not
 *      idle       neither: on idle_list, longest unused first, free to go
 *
 * Who works with the data holds buffer->lock. A transfer does not hold it (no thread could: it
 * ends in an interrupt handler) but sets is_in_transfer, which buffer_get() waits out once it has
 * the lock: so the data never changes under the driver, and several transfers run at a time.
 *
 * Dirty buffers are written by the flusher thread FLUSH_DELAY after the first became dirty, by
 * buffer_sync(), and by writers themselves when they are faster than the disk
 * (buffer_throttle()). A write that failed is tried again, since the file system relies on it;
 * after WRITE_TRIES the change is given up, lest a broken disk fill the memory. While nothing is
 * dirty the flusher sleeps without a deadline.
 *
 * The cache grows to a quarter of the memory, less when memory is scarce; then it takes
 * the idle buffer that was unused for longest.
 *
 * Locks: buffer->lock (LOCK_BUFFER) before cache_lock. Interrupt handlers take cache_lock.
 */
#include "kern/fs/buffer.h"

#include "kern/abi/errno.h"
#include "kern/clock.h"
#include "kern/print.h"
#include "kern/string.h"
#include "kern/thread.h"
#include "vm/heap.h"
#include "vm/page.h"

#define FLUSH_DELAY    (1 * NSEC_PER_SEC)
#define WRITES_MAX     64 /* transfers in progress */
#define WRITE_TRIES    3
#define BYTES_A_BUCKET 8192

static struct spinlock cache_lock = SPINLOCK_INITIALIZER("buffer cache", LOCK_BUFFER_CACHE);
static struct list *buckets;                                  /* (c) */
static size_t bucket_count;                                   /* (i) */
static struct list idle_list = LIST_INITIALIZER(idle_list);   /* (c) */
static struct list dirty_list = LIST_INITIALIZER(dirty_list); /* (c) */
static size_t bytes, bytes_max;                               /* (c), (i) in all buffers */
static size_t dirty_count, dirty_bytes;                       /* (c) */
static unsigned writes_in_progress;                           /* (c) */
static uint64_t write_failures;                               /* (c) since boot */
static uint64_t write_errors;                                 /* (c) those that were given up */
static struct wait_queue writes_done = WAIT_QUEUE_INITIALIZER(writes_done);
static struct wait_queue flusher_queue = WAIT_QUEUE_INITIALIZER(flusher_queue);

/* --- Finding ---------------------------------------------------------------------------------- */

static struct list *bucket_of(const struct block_device *device, block_t number)
{
    return &buckets[(number + ((vaddr_t)device >> 6)) % bucket_count];
}

/* cache_lock is held. */
static struct buffer *cache_find(const struct block_device *device, block_t number)
{
    list_for_each (bucket_of(device, number), buffer, struct buffer, hash_link)
        if (buffer->number == number && buffer->device == device)
            return buffer;
    return NULL;
}

static void buffer_free(struct buffer *buffer)
{
    if (buffer->size == PAGE_SIZE)
        page_release(page_from_address(direct_map_address(buffer->data)));
    else
        kfree(buffer->data);
    kfree(buffer);
}

static struct buffer *buffer_allocate(struct block_device *device, block_t number, uint32_t size)
{
    struct buffer *buffer = kzalloc(sizeof *buffer);
    struct page *page;

    if (buffer == NULL)
        return NULL;
    if (size == PAGE_SIZE) {
        page = page_alloc(0);
        buffer->data = page != NULL ? page_data(page) : NULL;
    } else {
        buffer->data = kmalloc(size);
    }
    if (buffer->data == NULL) {
        kfree(buffer);
        return NULL;
    }
    mutex_init(&buffer->lock, "buffer", LOCK_BUFFER);
    wait_queue_init(&buffer->transfer_done);
    list_node_init(&buffer->hash_link);
    list_node_init(&buffer->list_link);
    buffer->device = device;
    buffer->number = number;
    buffer->size = size;
    return buffer;
}

/* Take the longest unused idle buffer out of the cache; NULL: there is none. */
static struct buffer *take_idle(void)
{
    struct buffer *buffer;

    spin_lock(&cache_lock);
    buffer = list_pop(&idle_list, struct buffer, list_link);
    if (buffer != NULL) {
        list_remove(&buffer->hash_link);
        __atomic_store_n(&bytes, bytes - buffer->size, __ATOMIC_RELAXED);
    }
    spin_unlock(&cache_lock);
    return buffer;
}

void buffer_reclaim(size_t count)
{
    struct buffer *buffer;

    while (count-- > 0 && (buffer = take_idle()) != NULL)
        buffer_free(buffer);
}

/* Write all that is dirty now, at most WRITES_MAX at a time; wait for the end. */
static void write_dirty(void);

/* A new buffer, not in the table yet, within the cache's share of the memory. */
static struct buffer *buffer_make(struct block_device *device, block_t number, uint32_t size)
{
    struct buffer *buffer;

    if (__atomic_load_n(&bytes, __ATOMIC_RELAXED) + size > bytes_max ||
        page_free_count() < page_total_count() / 16)
        buffer_reclaim(2);
    buffer = buffer_allocate(device, number, size);
    if (buffer == NULL) {
        buffer_reclaim(16);
        buffer = buffer_allocate(device, number, size);
    }
    return buffer;
}

/* Find or make the buffer and take a reference. */
static struct buffer *buffer_reference(struct block_device *device, block_t number, uint32_t size)
{
    struct buffer *buffer, *fresh = NULL;

    spin_lock(&cache_lock);
    buffer = cache_find(device, number);
    if (buffer == NULL) {
        spin_unlock(&cache_lock);
        fresh = buffer_make(device, number, size);
        if (fresh == NULL)
            return NULL;
        spin_lock(&cache_lock);
        buffer = cache_find(device, number);
        if (buffer == NULL) {
            list_push_front(bucket_of(device, number), &fresh->hash_link);
            __atomic_store_n(&bytes, bytes + size, __ATOMIC_RELAXED);
            buffer = fresh;
            fresh = NULL;
        }
    }
    if (buffer->references++ == 0 && !buffer->is_dirty)
        list_remove(&buffer->list_link);
    spin_unlock(&cache_lock);
    assert(buffer->size == size);
    if (fresh != NULL)
        buffer_free(fresh);
    return buffer;
}

/* Drop a reference; cache_lock is held. */
static void dereference_locked(struct buffer *buffer)
{
    assert(buffer->references > 0);
    if (--buffer->references > 0 || buffer->is_dirty)
        return;
    if (buffer->is_valid)
        list_push_back(&idle_list, &buffer->list_link);
    else
        list_push_front(&idle_list, &buffer->list_link);
}

static void buffer_dereference(struct buffer *buffer)
{
    spin_lock(&cache_lock);
    dereference_locked(buffer);
    spin_unlock(&cache_lock);
}

/* --- Transfers -------------------------------------------------------------------------------- */

/* cache_lock is held. */
static void mark_dirty_locked(struct buffer *buffer)
{
    if (buffer->is_dirty)
        return;
    buffer->is_dirty = true;
    list_push_back(&dirty_list, &buffer->list_link);
    __atomic_store_n(&dirty_bytes, dirty_bytes + buffer->size, __ATOMIC_RELAXED);
    if (dirty_count++ == 0 || dirty_bytes > bytes_max / 4)
        wait_wake_all(&flusher_queue);
}

/* cache_lock is held. */
static void write_done(struct buffer *buffer, int error)
{
    writes_in_progress--;
    wait_wake_all(&writes_done);
    if (error == 0) {
        buffer->failed_writes = 0;
        return;
    }
    __atomic_store_n(&write_failures, write_failures + 1, __ATOMIC_RELAXED);
    if (++buffer->failed_writes < WRITE_TRIES) {
        mark_dirty_locked(buffer);
        return;
    }
    buffer->failed_writes = 0;
    __atomic_store_n(&write_errors, write_errors + 1, __ATOMIC_RELAXED);
}

/* The driver is done with it; maybe in an interrupt handler. The buffer and the request are gone
 * with the reference. */
static void transfer_done(struct block_request *request)
{
    struct buffer *buffer = request->owner;
    const char *name = buffer->device->name;
    block_t number = buffer->number;
    bool is_write = request->is_write;
    int error = request->error;

    spin_lock(&cache_lock);
    buffer->is_in_transfer = false;
    if (is_write)
        write_done(buffer, error);
    else
        buffer->is_valid = error == 0;
    wait_wake_all(&buffer->transfer_done);
    dereference_locked(buffer);
    spin_unlock(&cache_lock);
    if (error != 0)
        kprintf("buffer: %s: cannot %s block %u\n", name, is_write ? "write" : "read", number);
}

/* Note that the driver has the buffer, which is locked or new; cache_lock is held. */
static void transfer_prepare(struct buffer *buffer, bool is_write)
{
    assert(!buffer->is_in_transfer);
    buffer->is_in_transfer = true;
    buffer->references++;
    buffer->request = (struct block_request){
        .sector = (uint64_t)buffer->number * (buffer->size / SECTOR_SIZE),
        .count = buffer->size / SECTOR_SIZE,
        .data = buffer->data,
        .is_write = is_write,
        .done = transfer_done,
        .owner = buffer,
    };
    list_node_init(&buffer->request.link);
    if (is_write)
        writes_in_progress++;
}

static void wait_for_transfer_locked(struct buffer *buffer)
{
    while (buffer->is_in_transfer)
        wait_sleep(&buffer->transfer_done, &cache_lock);
}

/* Fill a buffer, which is locked, unless it is valid already. */
static int buffer_fill(struct buffer *buffer)
{
    bool is_valid;

    spin_lock(&cache_lock);
    wait_for_transfer_locked(buffer);
    if (!buffer->is_valid) {
        transfer_prepare(buffer, false);
        spin_unlock(&cache_lock);
        block_submit(buffer->device, &buffer->request);
        spin_lock(&cache_lock);
        wait_for_transfer_locked(buffer);
    }
    is_valid = buffer->is_valid;
    spin_unlock(&cache_lock);
    return is_valid ? 0 : -EIO;
}

/* --- Using ------------------------------------------------------------------------------------ */

int buffer_get(struct block_device *device, block_t number, uint32_t size, enum buffer_use use,
               struct buffer **found)
{
    struct buffer *buffer = buffer_reference(device, number, size);
    int error = 0;

    if (buffer == NULL) {
        write_dirty();
        buffer = buffer_reference(device, number, size);
        if (buffer == NULL)
            return -ENOMEM;
    }
    mutex_lock(&buffer->lock);
    if (use == BUFFER_READ) {
        error = buffer_fill(buffer);
    } else {
        spin_lock(&cache_lock);
        wait_for_transfer_locked(buffer);
        buffer->is_valid = true;
        spin_unlock(&cache_lock);
        if (use == BUFFER_ZERO)
            memset(buffer->data, 0, size);
    }
    if (error != 0) {
        buffer_release(buffer);
        return error;
    }
    *found = buffer;
    return 0;
}

void buffer_release(struct buffer *buffer)
{
    mutex_unlock(&buffer->lock);
    buffer_dereference(buffer);
}

void buffer_mark_dirty(struct buffer *buffer)
{
    assert(mutex_is_held(&buffer->lock));
    spin_lock(&cache_lock);
    mark_dirty_locked(buffer);
    spin_unlock(&cache_lock);
}

void buffer_prefetch(struct block_device *device, const block_t *numbers, size_t count,
                     uint32_t size)
{
    struct buffer *buffer;
    bool wanted;

    for (size_t i = 0; i < count; i++) {
        if (numbers[i] == 0)
            continue;
        buffer = buffer_reference(device, numbers[i], size);
        if (buffer == NULL)
            return;
        if (!mutex_trylock(&buffer->lock)) {
            buffer_dereference(buffer);
            continue;
        }
        spin_lock(&cache_lock);
        wanted = !buffer->is_valid && !buffer->is_in_transfer;
        if (wanted)
            transfer_prepare(buffer, false);
        spin_unlock(&cache_lock);
        if (wanted)
            block_submit(device, &buffer->request);
        buffer_release(buffer);
        if (!wanted && i == 0)
            return;
    }
}

/* --- Writing back ----------------------------------------------------------------------------- */

/* Start to write a buffer that the caller has a reference to, if it is still dirty. */
static void write_start(struct buffer *buffer)
{
    bool is_dirty;

    mutex_lock(&buffer->lock);
    spin_lock(&cache_lock);
    wait_for_transfer_locked(buffer);
    is_dirty = buffer->is_dirty;
    if (is_dirty) {
        buffer->is_dirty = false;
        list_remove(&buffer->list_link);
        dirty_count--;
        __atomic_store_n(&dirty_bytes, dirty_bytes - buffer->size, __ATOMIC_RELAXED);
        transfer_prepare(buffer, true);
    }
    spin_unlock(&cache_lock);
    if (is_dirty)
        block_submit(buffer->device, &buffer->request);
    mutex_unlock(&buffer->lock);
}

static void write_dirty(void)
{
    struct buffer *buffer;
    size_t count;

    spin_lock(&cache_lock);
    for (count = dirty_count; count > 0; count--) {
        while (writes_in_progress >= WRITES_MAX)
            wait_sleep(&writes_done, &cache_lock);
        buffer = list_first(&dirty_list, struct buffer, list_link);
        if (buffer == NULL)
            break;
        buffer->references++;
        spin_unlock(&cache_lock);
        write_start(buffer);
        spin_lock(&cache_lock);
        dereference_locked(buffer);
    }
    while (writes_in_progress > 0)
        wait_sleep(&writes_done, &cache_lock);
    spin_unlock(&cache_lock);
}

int buffer_sync(struct block_device *device)
{
    uint64_t errors = __atomic_load_n(&write_errors, __ATOMIC_RELAXED), before;
    uint64_t failures = __atomic_load_n(&write_failures, __ATOMIC_RELAXED);
    int error, tries = 0;

    do {
        before = failures;
        write_dirty();
        failures = __atomic_load_n(&write_failures, __ATOMIC_RELAXED);
    } while (failures != before && ++tries < WRITE_TRIES);
    error = block_flush(device);
    return __atomic_load_n(&write_errors, __ATOMIC_RELAXED) != errors ? -EIO : error;
}

void buffer_throttle(void)
{
    if (__atomic_load_n(&dirty_bytes, __ATOMIC_RELAXED) > bytes_max / 2)
        write_dirty();
}

void buffer_drop(struct block_device *device)
{
    struct list doomed = LIST_INITIALIZER(doomed);

    spin_lock(&cache_lock);
    list_for_each_safe (&idle_list, buffer, struct buffer, list_link) {
        if (buffer->device != device)
            continue;
        list_remove(&buffer->hash_link);
        __atomic_store_n(&bytes, bytes - buffer->size, __ATOMIC_RELAXED);
        list_remove(&buffer->list_link);
        list_push_back(&doomed, &buffer->list_link);
    }
    spin_unlock(&cache_lock);
    list_for_each_safe (&doomed, buffer, struct buffer, list_link)
        buffer_free(buffer);
}

static void flusher(void *argument)
{
    nsec_t deadline;

    (void)argument;
    for (;;) {
        spin_lock(&cache_lock);
        while (dirty_count == 0)
            wait_sleep(&flusher_queue, &cache_lock);
        deadline = clock_monotonic() + FLUSH_DELAY;
        while (dirty_bytes <= bytes_max / 4 &&
               wait_sleep_until(&flusher_queue, &cache_lock, deadline, false) == 0)
            continue;
        spin_unlock(&cache_lock);
        write_dirty();
    }
}

void buffer_init(void)
{
    struct page *page;
    unsigned order = 0;

    bytes_max = page_total_count() * PAGE_SIZE / 4;
    while (order < PAGE_ORDER_MAX &&
           (PAGE_SIZE << order) < bytes_max / BYTES_A_BUCKET * sizeof(struct list))
        order++;
    page = page_alloc(order);
    if (page == NULL)
        panic("no memory for the buffer cache");
    buckets = page_data(page);
    bucket_count = (PAGE_SIZE << order) / sizeof(struct list);
    for (size_t i = 0; i < bucket_count; i++)
        list_init(&buckets[i]);
    thread_start_kernel("flusher", flusher, NULL);
}
