/*
 * ACPI: the tables in which the firmware describes the machine (ACPI specification 6.4,
 * chapter 5). Only the static ones are read; nothing here interprets AML, so PCI devices must
 * use message-signalled interrupts, and "power off" looks for one constant of the AML.
 */
#include "arch/x86_64/acpi.h"

#include "arch/x86_64/memory.h"
#include "arch/x86_64/x86.h"
#include "kern/print.h"
#include "kern/string.h"

struct acpi_machine acpi;

struct packed_rsdp { /* section 5.2.5.3 */
    char signature[8];
    uint8_t checksum;
    char oem[6];
    uint8_t revision;
    uint32_t rsdt;
    uint32_t length;
    uint64_t xsdt;
} __attribute__((packed));

struct packed_header { /* section 5.2.6 */
    char signature[4];
    uint32_t length;
    uint8_t revision, checksum;
    char oem[6], oem_table[8];
    uint32_t oem_revision, creator, creator_revision;
} __attribute__((packed));

struct packed_madt { /* section 5.2.12 */
    struct packed_header header;
    uint32_t local_apic;
    uint32_t flags;
} __attribute__((packed));

/* The entries of the MADT: type, length, then what the type says; sections 5.2.12.2 to .8. */
enum {
    MADT_LOCAL_APIC,
    MADT_IO_APIC,
    MADT_INTERRUPT_OVERRIDE,
    MADT_LOCAL_APIC_ADDRESS = 5,
};

struct packed_madt_entry {
    uint8_t type, length;
    union {
        struct {
            uint8_t processor, apic_id;
            uint32_t flags; /* bit 0: enabled */
        } __attribute__((packed)) local_apic;
        struct {
            uint8_t id, reserved;
            uint32_t address, first_line;
        } __attribute__((packed)) io_apic;
        struct {
            uint8_t bus, source;
            uint32_t line;
            uint16_t flags; /* polarity in bits 0-1 (3: low), trigger in bits 2-3 (3: level) */
        } __attribute__((packed)) override;
        struct {
            uint16_t reserved;
            uint64_t address;
        } __attribute__((packed)) local_apic_address;
    };
} __attribute__((packed));

struct packed_fadt { /* section 5.2.9 */
    struct packed_header header;
    uint32_t facs, dsdt;
    uint8_t skipped_1[20];
    uint32_t pm1a_control, pm1b_control, pm2_control, pm_timer;
} __attribute__((packed));

struct packed_hpet { /* IA-PC HPET specification 1.0a, section 3.2.4 */
    struct packed_header header;
    uint32_t block_id;
    uint8_t address_space, register_width, register_offset, reserved;
    uint64_t address;
} __attribute__((packed));

/* SLP_TYPx and SLP_EN in the PM1 control register, section 4.8.3.2.1. */
#define SLEEP_TYPE_SHIFT 10
#define SLEEP_ENABLE     (1U << 13)

/* AML, section 20.2.3 and .5. */
#define AML_PACKAGE     "\x12"
#define AML_BYTE_PREFIX 0x0a

/* Map a whole table. */
static const void *map_table(paddr_t pa)
{
    const struct packed_header *header = device_map(pa, sizeof(*header));

    return device_map(pa, header->length);
}

static void read_madt(const struct packed_madt *madt)
{
    const char *p = (const char *)(madt + 1);
    const char *end = (const char *)madt + madt->header.length;

    acpi.local_apic = madt->local_apic;
    while (p + 2 <= end) {
        const struct packed_madt_entry *entry = (const struct packed_madt_entry *)p;

        if (entry->length < 2)
            return;
        if (entry->type == MADT_LOCAL_APIC && (entry->local_apic.flags & 1) &&
            acpi.cpu_count < MAX_CPUS) {
            acpi.cpu_apic_ids[acpi.cpu_count++] = entry->local_apic.apic_id;
        } else if (entry->type == MADT_IO_APIC && acpi.io_apic_count < ACPI_MAX_IO_APICS) {
            acpi.io_apics[acpi.io_apic_count++] = (struct acpi_io_apic){
                .address = entry->io_apic.address, .first_line = entry->io_apic.first_line};
        } else if (entry->type == MADT_INTERRUPT_OVERRIDE &&
                   entry->override.source < ACPI_ISA_IRQS) {
            acpi.isa_irqs[entry->override.source] =
                (struct acpi_isa_irq){.line = entry->override.line,
                                      .is_active_low = (entry->override.flags & 3) == 3,
                                      .is_level = (entry->override.flags >> 2 & 3) == 3};
        } else if (entry->type == MADT_LOCAL_APIC_ADDRESS) {
            acpi.local_apic = entry->local_apic_address.address;
        }
        p += entry->length;
    }
}

