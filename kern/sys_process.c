/*
 * System calls about processes and signals (fork(2), execve(2), wait4(2), kill(2), ...).
 */
#include "kern/abi/errno.h"
#include "kern/abi/reboot.h"
#include "kern/abi/sched.h"
#include "kern/abi/wait.h"
#include "kern/cmdline.h"
#include "kern/cpu.h"
#include "kern/exec.h"
#include "kern/fs/vnode.h"
#include "kern/machine.h"
#include "kern/main.h"
#include "kern/print.h"
#include "kern/process.h"
#include "kern/string.h"
#include "kern/syscall.h"
#include "kern/thread.h"
#include "kern/uaccess.h"
#include "vm/heap.h"
#include "vm/map.h"

/* --- Creation, programs, exit -------------------------------------------------------------------
 */

int64_t sys_fork(const uint64_t arg[])
{
    struct clone_request request = {.flags = SIGCHLD};

    (void)arg;
    return process_clone(&request);
}

int64_t sys_vfork(const uint64_t arg[])
{
    struct clone_request request = {.flags = CLONE_VM | CLONE_VFORK | SIGCHLD};

    (void)arg;
    return process_clone(&request);
}

int64_t sys_clone(const uint64_t arg[])
{
    struct clone_request request = {
        .flags = arg[0],
        .stack = arg[1],
        .parent_tid = arg[2],
        .child_tid = arg[3],
        .tls = arg[4],
    };

    return process_clone(&request);
}

/* Append the strings that a NULL-terminated user array points at; NULL is an empty array. */
static int add_user_array(struct exec_strings *strings, uaddr_t array, size_t *count)
{
    uaddr_t string;
    int error = 0;

    for (*count = 0; array != 0 && error == 0; array += sizeof(uaddr_t)) {
        error = copyin(&string, array, sizeof(string));
        if (error != 0 || string == 0)
            break;
        error = exec_strings_add_user(strings, string);
        (*count)++;
    }
    return error;
}

int64_t sys_execve(const uint64_t arg[])
{
    struct exec_strings strings = {0};
    char *path = kmalloc(PATH_MAX);
    ssize_t length = path != NULL ? copyin_string(path, arg[0], PATH_MAX) : -ENOMEM;
    int error = length < 0 ? (int)length : 0;

    if (error == 0)
        error = add_user_array(&strings, arg[1], &strings.argc);
    if (error == 0)
        error = add_user_array(&strings, arg[2], &strings.envc);
    if (error == 0)
        error = process_exec(path, &strings);
    else
        exec_strings_free(&strings);
    kfree(path);
    /* After success the frame is the new program's, whose result register is 0 as well. */
    return error;
}

int64_t sys_exit(const uint64_t arg[])
{
    process_leave((int)(arg[0] & 0xff) << 8);
}

int64_t sys_exit_group(const uint64_t arg[])
{
    process_exit((int)(arg[0] & 0xff) << 8);
}

/* struct rusage of getrusage(2): only the CPU time is counted. */
struct rusage {
    int64_t user_seconds, user_microseconds, system_seconds, system_microseconds;
    int64_t others[14];
};

int64_t sys_wait4(const uint64_t arg[])
{
    pid_t pid = (pid_t)arg[0];
    uaddr_t status_address = arg[1], usage_address = arg[3];
    int options = (int)arg[2], status = 0, error = 0;
    nsec_t cpu_time = 0;
    pid_t found;

    if (options & ~(WNOHANG | WUNTRACED | WCONTINUED))
        return -EINVAL;
    if (pid == INT32_MIN)
        return -ESRCH;
    found = process_wait(pid, options, &status, &cpu_time);
    if (found <= 0)
        return found;
    if (status_address != 0)
        error = copyout(status_address, &status, sizeof(status));
    if (error == 0 && usage_address != 0) {
        struct rusage usage = {
            .user_seconds = cpu_time / NSEC_PER_SEC,
            .user_microseconds = cpu_time % NSEC_PER_SEC / NSEC_PER_USEC,
        };

        error = copyout(usage_address, &usage, sizeof(usage));
    }
    return error != 0 ? error : found;
}

