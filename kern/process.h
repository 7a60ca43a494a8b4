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
    int stop_signal;               /* (p) stopped by this signal; 0: not stopped */
    bool stop_reported;            /* (p) wait4() has told the parent */
    bool has_continued;            /* (p) SIGCONT ended a stop and wait4() has not told so */
    struct wait_queue continued;   /* with (p): SIGCONT or SIGKILL came */

    struct thread *thread;       /* (i) */
    struct map *map;             /* (t), changed under (l) */
    struct file_table *files;    /* (t) */
    struct fs_context *fs;       /* (t) current and root directory, umask */
    struct vnode *executable;    /* (t) the program's file; NULL before the first exec */
    struct signal_state signals; /* (l) */
    uid_t uid, euid;             /* (t) */
    gid_t gid, egid;             /* (t) */
    uaddr_t clear_child_tid;     /* (t) set_tid_address(2) */
    bool has_execed;             /* (p) setpgid(2) by the parent is too late */
    bool vfork_pending;          /* (p) the parent sleeps until this process execs or exits */
    nsec_t start_time;           /* (i) */
    char name[16];               /* (l) the program's name, for ps(1) */
    uaddr_t arguments;           /* (l) its arguments in its memory: strings, one after another */
    uaddr_t arguments_end;       /* (l) */
    nsec_t cpu_time;             /* (p) of a zombie, whose thread is gone */
    nsec_t children_time;        /* (p) CPU time of the children waited for */
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

/*
 * Make a copy of the current process as fork(2) does, or what clone(2)'s flags ask for.
 * Returns the child's pid or -ENOMEM, -EAGAIN (too many processes), -EINVAL (flags).
 */
struct clone_request {
    uint64_t flags; /* CLONE_*, abi/sched.h; the low byte is the exit signal */
    uaddr_t stack;  /* 0: the parent's */
    uaddr_t parent_tid, child_tid;
    uaddr_t tls;
};
pid_t process_clone(const struct clone_request *request) must_check;

/*
 * The parts of process_clone() that belong to the tree: a process with nothing in it (NULL when
 * out of memory), entering it as a child of `parent` (0 or -EAGAIN), and freeing one that never
 * entered, with all that it has.
 */
struct process *process_allocate(void) must_check;
int process_enter_tree(struct process *process, struct process *parent) must_check;
void process_free_unborn(struct process *process);

/*
 * Wait for a child: pid > 0 that one, -1 any, 0 any of the own group, < -1 any of group -pid.
 * options: WNOHANG, WUNTRACED. Returns the child's pid with its status and CPU times, 0 (WNOHANG
 * and none is ready), -ECHILD, -ERESTARTSYS.
 */
pid_t process_wait(pid_t pid, int options, int *status, nsec_t *cpu_time) must_check;

/* `process` runs a new program in a map of its own: wake a parent that waits in vfork. */
void process_note_exec(struct process *process);

/* CPU time used so far by a process's thread. */
nsec_t process_cpu_time(const struct process *process);

/* What ps(1) shows, copied out under the locks. */
struct process_info {
    pid_t pid, parent, group, session;
    char state; /* R running, S sleeping, T stopped, Z zombie */
    char name[16];
    nsec_t cpu_time, start_time;
    size_t mapped_bytes, resident_bytes;
};

/* Fill `info` for process `pid`. Returns 0 or -ESRCH. */
int process_get_info(pid_t pid, struct process_info *info) must_check;

/* The smallest pid greater than `pid` that is in use, or 0. For listing all processes. */
pid_t process_next(pid_t pid);

/*
 * Whether nobody could continue the members of a process group when the terminal stops them:
 * none has a parent in its session but outside the group. process_tree_lock is held.
 */
bool process_group_is_orphaned(pid_t group);
