/*
 * Running user programs: user_run() and the state that only they have, the floating-point
 * registers and the segment bases.
 *
 * The kernel uses neither, so they stay in the processor while a thread is in the kernel, and
 * a system call costs nothing for them. machine_cpu.user_frame says whose they are. They are
 * saved when the thread leaves the CPU (context_switch() below) and loaded by the next
 * user_run() that does not find its own; so a thread that does not run has everything in its
 * frame, and no CPU ever needs another one's registers.
 */
#include "arch/x86_64/descriptors.h"
#include "arch/x86_64/signal_frame.h"
#include "arch/x86_64/trap.h"
#include "arch/x86_64/x86.h"
#include "kern/abi/mman.h"
#include "kern/cpu.h"
#include "kern/machine.h"
#include "kern/spinlock.h"
#include "kern/string.h"
#include "kern/trap.h"

/* The FXSAVE area, SDM vol. 1, section 10.5.1. */
struct fxsave_area {
    uint16_t control, status, tags, opcode;
    uint64_t instruction, operand;
    uint32_t mxcsr, mxcsr_mask;
};

#define X87_CONTROL_RESET 0x037f /* as after FNINIT */
#define MXCSR_RESET       0x1f80
#define MXCSR_VALID       0xffbf /* the others raise #GP; DAZ is on every 64-bit processor */

#define RFLAGS_USER (RFLAGS_STATUS | RFLAGS_TF | RFLAGS_DF | RFLAGS_AC | RFLAGS_ID)

/* entry.S pushes the registers below this address, which the processor aligns to 16. */
_Static_assert(offsetof(struct trapframe, fs_base) == 22 * 8, "used in entry.S");
_Static_assert(offsetof(struct trapframe, trap_number) == 15 * 8, "used in entry.S");
_Static_assert(offsetof(struct trapframe, fs_base) % 16 == 0, "the trap stack's alignment");

static void load_fs_base(struct machine_cpu *cpu, uint64_t base)
{
    wrmsr(MSR_FS_BASE, base);
    cpu->fs_base = base;
}

/* Make the registers that the kernel does not use those of `frame`. */
static void load_user_state(struct machine_cpu *cpu, struct trapframe *frame)
{
    if (cpu->user_frame != frame) {
        struct fxsave_area *area = (struct fxsave_area *)frame->fpu;

        area->mxcsr &= MXCSR_VALID;
        __asm__ volatile("fxrstor64 %0" ::"m"(frame->fpu));
        /* The last program may have loaded selectors, too. */
        __asm__ volatile("mov %0, %%ds; mov %0, %%es; mov %0, %%fs" ::"r"(0));
        load_fs_base(cpu, frame->fs_base);
        wrmsr(MSR_KERNEL_GS_BASE, frame->gs_base); /* SWAPGS exchanges it */
        cpu->gs_base = frame->gs_base;
        cpu->user_frame = frame;
    }
    if (cpu->fs_base != frame->fs_base)
        load_fs_base(cpu, frame->fs_base);
    if (cpu->gs_base != frame->gs_base) {
        wrmsr(MSR_KERNEL_GS_BASE, frame->gs_base);
        cpu->gs_base = frame->gs_base;
    }
}

/*
 * SYSRET takes rip from rcx and rflags from r11, where SYSCALL left them: it is right only if
 * nobody has changed the frame since. It must not see a non-canonical rip (user_run() checked
 * that: SYSRET would fault in kernel mode with the program's stack pointer) nor the trap flag.
 */
static bool can_use_sysret(const struct trapframe *frame)
{
    return frame->trap_number == TRAP_NUMBER_SYSCALL && frame->rcx == frame->rip &&
           frame->r11 == frame->rflags && (frame->rflags & RFLAGS_TF) == 0;
}

struct trap user_run(struct trapframe *frame)
{
    struct cpu *cpu = cpu_self();

    if (frame->rip >= USER_MAX)
        return (struct trap){.kind = TRAP_PAGE_FAULT, .access = PROT_EXEC, .address = frame->rip};
    frame->cs = SELECTOR_USER_CODE;
    frame->ss = SELECTOR_USER_DATA;
    frame->rflags = (frame->rflags & RFLAGS_USER) | RFLAGS_FIXED | RFLAGS_IF;
    load_user_state(&cpu->machine, frame);
    cpu->machine.frame_end = &frame->fs_base;
    descriptors_set_stack(cpu, &frame->fs_base);
    user_enter(frame, can_use_sysret(frame));
    return trap_from_user(frame);
}

/* Save what the processor holds and forget whose it is. Interrupts are disabled. */
static void unload_user_state(struct machine_cpu *cpu)
{
    __asm__ volatile("fxsave64 %0" : "=m"(cpu->user_frame->fpu));
    cpu->user_frame = NULL;
}

void context_switch(struct context *from, struct context *to)
{
    struct machine_cpu *cpu = &cpu_self()->machine;

    if (cpu->user_frame != NULL)
        unload_user_state(cpu);
    context_switch_registers(from, to);
}

void user_frame_save_fpu(struct trapframe *frame)
{
    interrupts_push();
    if (cpu_self()->machine.user_frame == frame)
        unload_user_state(&cpu_self()->machine);
    interrupts_pop();
}

void user_frame_init(struct trapframe *frame, uaddr_t entry, uaddr_t stack)
{
    struct fxsave_area *area = (struct fxsave_area *)frame->fpu;

    user_frame_release(frame);
    memset(frame, 0, sizeof(*frame));
    frame->rip = entry;
    frame->rsp = stack;
    area->control = X87_CONTROL_RESET;
    area->mxcsr = MXCSR_RESET;
}

void user_frame_copy(struct trapframe *to, struct trapframe *from)
{
    user_frame_release(to);
    user_frame_save_fpu(from);
    *to = *from;
}

void user_frame_release(struct trapframe *frame)
{
    interrupts_push();
    if (cpu_self()->machine.user_frame == frame)
        cpu_self()->machine.user_frame = NULL;
    interrupts_pop();
}
