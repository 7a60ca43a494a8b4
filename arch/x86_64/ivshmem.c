/*
 * A disk that is memory: QEMU's device ivshmem-plain ("Device Specification for Inter-VM shared
 * memory device", QEMU documentation) shows a file of the host as the memory behind BAR 2. A virtio
 * disk interrupts when the host has done its part; this one does what it is asked at once, and
 * only that can be the same in each run with the same seed.
 */
#include "arch/x86_64/ivshmem.h"

#include "arch/x86_64/pci.h"
#include "kern/dev/timed_disk.h"
#include "kern/print.h"
#include "kern/string.h"
#include "vm/heap.h"

#define VENDOR_QUMRANET 0x1af4
#define DEVICE_IVSHMEM  0x1110
#define BAR_MEMORY      2

static int serve(struct timed_disk *disk, const struct block_request *request)
{
    uint8_t *at = (uint8_t *)disk->data + request->sector * SECTOR_SIZE;
    size_t size = (size_t)request->count * SECTOR_SIZE;

    if (request->is_flush)
        return 0;
    if (request->is_write)
        memcpy(at, request->data, size);
    else
        memcpy(request->data, at, size);
    return 0;
}

void ivshmem_attach(const struct pci_device *pci)
{
    struct timed_disk *disk;
    uint64_t size;

    if (pci->vendor != VENDOR_QUMRANET || pci->device != DEVICE_IVSHMEM)
        return;
    pci_write16(pci, PCI_COMMAND, pci_read16(pci, PCI_COMMAND) | PCI_COMMAND_MEMORY);
    size = pci_bar_size(pci, BAR_MEMORY);
    disk = kzalloc(sizeof(*disk));
    if (disk == NULL)
        panic("no memory for a disk");
    disk->data = pci_map(pci, BAR_MEMORY, 0, size);
    if (disk->data == NULL)
        panic("the memory of a disk has no address");
    disk->device.sectors = size / SECTOR_SIZE;
    disk->serve = serve;
    timed_disk_register(disk);
}
