/*
 * The advanced programmable interrupt controllers.
 *
 * Each CPU has a local APIC (SDM vol. 3A, chapter 11), which takes interrupts from devices and
 * other CPUs and contains the timer; its registers appear to each CPU at the same address. Wires
 * from old devices end in an I/O APIC (82093AA data sheet), which turns them into messages; PCI
 * devices send messages themselves. All device interrupts go to the boot CPU.
 *
 * An interrupt command takes two writes, so an interrupt handler that sends one must not come
 * between: interrupts are disabled there. An NMI handler sends none.
 */
#include "arch/x86_64/apic.h"

#include "arch/x86_64/acpi.h"
#include "arch/x86_64/memory.h"
#include "arch/x86_64/x86.h"
#include "kern/cpu.h"
#include "kern/machine.h"
#include "kern/print.h"

/* Offsets of the local APIC's registers: SDM vol. 3A, table 11-1. */
#define LOCAL_ID            0x020
#define LOCAL_TASK_PRIORITY 0x080
#define LOCAL_EOI           0x0b0
#define LOCAL_SPURIOUS      0x0f0
#define LOCAL_COMMAND_LOW   0x300
#define LOCAL_COMMAND_HIGH  0x310
#define LOCAL_LVT_TIMER     0x320
#define LOCAL_LVT_LINT0     0x350
#define LOCAL_LVT_LINT1     0x360
#define LOCAL_LVT_ERROR     0x370
#define LOCAL_TIMER_INITIAL 0x380
#define LOCAL_TIMER_CURRENT 0x390
#define LOCAL_TIMER_DIVIDE  0x3e0

#define SPURIOUS_ENABLE    (1U << 8)
#define LVT_MASKED         (1U << 16)
#define LVT_NMI            (4U << 8)
#define TIMER_TSC_DEADLINE (2U << 17)
#define TIMER_DIVIDE_BY_1  0xbU

/* The interrupt command register, section 11.6.1. */
#define COMMAND_NMI     (4U << 8)
#define COMMAND_INIT    (5U << 8)
#define COMMAND_STARTUP (6U << 8)
#define COMMAND_PENDING (1U << 12)
#define COMMAND_ASSERT  (1U << 14)

#define APIC_BASE_ENABLE (1UL << 11) /* MSR_APIC_BASE, section 11.4.4 */
#define APIC_BASE_X2APIC (1UL << 10)

/* The I/O APIC's registers: 82093AA data sheet, section 3. */
#define IO_SELECT      0x00
#define IO_WINDOW      0x10
#define IO_VERSION     1
#define IO_REDIRECT(n) (0x10 + 2 * (n))
#define IO_ACTIVE_LOW  (1U << 13)
#define IO_LEVEL       (1U << 15)
#define IO_MASKED      (1U << 16)

static volatile uint32_t *local;
static volatile uint32_t *io[ACPI_MAX_IO_APICS];

static uint32_t local_read(unsigned offset)
{
    return local[offset / 4];
}

static void local_write(unsigned offset, uint32_t value)
{
    local[offset / 4] = value;
}

static uint32_t io_read(unsigned index, unsigned reg)
{
    io[index][IO_SELECT / 4] = reg;
    return io[index][IO_WINDOW / 4];
}

static void io_write(unsigned index, unsigned reg, uint32_t value)
{
    io[index][IO_SELECT / 4] = reg;
    io[index][IO_WINDOW / 4] = value;
}

static unsigned io_line_count(unsigned index)
{
    return (io_read(index, IO_VERSION) >> 16 & 0xff) + 1;
}

/* The PC's first interrupt controllers (8259A data sheet): move their vectors away from the
 * exceptions in case one fires all the same, and mask all. */
static void pic_disable(void)
{
    const uint16_t commands[] = {0x20, 0xa0}, data[] = {0x21, 0xa1};

    for (int i = 0; i < 2; i++) {
        outb(commands[i], 0x11);                /* ICW1: initialise, ICW4 follows */
        outb(data[i], (uint8_t)(0x20 + 8 * i)); /* ICW2: vectors */
        outb(data[i], i == 0 ? 4 : 2);          /* ICW3: how they are cascaded */
        outb(data[i], 1);                       /* ICW4: 8086 mode */
        outb(data[i], 0xff);                    /* OCW1: all masked */
    }
}

