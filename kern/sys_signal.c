/*
 * System calls about signals (kill(2), sigaction(2), sigprocmask(2), ...).
 */
#include "kern/abi/errno.h"
#include "kern/abi/signal.h"
#include "kern/clock.h"
#include "kern/machine.h"
#include "kern/process.h"
#include "kern/sched.h"
#include "kern/signal.h"
#include "kern/syscall.h"
#include "kern/thread.h"
#include "kern/uaccess.h"

/* kill(2): root may signal anyone, others processes of the same user. */
static bool may_signal(const struct process *target)
{
    const struct process *self = process_self();

    return self->euid == 0 || self->euid == target->uid || self->uid == target->uid;
}

static bool is_target(const struct process *process, pid_t pid)
{
    const struct process *self = process_self();

    if (pid > 0)
        return process->pid == pid;
    if (pid == -1)
        return process != self && process->parent != NULL;
    return process->group == (pid == 0 ? self->group : -pid);
}

int64_t sys_kill(const uint64_t arg[])
{
    pid_t pid = (pid_t)arg[0];
    int signal = (int)arg[1], error = -ESRCH;

    if (signal < 0 || signal > NSIG)
        return -EINVAL;
    spin_lock(&process_tree_lock);
    list_for_each (&process_list, process, struct process, all_link) {
        if (!is_target(process, pid))
            continue;
        if (may_signal(process)) {
            signal_send(process, signal);
            error = 0;
        } else if (error != 0) {
            error = -EPERM;
        }
    }
    spin_unlock(&process_tree_lock);
    return error;
}

/* To the thread `tid` of process `pid`, or of whichever process (0). */
static int64_t send_to_thread(pid_t pid, pid_t tid, int signal)
{
    struct thread *thread;
    int error = 0;

    if (tid <= 0 || signal < 0 || signal > NSIG)
        return -EINVAL;
    spin_lock(&process_tree_lock);
    thread = thread_group_find(tid);
    if (thread == NULL || (pid != 0 && thread->process->pid != pid))
        error = -ESRCH;
    else if (!may_signal(thread->process))
        error = -EPERM;
    else
        signal_send_thread(thread, signal, SI_TKILL);
    spin_unlock(&process_tree_lock);
    return error;
}

int64_t sys_tkill(const uint64_t arg[])
{
    return send_to_thread(0, (pid_t)arg[0], (int)arg[1]);
}

int64_t sys_tgkill(const uint64_t arg[])
{
    if ((pid_t)arg[0] <= 0)
        return -EINVAL;
    return send_to_thread((pid_t)arg[0], (pid_t)arg[1], (int)arg[2]);
}

int64_t sys_rt_sigaction(const uint64_t arg[])
{
    struct process *self = process_self();
    int signal = (int)arg[0], error = 0;
    uaddr_t new_address = arg[1], old_address = arg[2];
    struct kernel_sigaction new_action, old_action;

    if (arg[3] != sizeof(uint64_t) || signal < 1 || signal > NSIG)
        return -EINVAL;
    if (new_address != 0)
        error = copyin(&new_action, new_address, sizeof(new_action));
    if (error != 0)
        return error;
    if (new_address != 0 && (signal_bit(signal) & UNBLOCKABLE))
        return -EINVAL;
    spin_lock(&self->lock);
    old_action = self->signals.actions[signal - 1];
    if (new_address != 0) {
        new_action.mask &= ~UNBLOCKABLE;
        self->signals.actions[signal - 1] = new_action;
        if (new_action.handler == SIG_IGN)
            signal_forget(self, signal_bit(signal));
    }
    spin_unlock(&self->lock);
    return old_address != 0 ? copyout(old_address, &old_action, sizeof(old_action)) : 0;
}

int64_t sys_rt_sigprocmask(const uint64_t arg[])
{
    int how = (int)arg[0];
    uaddr_t new_address = arg[1], old_address = arg[2];
    uint64_t set = 0, old = thread_self()->signals.blocked;
    int error = 0;

    if (arg[3] != sizeof(uint64_t))
        return -EINVAL;
    if (new_address != 0)
        error = copyin(&set, new_address, sizeof(set));
    if (error != 0)
        return error;
    if (new_address != 0) {
        if (how != SIG_BLOCK && how != SIG_UNBLOCK && how != SIG_SETMASK)
            return -EINVAL;
        if (how == SIG_BLOCK)
            set |= old;
        else if (how == SIG_UNBLOCK)
            set = old & ~set;
        signal_set_mask(set);
    }
    return old_address != 0 ? copyout(old_address, &old, sizeof(old)) : 0;
}

int64_t sys_rt_sigpending(const uint64_t arg[])
{
    const struct thread_signals *own = &thread_self()->signals;
    uint64_t pending = (own->pending | process_self()->signals.pending) & own->blocked;

    if (arg[1] > sizeof(pending))
        return -EINVAL;
    return copyout(arg[0], &pending, arg[1]);
}

/* Sleep until a signal is delivered. */
static int64_t wait_for_signal(void)
{
    int error;

    do
        error = clock_sleep_until(NSEC_NEVER);
    while (error == 0);
    return -ERESTARTNOHAND;
}

int64_t sys_rt_sigsuspend(const uint64_t arg[])
{
    struct thread_signals *own = &thread_self()->signals;
    uint64_t mask;
    int error;

    if (arg[1] != sizeof(mask))
        return -EINVAL;
    error = copyin(&mask, arg[0], sizeof(mask));
    if (error != 0)
        return error;
    own->suspended = own->blocked;
    own->is_suspended = true;
    signal_set_mask(mask);
    return wait_for_signal();
}

int64_t sys_pause(const uint64_t arg[])
{
    (void)arg;
    return wait_for_signal();
}

/* What sigaltstack(2) takes and tells. */
struct alternate_stack {
    uaddr_t base;
    int32_t flags, padding;
    uint64_t size;
};

static int set_stack(const struct alternate_stack *stack)
{
    if (signal_is_on_stack())
        return -EPERM;
    if (stack->flags == SS_DISABLE)
        return signal_set_stack(0, 0);
    if (stack->flags != 0 && stack->flags != SS_ONSTACK)
        return -EINVAL;
    return stack->size == 0 ? -ENOMEM : signal_set_stack(stack->base, stack->size);
}

int64_t sys_sigaltstack(const uint64_t arg[])
{
    const struct thread_signals *own = &thread_self()->signals;
    struct alternate_stack stack, old = {.base = own->stack, .size = own->stack_size};
    int error = 0;

    old.flags = old.size == 0 ? SS_DISABLE : signal_is_on_stack() ? SS_ONSTACK : 0;
    if (arg[0] != 0)
        error = copyin(&stack, arg[0], sizeof(stack));
    if (error == 0 && arg[0] != 0)
        error = set_stack(&stack);
    return error != 0 || arg[1] == 0 ? error : copyout(arg[1], &old, sizeof(old));
}

int64_t sys_rt_sigreturn(const uint64_t arg[])
{
    struct signal_saved saved;

    (void)arg;
    if (user_frame_pop_signal(&thread_self()->frame, &saved) != 0)
        process_exit(SIGSEGV);
    signal_set_mask(saved.mask);
    /* The handler may have written anything there; Linux ignores errors, too. */
    (void)!signal_set_stack(saved.stack, saved.stack_size);
    return 0;
}
