/*
 * Descriptor tables: SDM vol. 3A, chapters 3 (segments), 6 (interrupts) and 8 (tasks).
 *
 * In 64-bit mode segments do little: a code segment says the privilege level, and the task state
 * says where the stack is. A trap from user mode pushes on the stack RSP0, which user_enter()
 * sets so that the registers land in the thread's trapframe. Three interrupts may come when
 * the stack pointer or GS cannot be trusted and have stacks of their own (IST): NMI, double
 * fault (the kernel stack may be full) and machine check. At the top of such a stack lies the
 * pointer to the CPU, for entry.S.
 */
#include "arch/x86_64/descriptors.h"

#include "arch/x86_64/x86.h"
#include "kern/cpu.h"
#include "kern/types.h"

/* Table 3-1 and section 3.4.5: present, type and level of a segment; L marks 64-bit code. */
#define SEGMENT_CODE64(level) (0x00af9b000000ffffUL | (uint64_t)(level) << 45)
#define SEGMENT_DATA(level)   (0x00cf93000000ffffUL | (uint64_t)(level) << 45)
#define SEGMENT_TASK          (0x89UL << 40) /* available 64-bit TSS, section 8.2.3 */

#define GATE_INTERRUPT 0x8e /* present, level 0, interrupts disabled: section 6.14.1 */
#define GATE_USER      0x60 /* may be called from user mode */

#define EXCEPTION_NMI           2
#define EXCEPTION_BREAKPOINT    3
#define EXCEPTION_OVERFLOW      4
#define EXCEPTION_DOUBLE_FAULT  8
#define EXCEPTION_MACHINE_CHECK 18

struct gate {
    uint16_t offset_low, selector;
    uint8_t stack, type;
    uint16_t offset_middle;
    uint32_t offset_high, reserved;
};

struct task_state { /* figure 8-11 */
    uint32_t reserved_1;
    uint64_t stacks[3]; /* RSP0 to RSP2 */
    uint64_t reserved_2;
    uint64_t interrupt_stacks[7]; /* IST1 to IST7 */
    uint64_t reserved_3;
    uint16_t reserved_4, io_map;
} __attribute__((packed));

struct table_pointer {
    uint16_t limit;
    uint64_t base;
} __attribute__((packed));

struct interrupt_stack {
    uint8_t stack[8192 - 16];
    struct cpu *cpu; /* entry.S finds it here */
    uint64_t padding;
} __attribute__((aligned(16)));

enum { STACK_NMI, STACK_DOUBLE_FAULT, STACK_MACHINE_CHECK, STACKS };

static struct cpu_tables {
    uint64_t segments[SELECTOR_TASK / 8 + 2];
    struct task_state task;
    struct interrupt_stack stacks[STACKS];
} tables[MAX_CPUS];

static struct gate gates[256];

/* entry.S: where vector n enters is trap_entries + n * TRAP_ENTRY_SIZE. */
extern char trap_entries[];
#define TRAP_ENTRY_SIZE 16

/* entry.S: the SYSCALL instruction. */
void syscall_entry(void);

static void set_gate(unsigned vector, uint8_t type, uint8_t stack)
{
    uint64_t entry = (uint64_t)trap_entries + vector * TRAP_ENTRY_SIZE;

    gates[vector] = (struct gate){
        .offset_low = (uint16_t)entry,
        .selector = SELECTOR_KERNEL_CODE,
        .stack = stack,
        .type = type,
        .offset_middle = (uint16_t)(entry >> 16),
        .offset_high = (uint32_t)(entry >> 32),
    };
}

static void init_gates(void)
{
    for (unsigned vector = 0; vector < array_length(gates); vector++)
        set_gate(vector, GATE_INTERRUPT, 0);
    set_gate(EXCEPTION_BREAKPOINT, GATE_INTERRUPT | GATE_USER, 0);
    set_gate(EXCEPTION_OVERFLOW, GATE_INTERRUPT | GATE_USER, 0);
    set_gate(EXCEPTION_NMI, GATE_INTERRUPT, STACK_NMI + 1);
    set_gate(EXCEPTION_DOUBLE_FAULT, GATE_INTERRUPT, STACK_DOUBLE_FAULT + 1);
    set_gate(EXCEPTION_MACHINE_CHECK, GATE_INTERRUPT, STACK_MACHINE_CHECK + 1);
}

