/*
 * The life of a user thread: run the program until it traps, serve the trap, run it again.
 *
 * On the way back the thread looks, with interrupts disabled, whether it should give way or has
 * a signal; both can only become true later through an interrupt, which ends user_run() at once.
 * So nothing is missed between the look and the program's next instruction.
 */
#include "kern/trap.h"

#include "kern/abi/errno.h"
#include "kern/abi/signal.h"
#include "kern/cpu.h"
#include "kern/machine.h"
#include "kern/oom.h"
#include "kern/process.h"
#include "kern/sched.h"
#include "kern/schedule_point.h"
#include "kern/signal.h"
#include "kern/syscall.h"
#include "kern/thread.h"
#include "vm/map.h"

static void page_fault(struct trap *trap)
{
    int error = map_fault(process_self()->map, trap->address, trap->access);

    if (error == 0)
        return;
    if (error == -ENOMEM) {
        oom_kill();
        return;
    }
    trap->kind = TRAP_EXCEPTION;
    trap->signal = error == -EFAULT || error == -EACCES ? SIGSEGV : SIGBUS;
    trap->code = error == -EFAULT ? SEGV_MAPERR : error == -EACCES ? SEGV_ACCERR : BUS_ADRERR;
    signal_from_trap(trap);
}

static void handle(struct trap *trap)
{
    switch (trap->kind) {
    case TRAP_SYSCALL:
        syscall_dispatch();
        break;
    case TRAP_PAGE_FAULT:
        page_fault(trap);
        break;
    case TRAP_EXCEPTION:
        if (trap->signal == SIGKILL)
            process_exit(SIGKILL); /* there are no registers to continue with */
        signal_from_trap(trap);
        break;
    case TRAP_INTERRUPT:
        break;
    }
}

/* Do what must be done before the program continues; returns with interrupts disabled. */
static void user_return_checks(struct thread *self)
{
    for (;;) {
        if (self->interrupted.number >= 0 || signal_is_pending())
            signal_deliver();
        interrupts_disable();
        if (!cpu_self()->need_resched && !signal_is_pending())
            return;
        interrupts_restore(true);
        sched_check();
    }
}

void user_loop(void)
{
    struct thread *self = thread_self();

    for (;;) {
        schedule_point(SCHEDULE_USER, NULL, NULL);
        user_return_checks(self);
        struct trap trap = user_run(&self->frame);
        interrupts_restore(true);
        schedule_point(SCHEDULE_TRAP, NULL, NULL);
        handle(&trap);
    }
}
