/*
 * Virtio over PCI: "Virtual I/O Device (VIRTIO) Version 1.2" (OASIS), sections 2.7 (split
 * queues), 3.1 (initialisation) and 4.1 (PCI). Modern devices only.
 *
 * A queue is an array of descriptors, each a piece of memory, chained to buffers; a ring in which
 * the driver offers buffers to the device, and one in which the device gives them back. Both
 * rings have an index that only rises (and wraps at 16 bits), written after the entry.
 */
#include "arch/x86_64/virtio.h"

#include "arch/x86_64/interrupt.h"
#include "arch/x86_64/pci.h"
#include "kern/abi/errno.h"
#include "vm/page.h"

struct virtio_common { /* section 4.1.4.3 */
    uint32_t device_feature_select, device_feature;
    uint32_t driver_feature_select, driver_feature;
    uint16_t config_vector, queue_count;
    uint8_t status, config_generation;
    uint16_t queue_select, queue_size, queue_vector, queue_enable, queue_notify_offset;
    uint32_t queue_descriptors[2], queue_available[2], queue_used[2];
};

/* struct virtio_pci_cap, section 4.1.4: offsets in the capability. */
#define CAP_TYPE              3
#define CAP_BAR               4
#define CAP_OFFSET            8
#define CAP_LENGTH            12
#define CAP_NOTIFY_MULTIPLIER 16

enum { CAP_COMMON = 1, CAP_NOTIFY = 2, CAP_DEVICE = 4 };

/* Device status, section 2.1. */
#define STATUS_ACKNOWLEDGE 1
#define STATUS_DRIVER      2
#define STATUS_DRIVER_OK   4
#define STATUS_FEATURES_OK 8

#define FEATURE_VERSION_1 (1UL << 32)

/* Map the part of the device's registers that the capability of `type` describes. */
static void *map_part(const struct pci_device *pci, uint8_t type, unsigned *capability)
{
    unsigned at = 0;

    while ((at = pci_find_capability(pci, PCI_CAPABILITY_VENDOR, at)) != 0) {
        if (pci_read8(pci, at + CAP_TYPE) != type)
            continue;
        if (capability != NULL)
            *capability = at;
        return pci_map(pci, pci_read8(pci, at + CAP_BAR), pci_read32(pci, at + CAP_OFFSET),
                       pci_read32(pci, at + CAP_LENGTH));
    }
    return NULL;
}

static bool negotiate(struct virtio_device *device, uint64_t features)
{
    volatile struct virtio_common *common = device->common;

    common->status = 0; /* reset */
    while (common->status != 0)
        ;
    common->status = STATUS_ACKNOWLEDGE;
    common->status |= STATUS_DRIVER;
    common->device_feature_select = 0;
    device->features = common->device_feature;
    common->device_feature_select = 1;
    device->features |= (uint64_t)common->device_feature << 32;
    device->features &= features | FEATURE_VERSION_1;
    common->driver_feature_select = 0;
    common->driver_feature = (uint32_t)device->features;
    common->driver_feature_select = 1;
    common->driver_feature = (uint32_t)(device->features >> 32);
    common->status |= STATUS_FEATURES_OK;
    return (device->features & FEATURE_VERSION_1) && (common->status & STATUS_FEATURES_OK);
}

static void set_address(volatile uint32_t field[2], const void *p)
{
    paddr_t pa = direct_map_address(p);

    field[0] = (uint32_t)pa;
    field[1] = (uint32_t)(pa >> 32);
}

/* The queue in one block of memory: descriptors, available ring, and on the next page used ring. */
static int make_queue(struct virtio_device *device)
{
    volatile struct virtio_common *common = device->common;
    struct virtio_queue *queue = &device->queue;
    struct page *pages = page_alloc_zero(1);

    _Static_assert(VIRTIO_QUEUE_SIZE * sizeof(struct virtio_descriptor) +
                               sizeof(struct virtio_available) <=
                           PAGE_SIZE &&
                       sizeof(struct virtio_used) <= PAGE_SIZE,
                   "the queue's pages");
    if (pages == NULL)
        return -ENOMEM;
    queue->descriptors = page_data(pages);
    queue->available = (struct virtio_available *)(queue->descriptors + VIRTIO_QUEUE_SIZE);
    queue->used = (struct virtio_used *)((char *)page_data(pages) + PAGE_SIZE);
    common->queue_select = 0;
    if (common->queue_size < VIRTIO_QUEUE_SIZE) {
        page_release(pages);
        return -ENODEV;
    }
    common->queue_size = VIRTIO_QUEUE_SIZE;
    common->queue_vector = 0;
    set_address(common->queue_descriptors, queue->descriptors);
    set_address(common->queue_available, queue->available);
    set_address(common->queue_used, queue->used);
    common->queue_enable = 1;
    return 0;
}

int virtio_init(struct virtio_device *device, const struct pci_device *pci, uint64_t features,
                void (*handler)(void *argument), void *argument)
{
    unsigned capability;
    char *notify;

    pci_write16(pci, PCI_COMMAND,
                pci_read16(pci, PCI_COMMAND) | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER |
                    PCI_COMMAND_NO_INTX);
    device->common = map_part(pci, CAP_COMMON, NULL);
    device->config = map_part(pci, CAP_DEVICE, NULL);
    notify = map_part(pci, CAP_NOTIFY, &capability);
    if (device->common == NULL || device->config == NULL || notify == NULL ||
        !negotiate(device, features) ||
        !pci_enable_message(pci, 0, interrupt_allocate(handler, argument)))
        return -ENODEV;
    device->common->queue_select = 0;
    notify +=
        device->common->queue_notify_offset * pci_read32(pci, capability + CAP_NOTIFY_MULTIPLIER);
    device->queue.notify = (volatile uint16_t *)notify;
    return make_queue(device);
}

void virtio_start(struct virtio_device *device)
{
    device->common->status |= STATUS_DRIVER_OK;
}

void virtio_submit(struct virtio_device *device, uint16_t head)
{
    struct virtio_available *available = device->queue.available;

    available->ring[available->index % VIRTIO_QUEUE_SIZE] = head;
    __atomic_store_n(&available->index, available->index + 1, __ATOMIC_SEQ_CST);
    *device->queue.notify = 0; /* the queue's number */
}

int virtio_take_used(struct virtio_device *device)
{
    struct virtio_queue *queue = &device->queue;

    if (__atomic_load_n(&queue->used->index, __ATOMIC_ACQUIRE) == queue->used_seen)
        return -1;
    return (int)queue->used->ring[queue->used_seen++ % VIRTIO_QUEUE_SIZE].id;
}