/*
 * The value for SLP_TYPx that means "off" is in the AML object \_S5, a package of integers: "_S5_",
 * PackageOp, PkgLength, NumElements, then the first integer (section 20.2).
 */
static void read_dsdt(const struct packed_header *dsdt)
{
    const uint8_t *p = (const uint8_t *)(dsdt + 1);
    const uint8_t *end = (const uint8_t *)dsdt + dsdt->length - 12;

    for (; p < end; p++) {
        if (p[0] != '_' || memcmp(p, "_S5_" AML_PACKAGE, 5) != 0)
            continue;
        p += 5;
        p += (*p >> 6) + 2; /* PkgLength says how long it is itself; NumElements */
        if (*p == AML_BYTE_PREFIX)
            p++;
        acpi.sleep_off = (uint16_t)((*p & 7) << SLEEP_TYPE_SHIFT | SLEEP_ENABLE);
        return;
    }
}

static void read_fadt(const struct packed_fadt *fadt)
{
    if (fadt->dsdt != 0 && fadt->pm1a_control != 0)
        read_dsdt(map_table(fadt->dsdt));
    acpi.pm_timer = (uint16_t)fadt->pm_timer;
    acpi.pm_control_a = (uint16_t)fadt->pm1a_control;
    acpi.pm_control_b = (uint16_t)fadt->pm1b_control;
}

static void read_table(paddr_t pa)
{
    const struct packed_header *header = device_map(pa, sizeof(*header));

    if (memcmp(header->signature, "APIC", 4) == 0)
        read_madt(map_table(pa));
    else if (memcmp(header->signature, "FACP", 4) == 0)
        read_fadt(map_table(pa));
    else if (memcmp(header->signature, "HPET", 4) == 0)
        acpi.hpet = ((const struct packed_hpet *)map_table(pa))->address;
}

/* Without a loader that knows it, the RSDP is on a 16-byte boundary of the BIOS's area
 * (section 5.2.5.1). */
static const struct packed_rsdp *find_rsdp(void)
{
    const char *area = device_map(0xe0000, 0x20000);

    for (size_t i = 0; i < 0x20000; i += 16) {
        if (memcmp(area + i, "RSD PTR ", 8) == 0)
            return (const struct packed_rsdp *)(area + i);
    }
    panic("the firmware has no ACPI tables");
}

void acpi_init(paddr_t root)
{
    const struct packed_rsdp *rsdp = root != 0 ? device_map(root, sizeof(*rsdp)) : find_rsdp();
    bool is_wide = rsdp->revision >= 2 && rsdp->xsdt != 0;
    const struct packed_header *list = map_table(is_wide ? rsdp->xsdt : rsdp->rsdt);
    size_t entry_size = is_wide ? 8 : 4;

    for (uint32_t i = 0; i < ACPI_ISA_IRQS; i++)
        acpi.isa_irqs[i].line = i;
    for (const char *p = (const char *)(list + 1); p < (const char *)list + list->length;
         p += entry_size) {
        paddr_t pa = 0;

        memcpy(&pa, p, entry_size);
        read_table(pa);
    }
    if (acpi.cpu_count == 0 || acpi.io_apic_count == 0)
        panic("the ACPI tables name no CPU or no I/O APIC");
}

void acpi_power_off(void)
{
    if (acpi.sleep_off == 0)
        return;
    outw(acpi.pm_control_a, acpi.sleep_off);
    if (acpi.pm_control_b != 0)
        outw(acpi.pm_control_b, acpi.sleep_off);
}