/* --- Identity -----------------------------------------------------------------------------------
 */

int64_t sys_getpid(const uint64_t arg[])
{
    (void)arg;
    return process_self()->pid;
}

int64_t sys_gettid(const uint64_t arg[])
{
    (void)arg;
    return thread_self()->tid;
}

int64_t sys_getppid(const uint64_t arg[])
{
    pid_t pid;

    (void)arg;
    spin_lock(&process_tree_lock);
    pid = process_self()->parent != NULL ? process_self()->parent->pid : 0;
    spin_unlock(&process_tree_lock);
    return pid;
}

int64_t sys_set_tid_address(const uint64_t arg[])
{
    thread_self()->clear_child_tid = arg[0];
    return thread_self()->tid;
}

int64_t sys_getuid(const uint64_t arg[])
{
    (void)arg;
    return process_self()->uid;
}

int64_t sys_geteuid(const uint64_t arg[])
{
    (void)arg;
    return process_self()->euid;
}

int64_t sys_getgid(const uint64_t arg[])
{
    (void)arg;
    return process_self()->gid;
}

int64_t sys_getegid(const uint64_t arg[])
{
    (void)arg;
    return process_self()->egid;
}

/* Set a real and an effective id of the current process: root both, others the effective one. */
static int set_ids(uint32_t *real, uint32_t *effective, uint32_t wanted)
{
    struct process *self = process_self();
    int error = 0;

    spin_lock(&self->lock);
    if (self->euid == 0)
        *real = wanted;
    else if (wanted != *real)
        error = -EPERM;
    if (error == 0)
        *effective = wanted;
    spin_unlock(&self->lock);
    return error;
}

int64_t sys_setuid(const uint64_t arg[])
{
    struct process *self = process_self();
    uid_t uid = (uid_t)arg[0];

    if (uid == (uid_t)-1)
        return -EINVAL;
    return set_ids(&self->uid, &self->euid, uid);
}

int64_t sys_setgid(const uint64_t arg[])
{
    struct process *self = process_self();
    gid_t gid = (gid_t)arg[0];

    if (gid == (gid_t)-1)
        return -EINVAL;
    return set_ids(&self->gid, &self->egid, gid);
}

/* --- Process groups and sessions -----------------------------------------------------------------
 */

/* Whether some process of `session` is in group `group`; process_tree_lock is held. */
static bool group_exists(pid_t group, pid_t session)
{
    list_for_each (&process_list, process, struct process, all_link) {
        if (process->group == group && process->session == session)
            return true;
    }
    return false;
}

static int set_group(pid_t pid, pid_t group)
{
    struct process *self = process_self();
    struct process *target = process_find(pid != 0 ? pid : self->pid);

    if (target == NULL || (target != self && target->parent != self))
        return -ESRCH;
    if (group == 0)
        group = target->pid;
    if (target->session == target->pid || target->session != self->session)
        return -EPERM;
    if (target != self && target->has_execed)
        return -EACCES;
    if (group != target->pid && !group_exists(group, self->session))
        return -EPERM;
    target->group = group;
    return 0;
}

int64_t sys_setpgid(const uint64_t arg[])
{
    pid_t pid = (pid_t)arg[0], group = (pid_t)arg[1];
    int error;

    if (pid < 0)
        return -ESRCH;
    if (group < 0)
        return -EINVAL;
    spin_lock(&process_tree_lock);
    error = set_group(pid, group);
    spin_unlock(&process_tree_lock);
    return error;
}

/* The group (or session) of a process, 0 meaning the caller. */
static int64_t get_group(pid_t pid, bool session)
{
    struct process *process;
    int64_t result;

    spin_lock(&process_tree_lock);
    process = pid == 0 ? process_self() : process_find(pid);
    if (process == NULL)
        result = -ESRCH;
    else
        result = session ? process->session : process->group;
    spin_unlock(&process_tree_lock);
    return result;
}

int64_t sys_getpgid(const uint64_t arg[])
{
    return get_group((pid_t)arg[0], false);
}

