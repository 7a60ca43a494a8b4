/*
 * Threads: what the scheduler runs. A thread has a kernel stack and, if it belongs to a
 * process, the registers of a user program and what POSIX gives each thread of one.
 */
#pragma once

#include "kern/list.h"
#include "kern/types.h"
#include <machine/context.h>
#include <machine/frame.h>

struct cpu;
struct mutex;
struct process;

enum thread_state {
    THREAD_RUNNING,                /* on a CPU, or runnable and on a run queue */
    THREAD_SLEEPING,               /* on a wait queue */
    THREAD_SLEEPING_INTERRUPTIBLE, /* as SLEEPING, and a signal ends it */
    THREAD_DEAD,                   /* its last switch is done or about to be */
};

/* A system call that a signal interrupted and that may be made again (kern/syscall.h). */
struct interrupted_call {
    int64_t number;      /* -1: none */
    bool unless_handled; /* a handler makes it -EINTR, whatever SA_RESTART says */
    nsec_t deadline;     /* of a sleep that goes on when it is made again; 0: none */
};

#define SIGNAL_COUNT 64 /* NSIG */

/* Where a pending signal comes from: what siginfo will say. */
struct signal_source {
    int code;        /* si_code: SI_USER and negative for a sender, positive for a fault */
    pid_t sender;    /* si_pid */
    uaddr_t address; /* si_addr, of a fault */
};

/* A thread's own part of its process's signals (kern/signal.h). process->lock; the thread itself
 * reads it without. */
struct thread_signals {
    uint64_t pending;   /* sent to this thread by tkill(2) or a fault; `sources` says by whom */
    uint64_t assigned;  /* sent to the process, and this thread is to act on them; never blocked */
    uint64_t blocked;   /* the mask */
    uint64_t suspended; /* the mask to restore after rt_sigsuspend(2) */
    bool is_suspended;
    bool is_stopping;  /* took a signal that stops the process; SIGCONT calls that off */
    uaddr_t stack;     /* where handlers with SA_ONSTACK run (sigaltstack(2)) */
    size_t stack_size; /* 0: there is none */
    struct signal_source sources[SIGNAL_COUNT];
};

#ifdef DEBUG
#define SYSCALL_HISTORY 16

struct syscall_record {
    uint64_t number, arguments[6];
    int64_t result;
};

/* The last system calls of a thread, for debuggers: call n is records[n % SYSCALL_HISTORY]. */
struct syscall_history {
    uint64_t begun, ended; /* how many calls, ever */
    struct syscall_record records[SYSCALL_HISTORY];
};
#endif

/* (i) immutable after creation, (q) the run queue's lock of thread->cpu, (t) only the thread
 * itself, (a) atomic, (p) process_tree_lock, (l) process->lock */
struct thread {
    struct context context;              /* (q) */
    void *stack;                         /* (i) KERNEL_STACK_SIZE bytes */
    enum thread_state state;             /* (q) */
    bool gives_way;                      /* (t) it is in sched_give_way() */
    bool on_cpu;                         /* (a) its registers are in a CPU, not in `context` */
    nsec_t ran_since;                    /* (q) when it was switched to */
    nsec_t run_time;                     /* (q) how long it ran before that */
    nsec_t woken_at;                     /* (q) when it was made runnable; 0: runs, or not traced */
    nsec_t syscall_began;                /* (t) 0: in no system call, or not traced */
    uint64_t syscall_number;             /* (t) of the last one that is traced */
    uint32_t number;                     /* (i) no other thread has it, ever */
    struct cpu *cpu;                     /* (q) where it runs, or last ran */
    struct list_node run_link;           /* (q) */
    struct list_node all_link;           /* the lock of the list of all threads */
    struct process *process;             /* (i) NULL: a kernel thread, or it has left its process */
    uint32_t schedule_points[2];         /* (t) passed; at which it waited or gave way */
    int64_t schedule_priority;           /* kern/schedule_strategy.c's; 0: none yet */
    void (*start)(void *);               /* (i) first function, with interrupts enabled */
    void *start_argument;                /* (i) */
    struct interrupted_call interrupted; /* (t) */
    const char *waiting_for;    /* (t) what it sleeps on, for debuggers and panic messages */
    struct mutex *wanted_mutex; /* (t) which mutex that is, if it is one */
#ifdef DEBUG
    struct mutex *held;             /* (t) the newest mutex that it holds */
    struct syscall_history history; /* (t) */
#endif
    char name[16]; /* (t) */

    /* Of a thread of a process only. */
    pid_t tid;                     /* (p) the leader's is the process's pid */
    struct list_node process_link; /* (p) and (l) */
    bool must_end;                 /* (a) set with (p): its process or exec(2) wants it gone */
    struct thread_signals signals;
    uaddr_t clear_child_tid; /* (t) where its end is told to the program; see kern/futex.h */
    uaddr_t robust_list;     /* (t) set_robust_list(2) */
    struct trapframe frame;  /* (t) the user program's registers */
};

/* The thread that runs this code. */
struct thread *thread_self(void);

/*
 * Create a thread that will call start(argument) in kernel mode; it does not run before
 * sched_make_runnable(). `process` may be NULL. NULL when out of memory. Returning from
 * `start` is thread_exit().
 */
struct thread *thread_create(const char *name, struct process *process, void (*start)(void *),
                             void *argument) must_check;

/* End the current thread. */
void thread_exit(void) noreturn_fn;

/* Free a thread that never ran. */
void thread_discard(struct thread *thread);

/* Create a kernel thread and let it run; panics when out of memory (for start-up only). */
void thread_start_kernel(const char *name, void (*start)(void *), void *argument);

/* For kern/sched.c: a thread that ended has left its stack. Any context. */
void thread_recycle(struct thread *thread);

/* For the leak check: free the threads that are kept for later; the number of the last thread that
 * was made, and how many there are that were made after it. */
void thread_free_ended(void);
uint32_t thread_last_number(void);
unsigned thread_count_after(uint32_t number);

/* Call visit(thread, argument) for each thread. When the other CPUs are stopped: takes no lock. */
void thread_for_each(void (*visit)(struct thread *thread, void *argument), void *argument);

/* Print the threads that run on no CPU with backtraces, up to a limit; says how many it left out.
 */
void thread_print_all(void);
