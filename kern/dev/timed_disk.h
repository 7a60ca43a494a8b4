/*
 * A disk whose requests take time that the seed of a run gives, for machines that can read and
 * write at once: whatever the host does, each run sees the same. Theory in kern/dev/timed_disk.c.
 */
#pragma once

#include "kern/clock.h"
#include "kern/dev/block.h"
#include "kern/spinlock.h"

/* (i) set by the machine before timed_disk_register(), (l) lock */
struct timed_disk {
    struct block_device device; /* (i) its sectors, is_read_only */
    void *data;                 /* (i) the machine's */

    /* (i) Do what the request asks for, now. Returns 0 or -EIO. In an interrupt handler. */
    int (*serve)(struct timed_disk *disk, const struct block_request *request);

    struct spinlock lock;
    struct list queue;      /* (l) of struct block_request, oldest first */
    struct timeout timeout; /* (l) when the oldest is served; set if there is one */
    uint64_t count;         /* (l) requests that there ever were */
};

void timed_disk_register(struct timed_disk *disk);
