/*
 * Processes: an address map, open files, a place in the tree of processes, and one thread that
 * runs the user program. Theory in kern/process.c.
 */
#pragma once

#include "kern/list.h"
#include "kern/signal.h"
#include "kern/spinlock.h"
#include "kern/types.h"
#include "kern/wait.h"

struct file_table;
struct fs_context;
struct map;
struct thread;
struct vnode;

enum process_state {
    PROCESS_NEW, /* being made by fork */
    PROCESS_ALIVE,
    PROCESS_ZOMBIE, /* exited; its parent has not waited for it yet */
};

/* (i) immutable after creation, (p) process_tree_lock, (l) this->lock, (t) only its own thread,
 * (a) atomic */
struct process {
    pid_t pid; /* (i) */
    struct spinlock lock;
    enum process_state state;      /* (p) */
    struct process *parent;        /* (p) NULL for init only */
    struct list children;          /* (p) of struct process, by sibling_link */
    struct list_node sibling_link; /* (p) */
    struct list_node all_link;     /* (p) */
    struct wait_queue child_event; /* with (p): a child changed state */
    pid_t group, session;          /* (p) process group and session */
    int status;                    /* (p) wait status of a zombie */

    struct thread *thread;         /* (i) */
    struct map *map;               /* (t) */
    struct file_table *files;      /* (t) */
    struct fs_context *fs;         /* (t) current and root directory, umask */
    struct vnode *executable;      /* (t) the program's file; NULL before the first exec */
    struct signal_state signals;   /* (l) */
    uid_t uid, euid;               /* (t) */
    gid_t gid, egid;               /* (t) */
    uaddr_t clear_child_tid;       /* (t) set_tid_address(2) */
    bool vfork_pending;            /* (p) the parent sleeps until this process execs or exits */
    nsec_t start_time;             /* (i) */
    nsec_t user_time, system_time; /* (t) */
    nsec_t children_time[2];       /* (p) user and system time of children waited for */
};

extern struct spinlock process_tree_lock;
extern struct list process_list; /* (p) every process, oldest first */

/* The process of the current thread; NULL in a kernel thread. */
struct process *process_self(void);

/* Create process 1, which will run `path` with the arguments; called once. */
void process_start_init(const char *path, char *const argv[]);

/* Find a process; process_tree_lock is held. NULL when there is none. */
struct process *process_find(pid_t pid);

/* End the current process with a wait status (abi/wait.h). */
void process_exit(int status) noreturn_fn;

/* Replace the current process's program (execve(2)). The strings are the kernel's. */
int process_exec(const char *path, char *const argv[], char *const envp[]) must_check;

/* What ps(1) shows, copied out under the locks. */
struct process_info {
    pid_t pid, parent, group, session;
    char state; /* R running, S sleeping, Z zombie */
    char name[16];
    nsec_t user_time, system_time, start_time;
    size_t mapped_bytes, resident_bytes;
};

/* Fill `info` for process `pid`. Returns 0 or -ESRCH. */
int process_get_info(pid_t pid, struct process_info *info) must_check;

/* The smallest pid greater than `pid` that is in use, or 0. For listing all processes. */
pid_t process_next(pid_t pid);
