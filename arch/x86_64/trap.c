/*
 * Traps: what the entries in entry.S lead to.
 *
 * From user mode everything ends user_run() (user.c), which asks this file what happened. From
 * kernel mode there are only interrupts, which are handled on the spot, and exceptions, which
 * are bugs and panic. NMIs serve TLB shootdown (tlb.c) and the end.
 */
#include "arch/x86_64/trap.h"

#include "arch/x86_64/apic.h"
#include "arch/x86_64/interrupt.h"
#include "arch/x86_64/memory.h"
#include "arch/x86_64/registers.h"
#include "arch/x86_64/time.h"
#include "arch/x86_64/tlb.h"
#include "arch/x86_64/x86.h"
#include "kern/abi/mman.h"
#include "kern/abi/signal.h"
#include "kern/cpu.h"
#include "kern/machine.h"
#include "kern/print.h"
#include "kern/trap.h"

/* SDM vol. 3A, table 6-1. */
enum {
    EXCEPTION_DIVIDE = 0,
    EXCEPTION_DEBUG = 1,
    EXCEPTION_NMI = 2,
    EXCEPTION_BREAKPOINT = 3,
    EXCEPTION_INVALID_OPCODE = 6,
    EXCEPTION_DOUBLE_FAULT = 8,
    EXCEPTION_STACK = 12,
    EXCEPTION_PAGE_FAULT = 14,
    EXCEPTION_X87 = 16,
    EXCEPTION_ALIGNMENT = 17,
    EXCEPTION_MACHINE_CHECK = 18,
    EXCEPTION_SIMD = 19,
    EXCEPTION_COUNT = 32,
};

static const char *const exception_names[EXCEPTION_COUNT] = {
    "divide error",
    "debug exception",
    "NMI",
    "breakpoint",
    "overflow",
    "bound range exceeded",
    "invalid opcode",
    "device not available",
    "double fault",
    "coprocessor segment overrun",
    "invalid TSS",
    "segment not present",
    "stack fault",
    "general protection",
    "page fault",
    "exception 15",
    "x87 floating-point error",
    "alignment check",
    "machine check",
    "SIMD floating-point exception",
    "virtualization exception",
    "control protection exception",
};

/* The error code of a page fault, SDM vol. 3A, section 4.7. */
#define PAGE_FAULT_PRESENT (1U << 0)
#define PAGE_FAULT_WRITE   (1U << 1)
#define PAGE_FAULT_USER    (1U << 2)
#define PAGE_FAULT_FETCH   (1U << 4)

static struct {
    void (*function)(void *argument);
    void *argument;
} handlers[VECTOR_DEVICE_COUNT]; /* immutable after start */

unsigned interrupt_allocate(void (*function)(void *argument), void *argument)
{
    for (unsigned i = 0; i < VECTOR_DEVICE_COUNT; i++) {
        if (handlers[i].function == NULL) {
            handlers[i].argument = argument;
            handlers[i].function = function;
            return VECTOR_DEVICE_FIRST + i;
        }
    }
    panic("more than %d device interrupts", VECTOR_DEVICE_COUNT);
}

static void handle_interrupt(uint64_t vector)
{
    uint64_t device = vector - VECTOR_DEVICE_FIRST;

    cpu_self()->in_interrupt = true;
    if (vector == VECTOR_TIMER)
        time_interrupt();
    else if (vector == VECTOR_KICK)
        kick_interrupt();
    else if (device < VECTOR_DEVICE_COUNT && handlers[device].function != NULL)
        handlers[device].function(handlers[device].argument);
    cpu_self()->in_interrupt = false;
    if (vector != VECTOR_SPURIOUS)
        apic_end_of_interrupt();
}

/* --- From kernel mode ---------------------------------------------------------------------- */

static const char *exception_name(uint64_t number)
{
    const char *name = number < EXCEPTION_COUNT ? exception_names[number] : NULL;

    return name != NULL ? name : "unknown trap";
}

static const char *access_name(uint64_t error_code)
{
    if (error_code & PAGE_FAULT_FETCH)
        return "execution";
    return error_code & PAGE_FAULT_WRITE ? "write" : "read";
}

void trap_from_kernel(const struct trapframe *frame)
{
    if (frame->trap_number >= EXCEPTION_COUNT) {
        handle_interrupt(frame->trap_number);
        interrupt_return();
        return;
    }
    if (frame->trap_number == EXCEPTION_PAGE_FAULT)
        panic_at(frame->rip, fault_frame_pointer(frame), frame,
                 "page fault in the kernel: %s at 0x%lx", access_name(frame->error_code),
                 read_cr2());
    panic_at(frame->rip, fault_frame_pointer(frame), frame, "%s in the kernel (error code 0x%lx)",
             exception_name(frame->trap_number), frame->error_code);
}

