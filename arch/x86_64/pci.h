/*
 * PCI: finding devices and the parts of one. See pci.c.
 */
#pragma once

#include "kern/types.h"

struct pci_device {
    uint8_t bus, slot, function;
    uint16_t vendor, device;
};

/* Registers of the configuration space: PCI Local Bus Specification 3.0, section 6.1. */
#define PCI_VENDOR       0x00
#define PCI_DEVICE       0x02
#define PCI_COMMAND      0x04
#define PCI_STATUS       0x06
#define PCI_CLASS        0x0a
#define PCI_HEADER_TYPE  0x0e
#define PCI_BAR(n)       (0x10 + 4 * (n))
#define PCI_SECONDARY    0x19
#define PCI_CAPABILITIES 0x34

#define PCI_COMMAND_MEMORY    0x0002
#define PCI_COMMAND_MASTER    0x0004
#define PCI_COMMAND_NO_INTX   0x0400
#define PCI_STATUS_CAPABILITY 0x0010
#define PCI_HEADER_MULTI      0x80
#define PCI_HEADER_BRIDGE     0x01
#define PCI_BAR_IO            0x1
#define PCI_BAR_64            0x4
#define PCI_CAPABILITY_VENDOR 0x09
#define PCI_CAPABILITY_MSIX   0x11

/* Call found() for each device behind the host bridge, in the order of their places. */
void pci_scan(void (*found)(const struct pci_device *device));

uint8_t pci_read8(const struct pci_device *device, unsigned offset);
uint16_t pci_read16(const struct pci_device *device, unsigned offset);
uint32_t pci_read32(const struct pci_device *device, unsigned offset);
void pci_write16(const struct pci_device *device, unsigned offset, uint16_t value);
void pci_write32(const struct pci_device *device, unsigned offset, uint32_t value);

/* The next capability of type `id` behind `previous` (0: the first); 0: there is none. */
unsigned pci_find_capability(const struct pci_device *device, uint8_t id, unsigned previous);

/* Map `size` bytes from `offset` on of the memory behind a base address register. NULL when it
 * is not memory or has no address. */
void *pci_map(const struct pci_device *device, unsigned bar, uint32_t offset, size_t size);

/* How much memory is behind a base address register. */
uint64_t pci_bar_size(const struct pci_device *device, unsigned bar);

/* Let the device's message `entry` interrupt with `vector`. Returns whether it can (MSI-X). */
bool pci_enable_message(const struct pci_device *device, unsigned entry,
                        unsigned vector) must_check;
