/*
 * The channel for the event trace: QEMU's "Inter-VM shared memory" device (docs/specs/ivshmem-spec
 * of QEMU, the plain variant without interrupts), whose memory is a file of the host.
 *
 *      offset 0     8 bytes: how many bytes of text there is room for; the host's
 *      offset 8     8 bytes: how many there are
 *      offset 16    the text
 *
 * A trace has megabytes, and a port takes a byte at a time. Writing memory works in any context,
 * and what is written stays in the file however QEMU ends.
 */
#include "arch/x86_64/trace_channel.h"

#include "arch/x86_64/pci.h"
#include "kern/machine.h"
#include "kern/string.h"

#define VENDOR_REDHAT 0x1af4
#define DEVICE_SHARED 0x1110
#define MEMORY_BAR    2

struct channel {
    uint64_t room, length;
    char text[];
};

static struct channel *channel; /* NULL: there is none */

void trace_channel_attach(const struct pci_device *pci)
{
    struct channel *header;

    if (pci->vendor != VENDOR_REDHAT || pci->device != DEVICE_SHARED)
        return;
    pci_write16(pci, PCI_COMMAND, pci_read16(pci, PCI_COMMAND) | PCI_COMMAND_MEMORY);
    header = pci_map(pci, MEMORY_BAR, 0, sizeof(*header));
    if (header != NULL)
        channel = pci_map(pci, MEMORY_BAR, 0, sizeof(*header) + header->room);
}

void machine_trace_write(const void *data, size_t length)
{
    if (channel == NULL)
        return;
    length = min(length, channel->room - channel->length);
    memcpy(channel->text + channel->length, data, length);
    channel->length += length;
}
