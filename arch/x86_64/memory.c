/*
 * Memory: what the loader says there is, and the kernel's half of every address space.
 *
 *      ffff800000000000  DIRECT_MAP_BASE  all RAM, in 2 MiB pages, not executable
 *      ffffffff80000000  KERNEL_BASE      the image: text r-x, constants r--, data rw-
 *      ffffffffc0000000  DEVICE_BASE      device registers, uncached
 *      ffffffffe0000000  STACKS_BASE      kernel stacks, each above a guard page
 *
 * The kernel's root table has these in its upper half and nothing in its lower. A user page
 * table's root starts with a copy of the upper half (tlb.c), so tables below the root are shared
 * and a new stack is seen everywhere at once; the root itself never changes after start.
 *
 * Until page_init() took over the memory, tables come from the pages right behind the image.
 */
#include "arch/x86_64/memory.h"

#include "arch/x86_64/tlb.h"
#include "arch/x86_64/x86.h"
#include "kern/machine.h"
#include "kern/print.h"
#include "kern/spinlock.h"
#include "kern/string.h"
#include "vm/page.h"
#include "vm/pmap.h"

#define DEVICE_BASE 0xffffffffc0000000UL
#define DEVICE_END  0xffffffffe0000000UL
#define STACKS_BASE 0xffffffffe0000000UL
#define STACK_SLOT  (2UL * KERNEL_STACK_SIZE) /* guard space, then the stack */
#define STACKS_MAX  15360

#define LARGE_PAGE_SIZE (1UL << 21)
#define BOOT_MAP_SIZE   (1UL << 30) /* boot.S maps that much */
#define LOW_MEMORY      (1UL << 20) /* left to the firmware and smp.c's trampoline */

#define PTE_UNCACHED (1UL << 3 | 1UL << 4) /* PWT, PCD; SDM vol. 3A, section 11.5.2.1 */

/* From link.ld. */
extern char image_start[], image_rodata[], image_data[], image_end[];

/* The loader's structures: Xen, public/arch-x86/hvm/start_info.h. */
struct hvm_start_info {
    uint32_t magic;
    uint32_t version;
    uint32_t flags;
    uint32_t module_count;
    uint64_t modules;
    uint64_t command_line;
    uint64_t acpi_root;
    uint64_t memory_map; /* from version 1 on */
    uint32_t memory_map_entries;
    uint32_t reserved;
};

#define START_INFO_MAGIC 0x336ec578

struct hvm_memory_map_entry {
    uint64_t address, size;
    uint32_t type; /* as in ACPI 6.4, table 15.4 */
    uint32_t reserved;
};

#define MEMORY_RAM 1

static char command_line[4096];
static paddr_t acpi_root;

#define MAX_RANGES 32
static struct memory_range ram[MAX_RANGES]; /* rising; all of it, the image included */
static size_t ram_count;

static paddr_t kernel_root;
static paddr_t early_next; /* the first page behind the image that is not used yet */
static bool early_is_over; /* machine_memory() was called: pages come from page_alloc() */

static vaddr_t device_next = DEVICE_BASE;

/* (l) stack_lock */
static struct spinlock stack_lock = SPINLOCK_INITIALIZER("kernel stacks", LOCK_PMAP);
static unsigned stacks_made;             /* (l) slots ever used */
static uint16_t stacks_free[STACKS_MAX]; /* (l) slots to use again */
static unsigned stacks_free_count;       /* (l) */

/* --- What the loader says ------------------------------------------------------------------ */

static void add_ram(paddr_t start, paddr_t end)
{
    size_t i = ram_count;

    start = align_up(start, PAGE_SIZE);
    end = align_down(end, PAGE_SIZE);
    if (start >= end || ram_count == MAX_RANGES)
        return;
    for (; i > 0 && ram[i - 1].start > start; i--)
        ram[i] = ram[i - 1];
    ram[i] = (struct memory_range){start, end};
    ram_count++;
}

void memory_read_start_info(paddr_t start_info)
{
    const struct hvm_start_info *info = direct_map(start_info);
    const struct hvm_memory_map_entry *entries;

    if (info->magic != START_INFO_MAGIC || info->version < 1 || info->memory_map_entries == 0)
        panic("the loader gives no memory map (PVH start info, version 1)");
    if (info->command_line != 0)
        string_copy(command_line, direct_map(info->command_line), sizeof(command_line));
    acpi_root = info->acpi_root;
    entries = direct_map(info->memory_map);
    for (uint32_t i = 0; i < info->memory_map_entries; i++) {
        if (entries[i].type == MEMORY_RAM)
            add_ram(entries[i].address, entries[i].address + entries[i].size);
    }
}

const char *machine_command_line(void)
{
    return command_line;
}

paddr_t memory_acpi_root(void)
{
    return acpi_root;
}

size_t machine_memory(struct memory_range *ranges, size_t max)
{
    size_t count = 0;

    early_is_over = true;
    for (size_t i = 0; i < ram_count && count < max; i++) {
        paddr_t used_end = max(LOW_MEMORY, early_next);
        struct memory_range range = ram[i];

        /* The image and what follows it lie at the start of the range above 1 MiB. */
        if (range.start < used_end)
            range.start = used_end;
        if (range.start < range.end)
            ranges[count++] = range;
    }
    return count;
}

/* --- The kernel's page table --------------------------------------------------------------- */

