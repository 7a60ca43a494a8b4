/*
 * Faults of the kernel itself: a bad pointer, a stack that overflowed into its guard page, an
 * illegal instruction. The host's signal is handled on a stack apart, since the kernel's may be
 * the trouble, and ends in a panic with a backtrace of the code that failed.
 */
#include "arch/vkernel/vkernel.h"
#include "arch/vkernel/vmspace/linux.h"
#include "arch/x86_64/registers.h"
#include "kern/cpu.h"
#include "kern/machine.h"
#include "kern/print.h"
#include "kern/thread.h"

#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>

#define FAULT_STACK_SIZE (64 * 1024)

static const char *fault_name(int signal)
{
    switch (signal) {
    case SIGSEGV:
        return "bad memory access";
    case SIGBUS:
        return "bus error (a file behind the memory was cut?)";
    case SIGFPE:
        return "arithmetic fault";
    case SIGABRT:
        return "abort";
    default:
        return "illegal instruction";
    }
}

/* Whether the address is in the guard page of the current thread's stack. */
static bool is_stack_overflow(vaddr_t address)
{
    const struct thread *thread = cpu_self()->current;
    vaddr_t stack = thread != NULL ? (vaddr_t)thread->stack : 0;

    return stack != 0 && address < stack && address >= stack - STACK_GUARD_SIZE;
}

void fault_make_frame(const void *context, struct trapframe *frame)
{
    const greg_t *registers = ((const ucontext_t *)context)->uc_mcontext.gregs;
    uint64_t segments = (uint64_t)registers[REG_CSGSFS]; /* cs, gs, fs, ss: 16 bits each */

    frame->r15 = (uint64_t)registers[REG_R15];
    frame->r14 = (uint64_t)registers[REG_R14];
    frame->r13 = (uint64_t)registers[REG_R13];
    frame->r12 = (uint64_t)registers[REG_R12];
    frame->rbp = (uint64_t)registers[REG_RBP];
    frame->rbx = (uint64_t)registers[REG_RBX];
    frame->r11 = (uint64_t)registers[REG_R11];
    frame->r10 = (uint64_t)registers[REG_R10];
    frame->r9 = (uint64_t)registers[REG_R9];
    frame->r8 = (uint64_t)registers[REG_R8];
    frame->rax = (uint64_t)registers[REG_RAX];
    frame->rcx = (uint64_t)registers[REG_RCX];
    frame->rdx = (uint64_t)registers[REG_RDX];
    frame->rsi = (uint64_t)registers[REG_RSI];
    frame->rdi = (uint64_t)registers[REG_RDI];
    frame->error_code = (uint64_t)registers[REG_ERR];
    frame->rip = (uint64_t)registers[REG_RIP];
    frame->rflags = (uint64_t)registers[REG_EFL];
    frame->rsp = (uint64_t)registers[REG_RSP];
    frame->cs = segments & 0xffff;
    frame->ss = segments >> 48;
}

static void handle_fault(int signal, siginfo_t *info, void *context)
{
    vaddr_t address = (vaddr_t)info->si_addr;
    struct trapframe frame;

    fault_make_frame(context, &frame);
    if (!is_cpu_thread()) /* not the kernel's business */
        die(125, 0, "internal error: %s at %#lx, address %#lx", fault_name(signal), frame.rip,
            address);
    interrupts_disable();
    if (signal == SIGSEGV && is_stack_overflow(address))
        panic_at(frame.rip, frame.rbp, &frame, "kernel stack overflow of thread '%s', address %#lx",
                 cpu_self()->current->name, address);
    panic_at(frame.rip, fault_frame_pointer(&frame), &frame, "%s in the kernel, address %#lx",
             fault_name(signal), address);
}

void fault_init(void)
{
    static const int signals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};
    struct sigaction action = {
        .sa_sigaction = handle_fault,
        .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER,
    };

    sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < array_length(signals); i++)
        host_sigaction(signals[i], &action, NULL);
}

void *fault_stack_install(void)
{
    stack_t stack = {.ss_size = FAULT_STACK_SIZE};
    sigset_t faults;

    stack.ss_sp =
        mmap(NULL, FAULT_STACK_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (stack.ss_sp == MAP_FAILED || sigaltstack(&stack, NULL) != 0)
        die(1, 0, "no memory for a fault stack");
    sigemptyset(&faults);
    sigaddset(&faults, SIGSEGV);
    sigaddset(&faults, SIGBUS);
    sigaddset(&faults, SIGFPE);
    sigaddset(&faults, SIGILL);
    sigprocmask(SIG_UNBLOCK, &faults, NULL);
    return stack.ss_sp;
}
