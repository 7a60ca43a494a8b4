/*
 * Processes: the tree, creation, exit and waiting.
 *
 *      process_clone()       its last thread has left        process_wait()
 *   NEW ------------> ALIVE ----------------------> ZOMBIE ------------------------> freed
 *
 * A process is freed by its parent's wait, or at once when the parent ignores SIGCHLD. Orphans
 * become children of init. A process has one thread or more (kern/thread_group.c), which share
 * all that it has. The tree (parents, children, states, groups, threads) has one lock,
 * process_tree_lock, for all processes: changes are rare and short.
 *
 * Locks: process_tree_lock, then process->lock (parent before child).
 */
#include "kern/process.h"

#include "kern/abi/errno.h"
#include "kern/abi/wait.h"
#include "kern/clock.h"
#include "kern/cpu.h"
#include "kern/exec.h"
#include "kern/file.h"
#include "kern/fs/vnode.h"
#include "kern/leak.h"
#include "kern/machine.h"
#include "kern/print.h"
#include "kern/schedule_point.h"
#include "kern/string.h"
#include "kern/syscall.h"
#include "kern/thread.h"
#include "kern/trap.h"
#include "kern/uaccess.h"
#include "vm/heap.h"
#include "vm/map.h"
#include "vm/page.h"

#define PID_MAX 32768

/* Each thread may need this much memory: bounds how many there can be. */
#define PAGES_PER_THREAD 64

struct spinlock process_tree_lock = SPINLOCK_INITIALIZER("process tree", LOCK_PROCESS_TREE);
struct list process_list = LIST_INITIALIZER(process_list);

static struct process *init_process; /* (p) */
static pid_t last_pid;               /* (p) */
static unsigned id_count;            /* (p) pids and thread ids in use */

struct process *process_self(void)
{
    return thread_self()->process;
}

struct process *process_find(pid_t pid)
{
    assert(spin_is_held(&process_tree_lock));
    list_for_each (&process_list, process, struct process, all_link) {
        if (process->pid == pid)
            return process;
    }
    return NULL;
}

/* --- Creation --------------------------------------------------------------------------------- */

/* Whether an id is taken: a process's, a thread's, or the name of a group or session. */
static bool id_is_used(pid_t id)
{
    list_for_each (&process_list, process, struct process, all_link) {
        if (process->pid == id || process->group == id || process->session == id)
            return true;
    }
    return thread_group_find(id) != NULL;
}

pid_t process_allocate_id(void)
{
    static bool has_wrapped; /* (p) until then every higher id is free */
    size_t limit = max(page_total_count() / PAGES_PER_THREAD, (size_t)32);

    if (id_count >= min(limit, (size_t)PID_MAX / 2))
        return 0;
    id_count++;
    do {
        if (++last_pid >= PID_MAX) {
            last_pid = 2;
            has_wrapped = true;
        }
    } while (has_wrapped && id_is_used(last_pid));
    return last_pid;
}

void process_release_id(void)
{
    id_count--;
}

int process_enter_tree(struct process *process, struct thread *thread, struct process *parent)
{
    pid_t pid;

    spin_lock(&process_tree_lock);
    pid = process_allocate_id();
    if (pid != 0) {
        process->pid = pid;
        process->parent = parent;
        process->group = parent != NULL ? parent->group : pid;
        process->session = parent != NULL ? parent->session : pid;
        list_push_back(&process_list, &process->all_link);
        if (parent != NULL)
            list_push_back(&parent->children, &process->sibling_link);
        thread_group_add(process, thread, pid);
    }
    spin_unlock(&process_tree_lock);
    return pid != 0 ? 0 : -EAGAIN;
}

/* Take a process out of the tree; process_tree_lock is held. */
static void leave_tree(struct process *process)
{
    list_remove(&process->sibling_link);
    list_remove(&process->all_link);
    process_release_id();
}

struct process *process_allocate(void)
{
    struct process *process = kzalloc(sizeof(*process));

    if (process == NULL)
        return NULL;
    spin_init(&process->lock, "process", LOCK_PROCESS);
    list_init(&process->children);
    list_init(&process->threads);
    list_node_init(&process->sibling_link);
    list_node_init(&process->all_link);
    wait_queue_init(&process->child_event);
    wait_queue_init(&process->continued);
    wait_queue_init(&process->thread_left);
    process->start_time = clock_monotonic();
    return process;
}

