/*
 * Processes: an address map, open files, a place in the tree of processes, and the threads that
 * run the user program. Theory in kern/process.c.
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

/*
 * (i) immutable after creation, (p) process_tree_lock, (l) this->lock, (a) atomic,
 * (1) changed under (l) while the process has one thread only: by exec, and at its end. Its own
 *     threads read it without a lock, others under (l); what it points at has locks of its own.
 */
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
    int status;                    /* (p) wait status, once it is ending */
    bool is_ending;                /* (p) every thread is asked to end */
    int stop_signal;               /* (p) ordered to stop by this signal; 0: not. Read as (a) */
    unsigned stopped_count;        /* (p) threads that sleep because of that */
    bool stop_reported;            /* (p) wait4() has told the parent */
    bool has_continued;            /* (p) SIGCONT ended a stop and wait4() has not told so */
    struct wait_queue continued;   /* with (p): SIGCONT or SIGKILL came */

    struct list threads;           /* (p) and (l), either to read: struct thread, oldest first */
    unsigned thread_count;         /* (p) */
    struct wait_queue thread_left; /* with (p): a thread has left */
    struct map *map;               /* (1) */
    struct file_table *files;      /* (1) */
    struct fs_context *fs;         /* (1) current and root directory, umask */
    struct vnode *executable;      /* (1) the program's file; NULL before the first exec */
    struct signal_state signals;   /* (l) */
    uid_t uid, euid;               /* (l) to change them; each is read without */
    gid_t gid, egid;               /* (l) as well */
    bool has_execed;               /* (p) setpgid(2) by the parent is too late */
    bool vfork_pending;            /* (p) the parent sleeps until this process execs or exits */
    nsec_t start_time;             /* (i) */
    char name[16];                 /* (l) the program's name, for ps(1) */
    uaddr_t arguments;             /* (l) its arguments in its memory: strings, one after another */
    uaddr_t arguments_end;         /* (l) */
    nsec_t ended_time;             /* (p) CPU time of the threads that are gone */
    nsec_t children_time;          /* (p) CPU time of the children waited for */
};

extern struct spinlock process_tree_lock;
extern struct list process_list; /* (p) every process, oldest first */

/* The process of the current thread; NULL in a kernel thread. */
struct process *process_self(void);

/* Create process 1, which will run `path` with the arguments; called once. */
void process_start_init(const char *path, char *const argv[]);

/* For the leak check at power-off: let go of init, the last process, which is the current one. The
 * thread goes on as one of the kernel's. */
void process_dismantle_init(void);

/* Find a process; process_tree_lock is held. NULL when there is none. */
struct process *process_find(pid_t pid);

/* End the current process with a wait status (abi/wait.h): all of its threads. */
void process_exit(int status) noreturn_fn;

/* End the current thread. With the last one the process ends, with the status that a
 * process_exit() or process_end() gave, else with this. */
void process_leave(int status) noreturn_fn;

/* Have a process end with `status`, as soon as its threads notice; process_tree_lock is held. */
void process_end(struct process *process, int status);

/*
 * Make a copy of the current process as fork(2) does, or a thread in it, or what else clone(2)'s
 * flags ask for. Returns the pid or thread id, or -ENOMEM, -EAGAIN (too many), -EINVAL (flags),
 * -EPERM (a thread pointer that is no user address), -EINTR (the current thread must end).
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
 * out of memory), entering it as a child of `parent` with its first thread (0 or -EAGAIN), and
 * freeing one that never entered, with all that it has.
 */
struct process *process_allocate(void) must_check;
int process_enter_tree(struct process *process, struct thread *thread,
                       struct process *parent) must_check;
void process_free_unborn(struct process *process);

/*
 * The threads of a process, kern/thread_group.c. process_tree_lock is held by the first two.
 *
 * _add: `thread` becomes one, with the id `tid`. _find: the thread with an id, of any process, or
 * NULL. _join: a new thread becomes one of the current process: 0, -EAGAIN (too many), or -EINTR
 * when the current thread must end. _end_others: exec wants the current thread to be the only
 * one, and the leader: 0, or -EINTR.
 */
void thread_group_add(struct process *process, struct thread *thread, pid_t tid);
struct thread *thread_group_find(pid_t tid);
int thread_group_join(struct thread *thread) must_check;
int thread_group_end_others(void) must_check;

/* For kern/thread_group.c: a new pid or thread id, 0 when there are too many, and one less in use
 * (both with process_tree_lock); the end of the current process, whose last thread this is. */
pid_t process_allocate_id(void) must_check;
void process_release_id(void);
void process_become_zombie(void) noreturn_fn;

/*
 * Wait for a child: pid > 0 that one, -1 any, 0 any of the own group, < -1 any of group -pid.
 * options: WNOHANG, WUNTRACED. Returns the child's pid with its status and CPU times, 0 (WNOHANG
 * and none is ready), -ECHILD, -ERESTARTSYS.
 */
pid_t process_wait(pid_t pid, int options, int *status, nsec_t *cpu_time) must_check;

/* `process` runs a new program in a map of its own: wake a parent that waits in vfork. */
void process_note_exec(struct process *process);

/* CPU time used so far by a thread, or by all threads of a process ever (process_tree_lock). */
nsec_t thread_cpu_time(const struct thread *thread);
nsec_t process_cpu_time(struct process *process);

/* Whether all its threads are stopped by a signal; process_tree_lock is held. */
bool process_is_stopped(const struct process *process);

/* What ps(1) shows, copied out under the locks. */
struct process_info {
    pid_t pid, parent, group, session;
    char state; /* R running, S sleeping, T stopped, Z zombie */
    char name[16];
    unsigned threads;
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
