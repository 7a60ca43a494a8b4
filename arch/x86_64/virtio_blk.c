/*
 * Virtio disks: Virtio 1.2, section 5.2.
 *
 * A request is a chain of three descriptors: a header that says what and where, the data, and a
 * byte for the answer. Slot n of a disk owns descriptors 3n to 3n+2, so that a finished chain
 * names its slot; requests that find no slot free wait in a list. The device works on all
 * slots at once and may finish them in any order.
 *
 * Locks: disk->lock protects slots and queue. block_complete() is called without it, on the boot
 * CPU in the interrupt handler.
 */
#include "arch/x86_64/virtio_blk.h"

#include "arch/x86_64/pci.h"
#include "arch/x86_64/virtio.h"
#include "kern/abi/errno.h"
#include "kern/dev/block.h"
#include "kern/print.h"
#include "kern/spinlock.h"
#include "vm/heap.h"
#include "vm/page.h"

#define VENDOR_VIRTIO      0x1af4 /* section 4.1.2 */
#define DEVICE_DISK        0x1042
#define DEVICE_DISK_LEGACY 0x1001 /* a device of both worlds */

#define FEATURE_READ_ONLY (1UL << 5) /* section 5.2.3 */
#define FEATURE_FLUSH     (1UL << 9)

#define CONFIG_CAPACITY 0 /* section 5.2.4: two 32-bit halves, in sectors of 512 bytes */

#define TYPE_READ  0 /* section 5.2.6 */
#define TYPE_WRITE 1
#define TYPE_FLUSH 4
#define STATUS_OK  0

#define CHAIN 3 /* descriptors a slot */
#define SLOTS (VIRTIO_QUEUE_SIZE / CHAIN)

struct slot {
    struct { /* what the device reads and writes */
        uint32_t type, reserved;
        uint64_t sector;
        uint8_t status;
    } message;
    struct block_request *request; /* NULL: the slot is free */
};

struct disk {
    struct block_device block;
    struct virtio_device virtio;
    struct spinlock lock;
    struct slot slots[SLOTS]; /* (l) */
    struct list waiting;      /* (l) of struct block_request, by link */
};

/* Fill the slot's chain. Data is left out of a flush. */
static void fill_chain(struct disk *disk, uint16_t index, struct block_request *request)
{
    struct virtio_descriptor *chain = &disk->virtio.queue.descriptors[CHAIN * index];
    struct slot *slot = &disk->slots[index];
    uint16_t first = (uint16_t)(CHAIN * index);

    slot->request = request;
    slot->message.type = request->is_flush   ? TYPE_FLUSH
                         : request->is_write ? TYPE_WRITE
                                             : TYPE_READ;
    slot->message.sector = request->is_flush ? 0 : request->sector;
    chain[0] = (struct virtio_descriptor){
        .address = direct_map_address(&slot->message),
        .length = offsetof(struct slot, message.status),
        .flags = VIRTIO_DESCRIPTOR_NEXT,
        .next = (uint16_t)(first + (request->is_flush ? 2 : 1)),
    };
    if (!request->is_flush)
        chain[1] = (struct virtio_descriptor){
            .address = direct_map_address(request->data),
            .length = request->count * SECTOR_SIZE,
            .flags = VIRTIO_DESCRIPTOR_NEXT | (request->is_write ? 0 : VIRTIO_DESCRIPTOR_WRITE),
            .next = (uint16_t)(first + 2),
        };
    chain[2] = (struct virtio_descriptor){
        .address = direct_map_address(&slot->message.status),
        .length = 1,
        .flags = VIRTIO_DESCRIPTOR_WRITE,
    };
}

/* Start the request if there is a free slot. The lock is held. */
static bool start(struct disk *disk, struct block_request *request)
{
    for (uint16_t i = 0; i < SLOTS; i++) {
        if (disk->slots[i].request == NULL) {
            fill_chain(disk, i, request);
            virtio_submit(&disk->virtio, (uint16_t)(CHAIN * i));
            return true;
        }
    }
    return false;
}

static void submit(struct block_device *block, struct block_request *request)
{
    struct disk *disk = block->driver_data;

    /* A device without the feature writes through (section 5.2.5.2). */
    if (request->is_flush && (disk->virtio.features & FEATURE_FLUSH) == 0) {
        block_complete(request);
        return;
    }
    spin_lock(&disk->lock);
    if (!list_is_empty(&disk->waiting) || !start(disk, request))
        list_push_back(&disk->waiting, &request->link);
    spin_unlock(&disk->lock);
}

static const struct block_driver driver = {.submit = submit};

/* Take one finished request out of its slot and start one that waits. NULL: none is finished. */
static struct block_request *finish_one(struct disk *disk)
{
    struct block_request *finished = NULL, *next;
    int head;

    spin_lock(&disk->lock);
    head = virtio_take_used(&disk->virtio);
    if (head >= 0) {
        struct slot *slot = &disk->slots[head / CHAIN];

        finished = slot->request;
        finished->error = slot->message.status == STATUS_OK ? 0 : -EIO;
        slot->request = NULL;
        next = list_pop(&disk->waiting, struct block_request, link);
        if (next != NULL)
            start(disk, next);
    }
    spin_unlock(&disk->lock);
    return finished;
}

static void interrupt(void *argument)
{
    struct block_request *request;

    while ((request = finish_one(argument)) != NULL)
        block_complete(request);
}

void virtio_blk_attach(const struct pci_device *pci)
{
    volatile uint32_t *capacity;
    struct page *pages;
    struct disk *disk;
    int error;

    if (pci->vendor != VENDOR_VIRTIO ||
        (pci->device != DEVICE_DISK && pci->device != DEVICE_DISK_LEGACY))
        return;
    _Static_assert(sizeof(struct disk) <= PAGE_SIZE, "the device reads the slots");
    pages = page_alloc_zero(0);
    if (pages == NULL)
        panic("no memory for a disk");
    disk = page_data(pages);
    spin_init(&disk->lock, "virtio disk", LOCK_DEVICE);
    list_init(&disk->waiting);
    error = virtio_init(&disk->virtio, pci, FEATURE_READ_ONLY | FEATURE_FLUSH, interrupt, disk);
    if (error != 0) {
        kprintf("virtio disk at %x:%x.%x: cannot be used (error %d)\n", pci->bus, pci->slot,
                pci->function, -error);
        return;
    }
    capacity = (volatile uint32_t *)(disk->virtio.config + CONFIG_CAPACITY);
    disk->block.sectors = capacity[0] | (uint64_t)capacity[1] << 32;
    disk->block.is_read_only = disk->virtio.features & FEATURE_READ_ONLY;
    disk->block.driver = &driver;
    disk->block.driver_data = disk;
    virtio_start(&disk->virtio);
    block_register(&disk->block);
}