void apic_init(void)
{
    pic_disable();
    local = device_map(acpi.local_apic, PAGE_SIZE);
    for (unsigned i = 0; i < acpi.io_apic_count; i++) {
        io[i] = device_map(acpi.io_apics[i].address, PAGE_SIZE);
        for (unsigned line = 0; line < io_line_count(i); line++)
            io_write(i, IO_REDIRECT(line), IO_MASKED);
    }
}

void apic_init_cpu(struct cpu *cpu)
{
    uint64_t base = rdmsr(MSR_APIC_BASE);

    if (base & APIC_BASE_X2APIC)
        panic("the firmware left the local APIC in x2APIC mode, which this kernel does not use");
    wrmsr(MSR_APIC_BASE, base | APIC_BASE_ENABLE);
    cpu->machine.apic_id = local_read(LOCAL_ID) >> 24;
    local_write(LOCAL_TASK_PRIORITY, 0);
    local_write(LOCAL_LVT_LINT0, LVT_MASKED);
    local_write(LOCAL_LVT_LINT1, LVT_NMI);
    local_write(LOCAL_LVT_ERROR, LVT_MASKED);
    local_write(LOCAL_TIMER_DIVIDE, TIMER_DIVIDE_BY_1);
    apic_timer_mode(false);
    local_write(LOCAL_SPURIOUS, SPURIOUS_ENABLE | VECTOR_SPURIOUS);
    apic_end_of_interrupt();
}

void apic_end_of_interrupt(void)
{
    local_write(LOCAL_EOI, 0);
}

/* --- Interrupts between CPUs --------------------------------------------------------------- */

static void send(uint32_t apic_id, uint32_t command)
{
    bool enabled = interrupts_disable();

    while (local_read(LOCAL_COMMAND_LOW) & COMMAND_PENDING)
        cpu_relax();
    local_write(LOCAL_COMMAND_HIGH, apic_id << 24);
    local_write(LOCAL_COMMAND_LOW, command);
    interrupts_restore(enabled);
}

void apic_send_interrupt(struct cpu *cpu, unsigned vector)
{
    send(cpu->machine.apic_id, vector | COMMAND_ASSERT);
}

void apic_send_nmi(struct cpu *cpu)
{
    send(cpu->machine.apic_id, COMMAND_NMI | COMMAND_ASSERT);
}

void apic_send_init(uint32_t apic_id)
{
    send(apic_id, COMMAND_INIT | COMMAND_ASSERT);
}

void apic_send_startup(uint32_t apic_id, paddr_t page)
{
    send(apic_id, COMMAND_STARTUP | COMMAND_ASSERT | (uint32_t)(page / PAGE_SIZE));
}

void machine_kick(struct cpu *cpu)
{
    apic_send_interrupt(cpu, VECTOR_KICK);
}

/* --- The timer ----------------------------------------------------------------------------- */

void apic_timer_mode(bool is_tsc_deadline)
{
    local_write(LOCAL_TIMER_INITIAL, 0);
    local_write(LOCAL_LVT_TIMER, VECTOR_TIMER | (is_tsc_deadline ? TIMER_TSC_DEADLINE : 0));
    /* The mode must be set before the deadline is: section 11.5.4.1. */
    __asm__ volatile("mfence" ::: "memory");
}

void apic_timer_count(uint32_t count)
{
    local_write(LOCAL_TIMER_INITIAL, count);
}

uint32_t apic_timer_left(void)
{
    return local_read(LOCAL_TIMER_CURRENT);
}

/* --- Interrupts of devices ----------------------------------------------------------------- */

void apic_route_isa(unsigned irq, unsigned vector)
{
    const struct acpi_isa_irq *isa = &acpi.isa_irqs[irq];

    for (unsigned i = 0; i < acpi.io_apic_count; i++) {
        uint32_t first = acpi.io_apics[i].first_line;

        if (isa->line < first || isa->line >= first + io_line_count(i))
            continue;
        io_write(i, IO_REDIRECT(isa->line - first) + 1, cpus[0].machine.apic_id << 24);
        io_write(i, IO_REDIRECT(isa->line - first),
                 vector | (isa->is_active_low ? IO_ACTIVE_LOW : 0) |
                     (isa->is_level ? IO_LEVEL : 0));
        return;
    }
}

/* SDM vol. 3A, section 11.11. */
paddr_t apic_message_address(void)
{
    return 0xfee00000 | (paddr_t)cpus[0].machine.apic_id << 12;
}

uint32_t apic_message_data(unsigned vector)
{
    return vector;
}
