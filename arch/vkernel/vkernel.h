/*
 * What the parts of the vkernel port share. Theory in main.c and interrupt.c.
 *
 * Code here runs in one of two worlds. On a CPU thread (anything that the kernel calls) it is a
 * kernel thread, which the next interrupt may move to another host thread: no C library but
 * what neither sets errno nor locks; system calls by host_call(). On a service thread (the main
 * thread, a disk's worker, the console's reader) it is an ordinary program, which touches
 * nothing of the kernel's but raises interrupts.
 */
#pragma once

#include "kern/types.h"

struct cpu;
struct sigaction;
struct trapframe;

/* Bits of machine_cpu.pending. */
#define INTERRUPT_TIMER    (1U << 0)
#define INTERRUPT_KICK     (1U << 1)
#define INTERRUPT_DISK     (1U << 2)
#define INTERRUPT_CONSOLE  (1U << 3)
#define INTERRUPT_SHUTDOWN (1U << 4)

#define DISK_MAX 8

struct disk_option {
    const char *path;
    bool copy_on_write; /* -R: the image is never written */
};

/* (i) set by main() before any CPU runs */
struct options {
    size_t memory; /* bytes */
    unsigned cpus;
    struct disk_option disks[DISK_MAX];
    unsigned disk_count;
    const char *command;  /* -c, or NULL */
    const char *log;      /* --log FILE, or NULL */
    const char *seed;     /* --seed, or NULL */
    char *schedule;       /* the contents of --schedule FILE, or NULL */
    const char *fail;     /* --fail, or NULL */
    bool is_strict;       /* --strict */
    const char *ram_file; /* --ram-file FILE, or NULL */
    const char *results;  /* --results, or NULL */
    const char *trace;    /* --trace FILE, or NULL */
    const char *vmspace;  /* --vmspace: "seccomp" or "ptrace"; or NULL */
    char *words;          /* the kernel's command line */
};

extern struct options options;

/* options.c: fill `options`; ends the process for --help and for what cannot be understood. */
void options_parse(int argc, char **argv);

/* A start-up error: print `duet: ...` and what the host says about `error` (0: nothing), and
 * end with `status`. */
void die(int status, int error, const char *format, ...) printf_like(3, 4) noreturn_fn;

/* cpu.c: how many processors the host has for us; whether CPUs are bound to one each. */
void cpu_count_host(void);
unsigned cpu_host_processors(void);
bool cpu_is_bound(void);
/* cpu.c: how many processors the host has for us, and whether that is enough: a CPU that
 * waits for a user program may look for a while instead of sleeping at once. */
void cpu_count_host(void);
bool cpu_may_spin(void);

/* Run kernel_main() on CPU 0, a host thread of its own. */
void cpu_start_boot(void);

/* Whether this host thread is a CPU, not a service thread. */
bool is_cpu_thread(void);

/* Start an ordinary host thread that takes no interrupts. */
void service_thread_start(void *(*start)(void *), void *argument);

/* interrupt.c */
void interrupt_init(void);
/* Have the handlers of `bits` run on a CPU, soon. Any context. */
void interrupt_raise(struct cpu *cpu, uint32_t bits);

/* clock.c */
void clock_init(void);
void clock_init_machine_cpu(struct cpu *cpu); /* on its own host thread */
/* The host's timer of this CPU went off; true when the deadline has come. */
bool clock_timer_expired(void);

/* console.c */
void console_init(void);
void console_start_input(void);
void console_restore(void);   /* the terminal as it was; any context */
void console_interrupt(void); /* on CPU 0: pass on what was read */
/* Seeded: when a program waits for input, have it interrupt CPU 0. `may_sleep`: nothing else
 * will happen but that. Returns whether there was some. */
bool console_take_input(bool may_sleep);
void console_expect_end(void); /* Seeded: a shutdown was asked for */

/* disk.c */
void disk_open_all(void);  /* errors end the process */
void disk_start_all(void); /* register them */
void disk_interrupt(void); /* on CPU 0: complete requests */

/* fault.c: catch the faults of the kernel itself. */
void fault_init(void);
/* The integer registers in the context of a signal; the rest of `frame` is left alone. */
void fault_make_frame(const void *context, struct trapframe *frame);
/* Give this host thread a stack for that handler. */
void *fault_stack_install(void);

/*
 * sanitizer/: make SAN=address, SAN=thread: catch findings; announce, just before a switch of the
 * stack, that this CPU's next thread comes, or that another CPU goes on; and that a stack goes.
 */
#if defined(SAN_ADDRESS) || defined(SAN_THREAD)
void sanitizer_init(void);
void sanitizer_before_switch(void);
void sanitizer_before_cpu_switch(unsigned from, struct cpu *to);
void sanitizer_stack_goes(void *stack);
#else
static inline void sanitizer_init(void)
{
}
static inline void sanitizer_before_switch(void)
{
}
static inline void sanitizer_before_cpu_switch(unsigned from, struct cpu *to)
{
    (void)from;
    (void)to;
}
static inline void sanitizer_stack_goes(void *stack)
{
    (void)stack;
}
#endif

/* sigaction(2), without ThreadSanitizer, which would delay handlers until it sees a system call
 * that waits. */
#ifdef SAN_THREAD
int __sigaction(int signal, const struct sigaction *action, struct sigaction *old);
#define host_sigaction __sigaction
#else
#define host_sigaction sigaction
#endif

/* tlb_check.c: have the vmspace library check its translations. */
struct vmspace_config;
#ifdef DEBUG
void tlb_check_configure(struct vmspace_config *config);
#else
static inline void tlb_check_configure(struct vmspace_config *config)
{
    (void)config;
}
#endif

/* memory.c: the machine's physical memory. */
#define HOST_STACK_SIZE  (256UL << 10)     /* of the host threads */
#define STACK_GUARD_SIZE KERNEL_STACK_SIZE /* so much below a kernel stack is not mapped */
void memory_init(void);
void memory_check_room(void);
extern int memory_fd;
