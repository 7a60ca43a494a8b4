/*
 * Block devices: disks as the file systems see them. A driver registers its disk and gets
 * requests; it may hold many at a time and completes them in any order.
 */
#pragma once

#include "kern/list.h"
#include "kern/types.h"

#define SECTOR_SIZE 512

struct block_device;

/* One transfer between memory and consecutive sectors. The submitter keeps it until done. */
struct block_request {
    struct list_node link; /* the driver's while it has the request */
    uint64_t sector;       /* first sector */
    uint32_t count;        /* sectors */
    void *data;            /* count * SECTOR_SIZE bytes in the direct map, contiguous */
    bool is_write;
    bool is_flush; /* no data: everything written before is durable when done */
    int error;     /* out: 0 or -EIO */
    void (*done)(struct block_request *request); /* called once, maybe in an interrupt handler */
    void *owner;                                 /* the submitter's */
    nsec_t submitted;                            /* when, if that is traced */
};

struct block_driver {
    /* Start a request; the driver calls block_complete() later or at once. Any context. */
    void (*submit)(struct block_device *device, struct block_request *request);
};

struct block_device {
    struct list_node link; /* the list of devices */
    char name[16];         /* "disk0" */
    uint64_t sectors;
    bool is_read_only;
    const struct block_driver *driver;
    void *driver_data;
};

/* A driver found a disk: give it the next name (disk0, disk1, ...) and list it. */
void block_register(struct block_device *device);

/* Find a disk by name, or NULL. */
struct block_device *block_find(const char *name);

/* The disk number `index`, or NULL: for devfs. */
struct block_device *block_at(unsigned index);

/* Submit a request: checks the range and calls the driver. */
void block_submit(struct block_device *device, struct block_request *request);

/* For drivers: the request is finished, `error` is set. Any context. */
void block_complete(struct block_request *request);

/*
 * Read or write `count` sectors at once, sleeping until done. `data` is in the direct map.
 * Returns 0 or -EIO.
 */
int block_transfer(struct block_device *device, uint64_t sector, uint32_t count, void *data,
                   bool is_write) must_check;

/* Make everything written durable. Returns 0 or -EIO. */
int block_flush(struct block_device *device) must_check;
