/*
 * PCI: configuration space through the two ports that every PC has (PCI Local Bus Specification
 * 3.0, section 3.2.2.3.2), the devices behind the host bridge and other bridges, and interrupts
 * by MSI-X. Pin interrupts are not used: their wiring is known to AML only.
 */
#include "arch/x86_64/pci.h"

#include "arch/x86_64/apic.h"
#include "arch/x86_64/memory.h"
#include "arch/x86_64/x86.h"
#include "kern/spinlock.h"

#define CONFIG_ADDRESS 0xcf8
#define CONFIG_DATA    0xcfc
#define CONFIG_ENABLE  (1U << 31)

#define NO_DEVICE 0xffff
#define BAR_COUNT 6

/* Where QEMU's machines have neither RAM nor anything else: for assign_memory(). */
#define FREE_START 0xe0000000U
#define FREE_END   0xfec00000U

/* MSI-X: PCI Local Bus Specification 3.0, section 6.8.2. */
#define MSIX_CONTROL        2
#define MSIX_TABLE          4
#define MSIX_CONTROL_ENABLE 0x8000
#define MSIX_TABLE_BAR      0x7
#define MSIX_ENTRY_WORDS    4

/* Address and data are two accesses; configuration happens at start, on one CPU. */
static uint16_t select(const struct pci_device *device, unsigned offset)
{
    outl(CONFIG_ADDRESS, CONFIG_ENABLE | (uint32_t)device->bus << 16 |
                             (uint32_t)device->slot << 11 | (uint32_t)device->function << 8 |
                             (offset & ~3U));
    return (uint16_t)(CONFIG_DATA + (offset & 3));
}

uint8_t pci_read8(const struct pci_device *device, unsigned offset)
{
    return inb(select(device, offset));
}

uint16_t pci_read16(const struct pci_device *device, unsigned offset)
{
    return inw(select(device, offset));
}

uint32_t pci_read32(const struct pci_device *device, unsigned offset)
{
    return inl(select(device, offset));
}

void pci_write16(const struct pci_device *device, unsigned offset, uint16_t value)
{
    outw(select(device, offset), value);
}

void pci_write32(const struct pci_device *device, unsigned offset, uint32_t value)
{
    outl(select(device, offset), value);
}

/*
 * Small firmware (QEMU's qboot) leaves the base address registers empty. Give those memory; a
 * register holds as zeros the bits that its size covers (PCI 3.0, section 6.2.5.1).
 */
static void assign_memory(const struct pci_device *device)
{
    static uint32_t next = FREE_START;

    for (unsigned bar = 0, width; bar < BAR_COUNT; bar += width) {
        uint32_t old = pci_read32(device, PCI_BAR(bar)), size;

        width = (old & PCI_BAR_64) ? 2 : 1;
        if ((old & PCI_BAR_IO) || (old & ~0xfU) != 0 ||
            (width == 2 && pci_read32(device, PCI_BAR(bar + 1)) != 0))
            continue;
        pci_write32(device, PCI_BAR(bar), UINT32_MAX);
        size = -(pci_read32(device, PCI_BAR(bar)) & ~0xfU);
        pci_write32(device, PCI_BAR(bar), old);
        if (size == 0 || align_up(next, size) > FREE_END - size)
            continue;
        pci_write32(device, PCI_BAR(bar), align_up(next, size));
        next = align_up(next, size) + size;
    }
}

static void scan_bus(uint8_t bus, void (*found)(const struct pci_device *device))
{
    for (unsigned place = 0; place < 32 * 8; place++) {
        struct pci_device device = {
            .bus = bus, .slot = (uint8_t)(place / 8), .function = place % 8};
        uint8_t header;

        device.vendor = pci_read16(&device, PCI_VENDOR);
        if (device.vendor == NO_DEVICE) {
            if (device.function == 0)
                place += 7; /* a device has function 0 */
            continue;
        }
        device.device = pci_read16(&device, PCI_DEVICE);
        header = pci_read8(&device, PCI_HEADER_TYPE);
        if ((header & ~PCI_HEADER_MULTI) == PCI_HEADER_BRIDGE) {
            uint8_t behind = pci_read8(&device, PCI_SECONDARY);

            if (behind > bus)
                scan_bus(behind, found);
        } else {
            assign_memory(&device);
            found(&device);
        }
        if (device.function == 0 && (header & PCI_HEADER_MULTI) == 0)
            place += 7;
    }
}

void pci_scan(void (*found)(const struct pci_device *device))
{
    scan_bus(0, found);
}

unsigned pci_find_capability(const struct pci_device *device, uint8_t id, unsigned previous)
{
    unsigned at;

    if ((pci_read16(device, PCI_STATUS) & PCI_STATUS_CAPABILITY) == 0)
        return 0;
    at = pci_read8(device, previous == 0 ? PCI_CAPABILITIES : previous + 1) & ~3U;
    while (at != 0 && pci_read8(device, at) != id)
        at = pci_read8(device, at + 1) & ~3U;
    return at;
}

void *pci_map(const struct pci_device *device, unsigned bar, uint32_t offset, size_t size)
{
    uint32_t low = pci_read32(device, PCI_BAR(bar));
    paddr_t pa = low & ~0xfU;

    if (low & PCI_BAR_IO)
        return NULL;
    if (low & PCI_BAR_64)
        pa |= (paddr_t)pci_read32(device, PCI_BAR(bar + 1)) << 32;
    return pa != 0 ? device_map(pa + offset, size) : NULL;
}

/* Address bits that cannot be set are below the size: PCI specification, section 6.2.5.1. */
uint64_t pci_bar_size(const struct pci_device *device, unsigned bar)
{
    uint32_t low = pci_read32(device, PCI_BAR(bar)), bits;

    pci_write32(device, PCI_BAR(bar), UINT32_MAX);
    bits = pci_read32(device, PCI_BAR(bar)) & ~0xfU;
    pci_write32(device, PCI_BAR(bar), low);
    return bits & -bits;
}

bool pci_enable_message(const struct pci_device *device, unsigned entry, unsigned vector)
{
    unsigned capability = pci_find_capability(device, PCI_CAPABILITY_MSIX, 0);
    volatile uint32_t *words;
    uint32_t table;

    if (capability == 0)
        return false;
    table = pci_read32(device, capability + MSIX_TABLE);
    words = pci_map(device, table & MSIX_TABLE_BAR,
                    (table & ~MSIX_TABLE_BAR) + entry * MSIX_ENTRY_WORDS * 4, MSIX_ENTRY_WORDS * 4);
    if (words == NULL)
        return false;
    words[0] = (uint32_t)apic_message_address();
    words[1] = 0;
    words[2] = apic_message_data(vector);
    words[3] = 0; /* not masked */
    pci_write16(device, capability + MSIX_CONTROL,
                pci_read16(device, capability + MSIX_CONTROL) | MSIX_CONTROL_ENABLE);
    return true;
}
