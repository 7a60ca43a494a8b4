/*
 * Block devices: the list of disks, and transfers that sleep until done.
 *
 * Disks are registered while the machine starts its devices and never go away, so whoever
 * found one may keep the pointer. A request belongs to the driver from block_submit() until it
 * calls block_complete().
 *
 * Locks: devices_lock protects the list; a sync transfer has a lock of its own, under which the
 * completion is noted. The waiter returns only after the completer released that lock, and may
 * then drop the request from its stack.
 */
#include "kern/dev/block.h"

#include "kern/abi/errno.h"
#include "kern/fail.h"
#include "kern/print.h"
#include "kern/spinlock.h"
#include "kern/string.h"
#include "kern/trace.h"
#include "kern/wait.h"

static struct spinlock devices_lock = SPINLOCK_INITIALIZER("disks", LOCK_DEVICE);
static struct list devices = LIST_INITIALIZER(devices); /* devices_lock, in order of names */
static unsigned device_count;                           /* devices_lock */

void block_register(struct block_device *device)
{
    spin_lock(&devices_lock);
    format(device->name, sizeof(device->name), "disk%u", device_count++);
    list_push_back(&devices, &device->link);
    spin_unlock(&devices_lock);
}

struct block_device *block_find(const char *name)
{
    struct block_device *found = NULL;

    spin_lock(&devices_lock);
    list_for_each (&devices, device, struct block_device, link) {
        if (strcmp(device->name, name) == 0)
            found = device;
    }
    spin_unlock(&devices_lock);
    return found;
}

struct block_device *block_at(unsigned index)
{
    struct block_device *found = NULL;

    spin_lock(&devices_lock);
    list_for_each (&devices, device, struct block_device, link) {
        if (index-- == 0) {
            found = device;
            break;
        }
    }
    spin_unlock(&devices_lock);
    return found;
}

static bool is_valid(const struct block_device *device, const struct block_request *request)
{
    if (request->is_flush)
        return true;
    if (request->is_write && device->is_read_only)
        return false;
    return request->count > 0 && request->count <= device->sectors &&
           request->sector <= device->sectors - request->count;
}

static bool fails(const struct block_request *request)
{
    return !request->is_flush && fail_now(request->is_write ? FAIL_DISK_WRITE : FAIL_DISK_READ);
}

void block_submit(struct block_device *device, struct block_request *request)
{
    list_node_init(&request->link);
    request->error = 0;
    trace_block_submit(request);
    if (is_valid(device, request) && !fails(request)) {
        device->driver->submit(device, request);
    } else {
        request->error = -EIO;
        block_complete(request);
    }
}

void block_complete(struct block_request *request)
{
    trace_block_done(request);
    request->done(request);
}

/* --- Transfers that sleep -------------------------------------------------------------------- */

struct sync_request {
    struct block_request request;
    struct spinlock lock;
    struct wait_queue finished;
    bool is_done; /* (l) */
};

static void sync_done(struct block_request *request)
{
    struct sync_request *sync = request->owner;

    spin_lock(&sync->lock);
    sync->is_done = true;
    wait_wake_all(&sync->finished);
    spin_unlock(&sync->lock);
}

static int submit_and_sleep(struct block_device *device, struct sync_request *sync)
{
    spin_init(&sync->lock, "sync request", LOCK_DEVICE);
    wait_queue_init(&sync->finished);
    sync->request.done = sync_done;
    sync->request.owner = sync;
    block_submit(device, &sync->request);

    spin_lock(&sync->lock);
    while (!sync->is_done)
        wait_sleep(&sync->finished, &sync->lock);
    spin_unlock(&sync->lock);
    return sync->request.error;
}

int block_transfer(struct block_device *device, uint64_t sector, uint32_t count, void *data,
                   bool is_write)
{
    struct sync_request sync = {
        .request = {.sector = sector, .count = count, .data = data, .is_write = is_write},
    };

    return submit_and_sleep(device, &sync);
}

int block_flush(struct block_device *device)
{
    struct sync_request sync = {.request = {.is_flush = true}};

    return submit_and_sleep(device, &sync);
}