/* Release what a process holds, in its own context or of one that never ran. */
static void release_resources(struct process *process)
{
    struct map *map = process->map;

    if (process->files != NULL)
        file_table_release(process->files);
    if (process->fs != NULL)
        fs_context_release(process->fs);
    if (process->executable != NULL) {
        vnode_allow_write(process->executable);
        vnode_release(process->executable);
    }
    process->files = NULL;
    process->fs = NULL;
    process->executable = NULL;
    if (map == NULL)
        return;
    spin_lock(&process->lock);
    process->map = NULL;
    if (process == process_self())
        machine_pmap_activate(NULL);
    spin_unlock(&process->lock);
    map_release(map);
}

void process_free_unborn(struct process *process)
{
    release_resources(process);
    kfree(process);
}

/* The first thing that process 1 does: become the program given on the command line. */
static void init_main(void *argument)
{
    struct exec_strings *strings = argument;
    const char *path = strings->buffer;
    char *copy = kmalloc(strlen(path) + 1);
    int error;

    if (copy == NULL)
        panic("no memory to start init");
    string_copy(copy, path, strlen(path) + 1);
    error = file_table_open_standard(process_self()->files, "/dev/console");
    if (error != 0)
        kprintf("init: cannot open /dev/console: error %d; it starts without files\n", -error);
    error = process_exec(copy, strings);
    if (error != 0)
        panic("cannot run init '%s': error %d: %s", copy, -error,
              error == -ENOENT   ? "it is not in the root image (init=, root=)"
              : error == -ENOMEM ? "there is too little memory"
                                 : "it is not a program that can run");
    kfree(copy);
    kfree(strings);
    user_loop();
}

void process_start_init(const char *path, char *const argv[])
{
    struct process *process = process_allocate();
    struct exec_strings *strings = kzalloc(sizeof(*strings));
    struct thread *thread;
    int error = 0;

    if (process == NULL || strings == NULL)
        panic("no memory to start init");
    process->map = map_create();
    process->files = file_table_create();
    process->fs = fs_context_create();
    thread = thread_create("init", process, init_main, strings);
    for (int i = 0; argv[i] != NULL && error == 0; i++, strings->argc++)
        error = exec_strings_add(strings, argv[i]);
    if (process->map == NULL || process->files == NULL || process->fs == NULL || thread == NULL ||
        error != 0 || process_enter_tree(process, thread, NULL) != 0)
        panic("no memory to start init '%s'", path);
    user_frame_init(&thread->frame, 0, 0);
    process->state = PROCESS_ALIVE;
    init_process = process;
    leak_mark();
    sched_make_runnable(thread);
}

/* --- Exit and wait ------------------------------------------------------------------------------
 */

/* Tell the parent that `process` changed state; process_tree_lock is held. */
static void notify_parent(struct process *process)
{
    signal_send(process->parent, SIGCHLD);
    wait_wake_all(&process->parent->child_event);
}

/* Orphans become init's children; process_tree_lock is held. */
static void give_children_to_init(struct process *process)
{
    list_for_each_safe (&process->children, child, struct process, sibling_link) {
        list_remove(&child->sibling_link);
        child->parent = init_process;
        list_push_back(&init_process->children, &child->sibling_link);
        if (child->state == PROCESS_ZOMBIE)
            notify_parent(child);
    }
}

static bool ignores_children(struct process *parent)
{
    const struct kernel_sigaction *action = &parent->signals.actions[SIGCHLD - 1];

    return action->handler == SIG_IGN || (action->flags & SA_NOCLDWAIT) != 0;
}

void process_become_zombie(void)
{
    struct process *self = process_self();
    int status = self->status;

    if (self == init_process)
        panic("init ended with %s %d", WIFEXITED(status) ? "status" : "signal",
              WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status));
    release_resources(self);

    spin_lock(&process_tree_lock);
    give_children_to_init(self);
    self->state = PROCESS_ZOMBIE;
    self->vfork_pending = false;
    notify_parent(self);
    if (ignores_children(self->parent)) {
        leave_tree(self);
        thread_self()->process = NULL;
        spin_unlock(&process_tree_lock);
        kfree(self);
    } else {
        thread_self()->process = NULL;
        spin_unlock(&process_tree_lock);
    }
    thread_exit();
}

void process_dismantle_init(void)
{
    struct process *self = process_self();

    assert(self == init_process);
    release_resources(self);
    spin_lock(&process_tree_lock);
    leave_tree(self);
    thread_self()->process = NULL;
    spin_unlock(&process_tree_lock);
    kfree(self);
}

