/*
 * Interrupts: host signals to the host thread that is a CPU.
 *
 * Whoever wants a CPU's attention sets a bit in its word `pending` and then makes sure that the
 * CPU looks: it wakes the CPU if that sleeps in machine_idle(), and else sends it SIGUSR1. The
 * host's timer sends SIGALRM, whose handler sets the bit itself.
 *
 *      handler finds interrupts      it
 *      enabled                       serves `pending` at once, on the stack of the kernel thread
 *                                    that it interrupted, and may switch to another thread
 *      disabled, in user_run()       makes the guest program stop: user_run() returns
 *      disabled                      does nothing: interrupts_enable() looks at `pending`
 *
 * A kernel thread that was switched away inside the handler may continue on another CPU. What
 * the host's sigreturn then restores is right there, too: all CPUs have the same signal mask, and
 * FS and GS bases are not in a signal frame. Only the alternate stack is, and is set right.
 */
#include "arch/vkernel/seeded.h"
#include "arch/vkernel/vkernel.h"
#include "arch/vkernel/vmspace/linux.h"
#include "arch/vkernel/vmspace/vmspace.h"
#include "arch/x86_64/registers.h"
#include "kern/cpu.h"
#include "kern/machine.h"
#include "kern/sanitizer.h"

#include <signal.h>
#include <ucontext.h>

static not_instrumented struct machine_cpu *this_machine_cpu(void)
{
    return &cpu_self()->machine;
}

static void serve(uint32_t bits)
{
    cpu_self()->in_interrupt = true;
    if (bits & INTERRUPT_KICK)
        kick_interrupt();
    if ((bits & INTERRUPT_TIMER) && clock_timer_expired())
        timer_interrupt();
    if (bits & INTERRUPT_DISK)
        disk_interrupt();
    if (bits & INTERRUPT_CONSOLE)
        console_interrupt();
    if (bits & INTERRUPT_SHUTDOWN) {
        console_expect_end();
        shutdown_request();
    }
    cpu_self()->in_interrupt = false;
}

/* Serve what is pending and let another thread run if it should. Interrupts are disabled before
 * and after; the code that this interrupts had them enabled. */
static void serve_pending(void)
{
    uint32_t bits;

    while ((bits = __atomic_exchange_n(&this_machine_cpu()->pending, 0, __ATOMIC_SEQ_CST)) != 0) {
        serve(bits);
        interrupt_return();
    }
}

void machine_replay_interrupts(void)
{
    do {
        interrupts_disable();
        serve_pending();
        this_machine_cpu()->interrupts_on = 1;
    } while (this_machine_cpu()->pending != 0);
}

static void handle_signal(int signal, siginfo_t *info, void *context);

/*
 * The context of what was interrupted. Of two signals that come at once the one's handler is
 * interrupted by the other before its first instruction, with its arguments in registers.
 */
static not_instrumented ucontext_t *interrupted_context(ucontext_t *context)
{
    while (context->uc_mcontext.gregs[REG_RIP] == (greg_t)handle_signal)
        context = (ucontext_t *)context->uc_mcontext.gregs[REG_RDX];
    return context;
}

static not_instrumented void stop(const ucontext_t *context)
{
    struct trapframe frame;

    fault_make_frame(context, &frame);
    stop_interrupt(frame.rip, fault_frame_pointer(&frame));
}

/*
 * Make `frame`, a signal handler's, lead backtraces to the interrupted function, by way of two
 * words of the context that the host does not use: there is no frame of a caller. The host, to
 * which the handler returns, restores all registers from the context.
 */
static not_instrumented void link_frame(ucontext_t *context, volatile vaddr_t *frame)
{
    const greg_t *registers = context->uc_mcontext.gregs;
    vaddr_t *link = (vaddr_t *)context->uc_mcontext.__reserved1;

    link[0] = (vaddr_t)registers[REG_RBP];
    link[1] = (vaddr_t)registers[REG_RIP];
    *frame = (vaddr_t)link;
}

static not_instrumented void handle_signal(int signal, siginfo_t *info, void *context)
{
    struct machine_cpu *machine = this_machine_cpu();
    stack_t *stack = &((ucontext_t *)context)->uc_stack;

    (void)info;
    link_frame(interrupted_context(context), __builtin_frame_address(0));
    if (stop_is_wanted())
        stop(interrupted_context(context));
    if (is_seeded) {
        if (signal == SIGALRM)
            seeded_alarm(interrupted_context(context));
        return;
    }
    if (signal == SIGALRM)
        __atomic_or_fetch(&machine->pending, INTERRUPT_TIMER, __ATOMIC_SEQ_CST);
    if (!machine->interrupts_on) {
        if (machine->in_guest)
            vmspace_kick(machine->vframe);
        return;
    }
    interrupts_disable();
    serve_pending();
    stack->ss_sp = this_machine_cpu()->fault_stack;
    interrupts_enable();
}

static void send_signal(const struct machine_cpu *machine)
{
    host_call(SYS_tgkill, host_call(SYS_getpid), machine->host_thread, SIGUSR1);
}

void interrupt_raise(struct cpu *cpu, uint32_t bits)
{
    struct machine_cpu *machine = &cpu->machine;
    uint32_t old = __atomic_fetch_or(&machine->pending, bits, __ATOMIC_SEQ_CST);

    if ((old & bits) == bits)
        return; /* whoever set them sees to it */
    if (is_seeded)
        seeded_wake();
    else if (machine->idle)
        host_futex_wake(&machine->pending, 1);
    else
        send_signal(machine);
}

void machine_kick(struct cpu *cpu)
{
    interrupt_raise(cpu, INTERRUPT_KICK);
}

void machine_stop(struct cpu *cpu)
{
    if (is_seeded)
        seeded_stop(cpu);
    else
        send_signal(&cpu->machine);
}

void machine_halt(void)
{
    for (;;)
        host_call(SYS_pause);
}

/* A signal that comes after `pending` was looked at changes it, and the host's futex(2) does not
 * sleep on a word that has changed. */
void machine_idle(void)
{
    struct machine_cpu *machine = this_machine_cpu();

    if (is_seeded) {
        seeded_idle();
        return;
    }
    __atomic_store_n(&machine->idle, 1, __ATOMIC_SEQ_CST);
    vmspace_cpu_busy(false);
    while (__atomic_load_n(&machine->pending, __ATOMIC_SEQ_CST) == 0)
        host_futex_wait(&machine->pending, 0, NULL);
    vmspace_cpu_busy(true);
    __atomic_store_n(&machine->idle, 0, __ATOMIC_SEQ_CST); /* before `pending` is looked at again */
    interrupts_enable();
    interrupts_disable();
}

void interrupt_init(void)
{
    struct sigaction action = {
        .sa_sigaction = handle_signal,
        .sa_flags = SA_SIGINFO | SA_RESTART | SA_NODEFER,
    };

    sigemptyset(&action.sa_mask);
    host_sigaction(SIGUSR1, &action, NULL);
    host_sigaction(SIGALRM, &action, NULL);
}
