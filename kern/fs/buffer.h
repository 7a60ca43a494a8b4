/*
 * The buffer cache: disk blocks in memory. Theory in kern/fs/buffer.c.
 */
#pragma once

#include "kern/dev/block.h"
#include "kern/list.h"
#include "kern/mutex.h"
#include "kern/types.h"

/* (i) immutable, (l) this->lock, (c) the buffer cache's lock */
struct buffer {
    struct mutex lock;           /* held by whoever looks at the data */
    struct block_device *device; /* (i) */
    block_t number;              /* (i) in units of `size` */
    uint32_t size;               /* (i) bytes; the same for all buffers of a device */
    void *data;                  /* (l), and no transfer is in progress */
    uint32_t references;         /* (c) users, and one for a transfer in progress */
    bool is_valid;               /* (c) the data is the block's */
    bool is_dirty;               /* (c) and the disk's is older */
    bool is_in_transfer;         /* (c) the driver has it */
    unsigned failed_writes;      /* (c) how often in a row */
    struct list_node hash_link;  /* (c) */
    struct list_node list_link;  /* (c) on the dirty list or the idle list, or on none */
    struct wait_queue transfer_done;
    struct block_request request;
};

enum buffer_use {
    BUFFER_READ,      /* the block as it is */
    BUFFER_ZERO,      /* zeros: the block is new */
    BUFFER_OVERWRITE, /* anything: the caller fills all of it */
};

/*
 * Get a block, locked and with a reference; end with buffer_release(). A thread has one buffer at
 * a time. `size` is 512..PAGE_SIZE, a power of two. Returns 0, -EIO or -ENOMEM. May sleep.
 */
int buffer_get(struct block_device *device, block_t number, uint32_t size, enum buffer_use use,
               struct buffer **buffer) must_check;
void buffer_release(struct buffer *buffer);

/* The data was changed: it will be written some time. The buffer is locked. */
void buffer_mark_dirty(struct buffer *buffer);

/* Start to read those of the blocks that are not cached, if the first is not; 0 is a hole. */
void buffer_prefetch(struct block_device *device, const block_t *numbers, size_t count,
                     uint32_t size);

/* Write all that is dirty and make it durable on `device`. Returns 0 or -EIO. */
int buffer_sync(struct block_device *device) must_check;

/* Forget a device's blocks, of which none is in use or dirty. */
void buffer_drop(struct block_device *device);

/* Called before writing more, without buffers: waits when too much is dirty. */
void buffer_throttle(void);

/* Give idle buffers' memory back: at most `count` of them. Takes only spinlocks. */
void buffer_reclaim(size_t count);

/* Prepare the cache and start its flusher thread. */
void buffer_init(void);
