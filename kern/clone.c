/*
 * Making processes and threads: fork(2), vfork(2) and clone(2).
 *
 * A child gets copies of what its parent has, or shares, as the flags of clone(2) say. It is made
 * completely before it enters the tree of processes, so that every failure before then is undone
 * by freeing it. A thread shares everything, and only joins its process.
 *
 * vfork: the child shares the parent's address map, and the parent sleeps on its child_event
 * until the child's vfork_pending is cleared by its exec or exit.
 */
#include "kern/abi/errno.h"
#include "kern/abi/sched.h"
#include "kern/cpu.h"
#include "kern/file.h"
#include "kern/fs/vnode.h"
#include "kern/machine.h"
#include "kern/process.h"
#include "kern/string.h"
#include "kern/thread.h"
#include "kern/trap.h"
#include "kern/uaccess.h"
#include "vm/map.h"

/* Give `child` its share or its copies of what the current process has. */
static int copy_resources(struct process *child, struct process *parent, uint64_t flags)
{
    int error = 0;

    if (flags & CLONE_VM) {
        map_reference(parent->map);
        child->map = parent->map;
    } else {
        error = map_fork(parent->map, &child->map);
    }
    if (error == 0 && (flags & CLONE_FILES)) {
        file_table_reference(parent->files);
        child->files = parent->files;
    } else if (error == 0) {
        error = file_table_copy(parent->files, &child->files);
    }
    if (error == 0 && (flags & CLONE_FS)) {
        fs_context_reference(parent->fs);
        child->fs = parent->fs;
    } else if (error == 0) {
        error = fs_context_copy(parent->fs, &child->fs);
    }
    if (error == 0 && parent->executable != NULL) {
        error = vnode_deny_write(parent->executable);
        if (error == 0) {
            vnode_reference(parent->executable);
            child->executable = parent->executable;
        }
    }
    return error;
}

static void copy_attributes(struct process *child, struct process *parent)
{
    spin_lock(&parent->lock);
    child->uid = parent->uid;
    child->euid = parent->euid;
    child->gid = parent->gid;
    child->egid = parent->egid;
    child->signals = parent->signals;
    child->signals.pending = 0;
    string_copy(child->name, parent->name, sizeof(child->name));
    child->arguments = parent->arguments;
    child->arguments_end = parent->arguments_end;
    spin_unlock(&parent->lock);
}

static void child_main(void *argument)
{
    struct thread *self = thread_self();
    uaddr_t child_tid = (uaddr_t)argument;

    if (child_tid != 0)
        (void)!copyout(child_tid, &self->tid, sizeof(self->tid)); /* Linux ignores a fault, too */
    user_loop();
}

/* Sleep until a vfork child has its own address map or is gone, or this thread must end. */
static void wait_for_vfork(struct process *parent, pid_t child_pid)
{
    struct thread *self = thread_self();

    spin_lock(&process_tree_lock);
    while (!self->must_end) {
        struct process *child = process_find(child_pid);

        if (child == NULL || child->parent != parent || !child->vfork_pending)
            break;
        wait_sleep(&parent->child_event, &process_tree_lock);
    }
    spin_unlock(&process_tree_lock);
}

void process_note_exec(struct process *process)
{
    spin_lock(&process_tree_lock);
    process->has_execed = true;
    if (process->vfork_pending) {
        process->vfork_pending = false;
        wait_wake_all(&process->parent->child_event);
    }
    spin_unlock(&process_tree_lock);
}

#define CLONE_SUPPORTED                                                                            \
    (CSIGNAL | CLONE_VFORK | CLONE_OF_THREADS | CLONE_SYSVSEM | CLONE_SETTLS |                     \
     CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID | CLONE_CHILD_SETTID | CLONE_DETACHED)

/* What threads share: all of it, or they are no threads. */
#define CLONE_OF_THREADS (CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD)

static int check(const struct clone_request *request)
{
    uint64_t flags = request->flags, signal = flags & CSIGNAL;

    if ((flags & ~(uint64_t)CLONE_SUPPORTED) != 0 || (signal != 0 && signal != SIGCHLD))
        return -EINVAL;
    if ((flags & (CLONE_THREAD | CLONE_SIGHAND)) &&
        ((flags & CLONE_OF_THREADS) != CLONE_OF_THREADS || (flags & CLONE_VFORK)))
        return -EINVAL;
    if ((flags & CLONE_SETTLS) && request->tls >= USER_MAX)
        return -EPERM;
    return 0;
}

/* The new thread of `process`, which starts as a copy of the current one. */
static struct thread *make_thread(const struct clone_request *request, struct process *process)
{
    struct thread *self = thread_self(), *thread;
    uaddr_t child_tid = (request->flags & CLONE_CHILD_SETTID) ? request->child_tid : 0;

    thread = thread_create(self->name, process, child_main, (void *)child_tid);
    if (thread == NULL)
        return NULL;
    user_frame_copy(&thread->frame, &self->frame);
    frame_set_result(&thread->frame, 0);
    if (request->stack != 0)
        frame_set_stack(&thread->frame, request->stack);
    if (request->flags & CLONE_SETTLS)
        frame_set_tls(&thread->frame, request->tls);
    if (request->flags & CLONE_CHILD_CLEARTID)
        thread->clear_child_tid = request->child_tid;
    thread->signals.blocked = self->signals.blocked;
    /* Not two at the same time on one stack. */
    if (!(request->flags & CLONE_VM) || (request->flags & CLONE_VFORK)) {
        thread->signals.stack = self->signals.stack;
        thread->signals.stack_size = self->signals.stack_size;
    }
    return thread;
}

static int make_child(const struct clone_request *request, struct thread **thread)
{
    struct process *parent = process_self(), *child;
    int error;

    child = process_allocate();
    if (child == NULL)
        return -ENOMEM;
    copy_attributes(child, parent);
    error = copy_resources(child, parent, request->flags);
    *thread = error == 0 ? make_thread(request, child) : NULL;
    if (error == 0 && *thread == NULL)
        error = -ENOMEM;
    if (error == 0) {
        child->vfork_pending = (request->flags & CLONE_VFORK) != 0;
        error = process_enter_tree(child, *thread, parent);
    }
    if (error == 0)
        return 0;
    if (*thread != NULL)
        thread_discard(*thread);
    process_free_unborn(child);
    return error;
}

static int make_sibling(const struct clone_request *request, struct thread **thread)
{
    int error;

    *thread = make_thread(request, process_self());
    if (*thread == NULL)
        return -ENOMEM;
    error = thread_group_join(*thread);
    if (error != 0)
        thread_discard(*thread);
    return error;
}

pid_t process_clone(const struct clone_request *request)
{
    struct thread *thread = NULL;
    pid_t pid;
    int error = check(request);

    if (error == 0 && (request->flags & CLONE_THREAD))
        error = make_sibling(request, &thread);
    else if (error == 0)
        error = make_child(request, &thread);
    if (error != 0)
        return error;
    pid = thread->tid;
    if (request->flags & CLONE_PARENT_SETTID)
        (void)!copyout(request->parent_tid, &pid, sizeof(pid)); /* Linux ignores a fault, too */
    spin_lock(&process_tree_lock);
    thread->process->state = PROCESS_ALIVE;
    spin_unlock(&process_tree_lock);
    sched_make_runnable(thread);
    if (request->flags & CLONE_VFORK)
        wait_for_vfork(process_self(), pid);
    return pid;
}