void trap_own_stack(const struct trapframe *frame)
{
    if (frame->trap_number == EXCEPTION_NMI) {
        tlb_answer(cpu_self());
        if (stop_is_wanted())
            stop_interrupt(frame->rip, fault_frame_pointer(frame));
        return;
    }
    if (frame->trap_number == EXCEPTION_DOUBLE_FAULT && memory_is_guard(read_cr2()))
        panic_at(frame->rip, frame->rbp, frame,
                 "kernel stack overflow of thread '%s', address 0x%lx", cpu_self()->current->name,
                 read_cr2());
    panic_at(frame->rip, frame->rbp, frame, "%s", exception_name(frame->trap_number));
}

/* --- From user mode ------------------------------------------------------------------------ */

/* The si_code of a floating-point exception, from its flags that are set and not masked:
 * SDM vol. 1, sections 8.1.3.3 and 10.2.3. */
static int floating_point_code(const struct trapframe *frame)
{
    uint16_t control, status;
    uint32_t mxcsr, raised;

    /* The exceptions' flags and masks have the same order in all of them. */
    __asm__ volatile("fnstcw %0; fnstsw %1; stmxcsr %2" : "=m"(control), "=m"(status), "=m"(mxcsr));
    if (frame->trap_number == EXCEPTION_SIMD)
        raised = mxcsr & ~(mxcsr >> 7);
    else
        raised = status & ~(uint32_t)control;
    if (raised & 1)
        return FPE_FLTINV;
    if (raised & 4)
        return FPE_FLTDIV;
    if (raised & 8)
        return FPE_FLTOVF;
    if (raised & (16 | 2))
        return FPE_FLTUND;
    return FPE_FLTRES;
}

static struct trap exception(int signal, int code, vaddr_t address)
{
    return (struct trap){
        .kind = TRAP_EXCEPTION, .signal = signal, .code = code, .address = address};
}

/*
 * An access by the processor itself to a page that is there (descriptor tables, and the stack of
 * a program's IRET or far return, which QEMU reads with the kernel's rights and SMAP refuses) is
 * the program's error: no page can be brought in, and to try again would go on for ever.
 */
static struct trap page_fault(const struct trapframe *frame)
{
    struct trap trap = {.kind = TRAP_PAGE_FAULT, .access = PROT_READ, .address = read_cr2()};

    if ((frame->error_code & (PAGE_FAULT_PRESENT | PAGE_FAULT_USER)) == PAGE_FAULT_PRESENT)
        return exception(SIGSEGV, SI_KERNEL, 0);
    if (frame->error_code & PAGE_FAULT_FETCH)
        trap.access = PROT_EXEC;
    else if (frame->error_code & PAGE_FAULT_WRITE)
        trap.access = PROT_WRITE;
    return trap;
}

struct trap trap_from_user(const struct trapframe *frame)
{
    switch (frame->trap_number) {
    case TRAP_NUMBER_SYSCALL:
        return (struct trap){.kind = TRAP_SYSCALL};
    case EXCEPTION_PAGE_FAULT:
        return page_fault(frame);
    case EXCEPTION_DIVIDE:
        return exception(SIGFPE, FPE_INTDIV, frame->rip);
    case EXCEPTION_DEBUG:
        return exception(SIGTRAP, TRAP_TRACE, frame->rip);
    case EXCEPTION_BREAKPOINT:
        return exception(SIGTRAP, SI_KERNEL, 0);
    case EXCEPTION_INVALID_OPCODE:
        return exception(SIGILL, ILL_ILLOPN, frame->rip);
    case EXCEPTION_X87:
    case EXCEPTION_SIMD:
        return exception(SIGFPE, floating_point_code(frame), frame->rip);
    case EXCEPTION_STACK:
        return exception(SIGBUS, SI_KERNEL, 0);
    case EXCEPTION_ALIGNMENT:
        return exception(SIGBUS, BUS_ADRALN, 0);
    }
    if (frame->trap_number < EXCEPTION_COUNT)
        return exception(SIGSEGV, SI_KERNEL, 0);
    handle_interrupt(frame->trap_number);
    return (struct trap){.kind = TRAP_INTERRUPT};
}