static void load_tables(struct cpu_tables *table)
{
    struct table_pointer segments = {sizeof(table->segments) - 1, (uint64_t)table->segments};
    struct table_pointer interrupts = {sizeof(gates) - 1, (uint64_t)gates};

    __asm__ volatile("lgdt %0\n\t"
                     "pushq %1\n\t" /* a far return loads CS */
                     "leaq 1f(%%rip), %%rax\n\t"
                     "pushq %%rax\n\t"
                     "lretq\n"
                     "1:\n\t"
                     "movl %2, %%eax\n\t"
                     "movl %%eax, %%ss\n\t"
                     "lidt %3\n\t"
                     "ltr %w4"
                     :
                     : "m"(segments), "i"(SELECTOR_KERNEL_CODE), "i"(SELECTOR_KERNEL_DATA),
                       "m"(interrupts), "r"(SELECTOR_TASK)
                     : "rax", "memory");
}

/* SYSCALL loads CS and SS from bits 47:32 of STAR, SYSRET from 63:48, and clears in RFLAGS what
 * is set in FMASK (SDM vol. 2B). */
static void init_syscall(void)
{
    wrmsr(MSR_STAR, (uint64_t)SELECTOR_USER_32 << 48 | (uint64_t)SELECTOR_KERNEL_CODE << 32);
    wrmsr(MSR_LSTAR, (uint64_t)syscall_entry);
    wrmsr(MSR_FMASK, RFLAGS_TF | RFLAGS_IF | RFLAGS_DF | RFLAGS_IOPL | RFLAGS_NT | RFLAGS_AC);
}

/* Forbid the kernel to run or touch user memory by its user address, where the processor can
 * (SDM vol. 3A, section 4.6): all accesses go through the direct map. */
static void init_protection(void)
{
    uint32_t features = cpuid(7).ebx;

    write_cr4(read_cr4() | (features & 1U << 7 ? CR4_SMEP : 0) |
              (features & 1U << 20 ? CR4_SMAP : 0));
}

void descriptors_init_cpu(struct cpu *cpu)
{
    struct cpu_tables *table = &tables[cpu->id];
    uint64_t task = (uint64_t)&table->task;

    cpu->machine.self = cpu;
    if (cpu->id == 0)
        init_gates();
    table->segments[SELECTOR_KERNEL_CODE / 8] = SEGMENT_CODE64(0);
    table->segments[SELECTOR_KERNEL_DATA / 8] = SEGMENT_DATA(0);
    table->segments[SELECTOR_USER_DATA / 8] = SEGMENT_DATA(3);
    table->segments[SELECTOR_USER_CODE / 8] = SEGMENT_CODE64(3);
    table->segments[SELECTOR_TASK / 8] = SEGMENT_TASK | (sizeof(table->task) - 1) |
                                         (task & 0xffffff) << 16 | (task >> 24 & 0xff) << 56;
    table->segments[SELECTOR_TASK / 8 + 1] = task >> 32;
    table->task.io_map = sizeof(table->task); /* no ports for user programs */
    for (int i = 0; i < STACKS; i++) {
        table->stacks[i].cpu = cpu;
        table->task.interrupt_stacks[i] = (uint64_t)&table->stacks[i].cpu;
    }
    load_tables(table);
    wrmsr(MSR_GS_BASE, (uint64_t)&cpu->machine);
    wrmsr(MSR_KERNEL_GS_BASE, 0);
    init_syscall();
    init_protection();
}

void descriptors_set_stack(struct cpu *cpu, void *top)
{
    tables[cpu->id].task.stacks[0] = (uint64_t)top;
}