int64_t sys_getpgrp(const uint64_t arg[])
{
    (void)arg;
    return get_group(0, false);
}

int64_t sys_getsid(const uint64_t arg[])
{
    return get_group((pid_t)arg[0], true);
}

int64_t sys_setsid(const uint64_t arg[])
{
    struct process *self = process_self();
    int64_t result = self->pid;

    (void)arg;
    spin_lock(&process_tree_lock);
    list_for_each (&process_list, process, struct process, all_link) {
        if (process->group == self->pid && (process != self || self->session == self->pid))
            result = -EPERM;
    }
    if (result >= 0)
        self->group = self->session = self->pid;
    spin_unlock(&process_tree_lock);
    return result;
}

/* --- The machine --------------------------------------------------------------------------------
 */

struct utsname {
    char sysname[65], nodename[65], release[65], version[65], machine[65], domainname[65];
};

int64_t sys_uname(const uint64_t arg[])
{
    struct utsname names = {
        .sysname = "Linux", /* whose system calls these are */
        .nodename = "duet",
        .release = DUET_RELEASE,
        .version = DUET_VERSION,
        .machine = USER_MACHINE,
        .domainname = "(none)",
    };

    return copyout(arg[0], &names, sizeof(names));
}

int64_t sys_reboot(const uint64_t arg[])
{
    uint32_t magic = (uint32_t)arg[0], magic2 = (uint32_t)arg[1], command = (uint32_t)arg[2];

    if (process_self()->euid != 0)
        return -EPERM;
    if (magic != LINUX_REBOOT_MAGIC1 || magic2 != LINUX_REBOOT_MAGIC2)
        return -EINVAL;
    switch (command) {
    case LINUX_REBOOT_CMD_POWER_OFF:
    case LINUX_REBOOT_CMD_HALT:
        kernel_power_off((int)(arg[3] & 0xff));
    default:
        return -EINVAL;
    }
}

int64_t sys_arch_prctl(const uint64_t arg[])
{
    enum { ARCH_SET_FS = 0x1002, ARCH_GET_FS = 0x1003 };
    struct trapframe *frame = &thread_self()->frame;
    uaddr_t base = frame_tls(frame);

    switch (arg[0]) {
    case ARCH_SET_FS:
        if (arg[1] >= USER_MAX)
            return -EPERM;
        frame_set_tls(frame, arg[1]);
        return 0;
    case ARCH_GET_FS:
        return copyout(arg[1], &base, sizeof(base));
    default:
        return -EINVAL;
    }
}

int64_t sys_sched_yield(const uint64_t arg[])
{
    (void)arg;
    sched_give_way();
    return 0;
}

int64_t sys_sched_getaffinity(const uint64_t arg[])
{
    uint64_t mask = (1UL << machine_cpu_count()) - 1;
    int error;

    if (arg[1] < sizeof(mask) || arg[1] % sizeof(mask) != 0)
        return -EINVAL;
    error = copyout(arg[2], &mask, sizeof(mask));
    return error != 0 ? error : (int64_t)sizeof(mask);
}

/* Resource limits (getrlimit(2)): fixed. */
int64_t sys_prlimit64(const uint64_t arg[])
{
    enum { RLIMIT_STACK = 3, RLIMIT_NOFILE = 7, RLIMIT_COUNT = 16 };
    pid_t pid = (pid_t)arg[0];
    uint64_t limit[2] = {UINT64_MAX, UINT64_MAX}, new_limit[2];
    int error = 0;

    if (arg[1] >= RLIMIT_COUNT)
        return -EINVAL;
    if (pid != 0 && pid != process_self()->pid)
        return -ESRCH;
    if (arg[2] != 0)
        error = copyin(new_limit, arg[2], sizeof(new_limit));
    if (error != 0 || arg[2] != 0)
        return error != 0 ? error : -EPERM;
    if (arg[1] == RLIMIT_STACK)
        limit[0] = 8 * 1024 * 1024;
    else if (arg[1] == RLIMIT_NOFILE)
        limit[0] = limit[1] = 1024;
    return arg[3] != 0 ? copyout(arg[3], limit, sizeof(limit)) : 0;
}