/* A zeroed page for a table; 0 when out of memory. */
static paddr_t table_create(void)
{
    paddr_t pa = early_next;

    if (early_is_over) {
        struct page *page = page_alloc_zero(0);
        return page != NULL ? page_address(page) : 0;
    }
    if (pa + PAGE_SIZE > BOOT_MAP_SIZE)
        panic("not enough memory below 1 GiB");
    early_next += PAGE_SIZE;
    memset(direct_map(pa), 0, PAGE_SIZE);
    return pa;
}

/* The entry at `level` that translates `va` in the kernel's page table; makes tables on the way
 * down. NULL when out of memory. */
static pte_t *kernel_entry(vaddr_t va, int level)
{
    pte_t *table = direct_map(kernel_root);

    for (int i = PTE_LEVELS; i > level; i--) {
        pte_t *entry = &table[pte_index(va, i)];

        if (!pte_is_present(*entry)) {
            paddr_t pa = table_create();

            if (pa == 0)
                return NULL;
            *entry = pa | PTE_PRESENT | PTE_WRITE;
        }
        table = direct_map(pte_address(*entry));
    }
    return &table[pte_index(va, level)];
}

static void map_image(const char *start, const char *end, prot_t prot)
{
    for (vaddr_t va = (vaddr_t)start; va < (vaddr_t)end; va += PAGE_SIZE)
        *kernel_entry(va, 1) = pte_make_kernel(va - KERNEL_BASE, prot);
}

void memory_init(void)
{
    early_next = (paddr_t)image_end - KERNEL_BASE;
    kernel_root = table_create();
    for (size_t i = 0; i < ram_count; i++) {
        paddr_t pa = align_down(ram[i].start, LARGE_PAGE_SIZE);

        for (; pa < ram[i].end; pa += LARGE_PAGE_SIZE)
            *kernel_entry(DIRECT_MAP_BASE + pa, 2) =
                pte_make_kernel(pa, PROT_READ | PROT_WRITE) | PTE_LARGE;
    }
    map_image(image_start, image_rodata, PROT_READ | PROT_EXEC);
    map_image(image_rodata, image_data, PROT_READ);
    map_image(image_data, image_end, PROT_READ | PROT_WRITE);
    write_cr3(kernel_root);
}

paddr_t memory_kernel_root(void)
{
    return kernel_root;
}

void *device_map(paddr_t pa, size_t size)
{
    paddr_t first = align_down(pa, PAGE_SIZE);
    vaddr_t va = device_next;

    device_next += align_up(pa + size, PAGE_SIZE) - first;
    if (device_next > DEVICE_END)
        panic("no room for device registers at 0x%lx", pa);
    for (vaddr_t page = va; page < device_next; page += PAGE_SIZE) {
        pte_t *entry = kernel_entry(page, 1);

        if (entry == NULL)
            panic("out of memory for device registers");
        *entry = pte_make_kernel(first + (page - va), PROT_READ | PROT_WRITE) | PTE_UNCACHED;
    }
    return (void *)(va + (pa - first));
}

/* --- Kernel stacks ------------------------------------------------------------------------- */

static void *stack_at(unsigned slot)
{
    return (void *)(STACKS_BASE + slot * STACK_SLOT + (STACK_SLOT - KERNEL_STACK_SIZE));
}

/* Unmap what is mapped of a stack, then free its pages. */
static void stack_clear(unsigned slot)
{
    vaddr_t start = (vaddr_t)stack_at(slot);
    pte_t old[KERNEL_STACK_SIZE / PAGE_SIZE];

    for (size_t i = 0; i < array_length(old); i++) {
        pte_t *entry = kernel_entry(start + i * PAGE_SIZE, 1);

        old[i] = entry != NULL ? *entry : 0;
        if (old[i] != 0)
            *entry = 0;
    }
    tlb_invalidate_kernel(start, start + KERNEL_STACK_SIZE);
    for (size_t i = 0; i < array_length(old); i++) {
        if (old[i] != 0)
            page_release(page_from_address(pte_address(old[i])));
    }
    stacks_free[stacks_free_count++] = (uint16_t)slot;
}

void *machine_stack_create(void)
{
    void *stack = NULL;
    unsigned slot;

    spin_lock(&stack_lock);
    if (stacks_free_count > 0)
        slot = stacks_free[--stacks_free_count];
    else if (stacks_made < STACKS_MAX)
        slot = stacks_made++;
    else
        goto out;
    for (size_t i = 0; i < KERNEL_STACK_SIZE / PAGE_SIZE; i++) {
        pte_t *entry = kernel_entry((vaddr_t)stack_at(slot) + i * PAGE_SIZE, 1);
        struct page *page = entry != NULL ? page_alloc(0) : NULL;

        if (page == NULL) {
            stack_clear(slot);
            goto out;
        }
        *entry = pte_make_kernel(page_address(page), PROT_READ | PROT_WRITE);
    }
    stack = stack_at(slot);
out:
    spin_unlock(&stack_lock);
    return stack;
}

void machine_stack_destroy(void *stack)
{
    spin_lock(&stack_lock);
    stack_clear((unsigned)(((vaddr_t)stack - STACKS_BASE) / STACK_SLOT));
    spin_unlock(&stack_lock);
}

bool memory_is_guard(vaddr_t va)
{
    vaddr_t end = (vaddr_t)stack_at(STACKS_MAX);

    return va >= STACKS_BASE && va < end &&
           (va - STACKS_BASE) % STACK_SLOT < STACK_SLOT - KERNEL_STACK_SIZE;
}
