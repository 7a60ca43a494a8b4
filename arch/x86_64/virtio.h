/*
 * Virtio devices on PCI: negotiation and one split queue. See virtio.c.
 */
#pragma once

#include "kern/types.h"

struct pci_device;

#define VIRTIO_QUEUE_SIZE 128 /* descriptors; a power of two */

/* The queue in memory that the device reads and writes: Virtio 1.2, section 2.7. */
struct virtio_descriptor {
    uint64_t address;
    uint32_t length;
    uint16_t flags, next;
};

#define VIRTIO_DESCRIPTOR_NEXT  1 /* `next` continues the buffer */
#define VIRTIO_DESCRIPTOR_WRITE 2 /* the device writes it */

struct virtio_available {
    uint16_t flags, index;
    uint16_t ring[VIRTIO_QUEUE_SIZE];
};

struct virtio_used {
    uint16_t flags, index;
    struct {
        uint32_t id, length;
    } ring[VIRTIO_QUEUE_SIZE];
};

struct virtio_queue {
    struct virtio_descriptor *descriptors;
    struct virtio_available *available;
    struct virtio_used *used;
    uint16_t used_seen; /* how far the driver has read the used ring */
    volatile uint16_t *notify;
};

struct virtio_device {
    volatile struct virtio_common *common; /* virtio.c */
    volatile uint8_t *config;              /* what the device's type defines */
    uint64_t features;                     /* those that both sides know */
    struct virtio_queue queue;
};

/*
 * Take over the device, agree on `features`, and make queue 0, whose interrupts call
 * handler(argument) on the boot CPU. Returns 0, -ENODEV when the device is not as the
 * specification wants it, or -ENOMEM. virtio_start() lets it run.
 */
int virtio_init(struct virtio_device *device, const struct pci_device *pci, uint64_t features,
                void (*handler)(void *argument), void *argument) must_check;
void virtio_start(struct virtio_device *device);

/* Hand the buffer whose first descriptor is `head` to the device. */
void virtio_submit(struct virtio_device *device, uint16_t head);

/* The first descriptor of a buffer that the device has finished with, or -1. */
int virtio_take_used(struct virtio_device *device);