static bool is_wanted(const struct process *child, pid_t pid, const struct process *parent)
{
    if (pid == -1)
        return true;
    if (pid > 0)
        return child->pid == pid;
    return child->group == (pid == 0 ? parent->group : -pid);
}

/* Whether `child` has something to report now. */
static bool has_news(const struct process *child, int options)
{
    return child->state == PROCESS_ZOMBIE ||
           (process_is_stopped(child) && !child->stop_reported && (options & WUNTRACED)) ||
           (child->has_continued && (options & WCONTINUED));
}

/* A wanted child with news, or NULL; *exists: whether any wanted child is there. */
static struct process *find_child(struct process *parent, pid_t pid, int options, bool *exists)
{
    *exists = false;
    list_for_each (&parent->children, child, struct process, sibling_link) {
        if (!is_wanted(child, pid, parent))
            continue;
        *exists = true;
        if (has_news(child, options))
            return child;
    }
    return NULL;
}

/* Take the news of `child`; frees it if it is a zombie. process_tree_lock is held. */
static pid_t report(struct process *parent, struct process *child, int *status, nsec_t *cpu_time)
{
    pid_t pid = child->pid;

    if (child->state != PROCESS_ZOMBIE) {
        if (process_is_stopped(child)) {
            child->stop_reported = true;
            *status = child->stop_signal << 8 | WAIT_STOPPED;
        } else {
            child->has_continued = false;
            *status = WAIT_CONTINUED;
        }
        *cpu_time = process_cpu_time(child);
        return pid;
    }
    *status = child->status;
    *cpu_time = child->ended_time + child->children_time;
    parent->children_time += *cpu_time;
    leave_tree(child);
    kfree(child);
    return pid;
}

pid_t process_wait(pid_t pid, int options, int *status, nsec_t *cpu_time)
{
    struct process *self = process_self(), *child;
    bool exists;
    pid_t result = 0;
    int error = 0;

    spin_lock(&process_tree_lock);
    while ((child = find_child(self, pid, options, &exists)) == NULL && exists &&
           !(options & WNOHANG) && error == 0) {
        schedule_point(SCHEDULE_ATOMIC, self, "wait4:no-news");
        error = wait_sleep_interruptible(&self->child_event, &process_tree_lock);
    }
    if (child != NULL)
        result = report(self, child, status, cpu_time);
    else if (!exists)
        result = -ECHILD;
    else if (error != 0)
        result = -ERESTARTSYS;
    spin_unlock(&process_tree_lock);
    return result;
}

/* --- Looking at processes -----------------------------------------------------------------------
 */

static char state_letter(struct process *process)
{
    if (process->state == PROCESS_ZOMBIE)
        return 'Z';
    if (process_is_stopped(process))
        return 'T';
    list_for_each (&process->threads, thread, struct thread, process_link) {
        if (__atomic_load_n(&thread->state, __ATOMIC_RELAXED) == THREAD_RUNNING)
            return 'R';
    }
    return 'S';
}

int process_get_info(pid_t pid, struct process_info *info)
{
    struct process *process;
    int error = 0;

    *info = (struct process_info){0};
    spin_lock(&process_tree_lock);
    process = process_find(pid);
    if (process == NULL) {
        error = -ESRCH;
    } else {
        info->pid = pid;
        info->parent = process->parent != NULL ? process->parent->pid : 0;
        info->group = process->group;
        info->session = process->session;
        info->state = state_letter(process);
        info->start_time = process->start_time;
        info->threads = process->thread_count;
        info->cpu_time = process_cpu_time(process);
        spin_lock(&process->lock);
        string_copy(info->name, process->name, sizeof(info->name));
        if (process->map != NULL) {
            info->mapped_bytes = process->map->size;
            info->resident_bytes = process->map->pmap.resident * PAGE_SIZE;
        }
        spin_unlock(&process->lock);
    }
    spin_unlock(&process_tree_lock);
    return error;
}

pid_t process_next(pid_t pid)
{
    pid_t next = 0;

    spin_lock(&process_tree_lock);
    list_for_each (&process_list, process, struct process, all_link) {
        if (process->pid > pid && (next == 0 || process->pid < next))
            next = process->pid;
    }
    spin_unlock(&process_tree_lock);
    return next;
}
