/*
 * Timed disks: requests are served one after the other, each by a timeout, whose span depends on
 * the seed of the run, the disk, and the number of the request. The transfer happens when the
 * time has come, not before: what the kernel changes meanwhile in a buffer, the disk gets to see.
 */
#include "kern/dev/timed_disk.h"

#include "kern/schedule_point.h"

#define SPAN_MIN   (20 * NSEC_PER_USEC)
#define SPAN_RANGE (100 * NSEC_PER_USEC)

/* The oldest request begins to be served; the lock is held. */
static void begin(struct timed_disk *disk)
{
    uint64_t random = schedule_random(disk->device.name, disk->count++);

    timeout_set(&disk->timeout, clock_monotonic() + SPAN_MIN + (nsec_t)(random % SPAN_RANGE));
}

static void finish(void *argument)
{
    struct timed_disk *disk = argument;
    struct block_request *request;

    spin_lock(&disk->lock);
    request = list_pop(&disk->queue, struct block_request, link);
    request->error = disk->serve(disk, request);
    if (!list_is_empty(&disk->queue))
        begin(disk);
    spin_unlock(&disk->lock);
    block_complete(request);
}

static void submit(struct block_device *device, struct block_request *request)
{
    struct timed_disk *disk = device->driver_data;

    spin_lock(&disk->lock);
    if (list_is_empty(&disk->queue))
        begin(disk);
    list_push_back(&disk->queue, &request->link);
    spin_unlock(&disk->lock);
}

void timed_disk_register(struct timed_disk *disk)
{
    static const struct block_driver driver = {.submit = submit};

    spin_init(&disk->lock, "timed disk", LOCK_DEVICE);
    list_init(&disk->queue);
    timeout_init(&disk->timeout, finish, disk);
    disk->device.driver = &driver;
    disk->device.driver_data = disk;
    block_register(&disk->device);
}
