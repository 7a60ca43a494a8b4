/*
 * The machine contract: all that the kernel needs from a machine, and nothing else.
 *
 * A machine is a folder arch/NAME that defines the functions below and provides the headers
 *
 *      <machine/param.h>   PAGE_SHIFT, PAGE_SIZE, USER_MIN, USER_MAX, DIRECT_MAP_BASE, MAX_CPUS,
 *                          KERNEL_STACK_SIZE, FPU_STATE_SIZE
 *      <machine/pte.h>     the page table format: levels, bits, constructors (see vm/pmap.h)
 *      <machine/cpu.h>     struct machine_cpu; cpu_self(), cpu_relax(), interrupts_disable(),
 *                          interrupts_restore(), interrupts_are_enabled(), all inline
 *      <machine/frame.h>   struct trapframe, the registers of a user thread, and what the
 *                          system-call convention makes of them
 *      <machine/context.h> struct context, where a kernel thread's registers rest
 *      <machine/pmap.h>    struct machine_pmap, what the machine adds to a page table
 *
 * docs/porting.md explains each with the order in which to write them. What the machine calls
 * in turn stands at the end: the upcalls.
 *
 * Interrupts: a machine delivers timer, kick and device interrupts to a CPU only while that
 * CPU has them enabled. Handlers run on the current kernel thread's stack with interrupts
 * disabled, call the upcalls, and end with interrupt_return() (kern/sched.h). cpu->in_interrupt
 * is true while an upcall runs.
 */
#pragma once

#include "kern/types.h"
#include <machine/pte.h>

struct cpu;
struct pmap;
struct thread;
struct trap;
struct trapframe;
struct context;

/* --- Start and end ------------------------------------------------------------------------- */

struct memory_range {
    paddr_t start, end; /* page-aligned; end is exclusive */
};

/*
 * Fill `ranges` with the free physical memory, in rising order: what neither the kernel's
 * image nor the machine uses. Physical page 0 is never in it. Returns how many there are.
 */
size_t machine_memory(struct memory_range *ranges, size_t max);

/* The kernel's command line (see kern/cmdline.h); "" when there is none. */
const char *machine_command_line(void);

/*
 * Find and start the devices: register disks with block_register(), enable the console's
 * input. Called once, on the boot CPU, in a kernel thread with interrupts enabled; may sleep.
 */
void machine_start_devices(void);

/* End the machine; `status` (0..255) reaches whoever started it. Any context. */
void machine_power_off(int status) noreturn_fn;

/* --- CPUs ---------------------------------------------------------------------------------- */

/* How many CPUs the machine has, 1..MAX_CPUS. */
unsigned machine_cpu_count(void);

/*
 * Start CPU `cpu->id` (never 0): it runs cpu_main(cpu) on the stack of cpu->idle with
 * interrupts disabled and cpu_self() == cpu. Returns 0 when it runs, else -EIO.
 */
int machine_start_cpu(struct cpu *cpu) must_check;

/*
 * Wait for an interrupt. Called by the idle thread with interrupts disabled; enables them and
 * sleeps in one step, so that an interrupt that came before is not lost; returns with
 * interrupts disabled after at least one was taken. Uses no host or bus cycles meanwhile.
 */
void machine_idle(void);

/*
 * For the end of the machine: make stop_interrupt() run on another CPU soon, even if that has
 * interrupts disabled. Any context; the caller need not be a CPU.
 */
void machine_stop(struct cpu *cpu);

/* Do nothing for ever, without using the host. Interrupts are disabled. */
void machine_halt(void) noreturn_fn;

/* Interrupt another CPU (or this one): kick_interrupt() runs there soon. Any context. */
void machine_kick(struct cpu *cpu);

/* --- Kernel threads ------------------------------------------------------------------------ */

/*
 * A kernel stack of KERNEL_STACK_SIZE bytes with a guard page below it: the lowest address
 * of the usable part, or NULL when out of memory. May be slow; the kernel keeps a cache.
 */
void *machine_stack_create(void) must_check;
void machine_stack_destroy(void *stack);

/*
 * Make `context` such that the first switch to it calls start(argument) on the given stack
 * with interrupts disabled. `start` never returns.
 */
void context_init(struct context *context, void *stack, void (*start)(void *), void *argument);

/*
 * Save the callee-saved registers in `from` and resume `to`; returns when something switches
 * back to `from`, maybe on another CPU. Interrupts are disabled before and after.
 */
void context_switch(struct context *from, struct context *to);

/* --- User programs ------------------------------------------------------------------------- */

/*
 * Run the user program of the current thread from the registers in `frame` until it traps,
 * and return why (kern/trap.h). Called and returns with interrupts disabled; they are enabled
 * while the program runs. The pmap of the thread has been activated on this CPU. The
 * registers in `frame` are current when this returns; the floating-point state need not be
 * (user_frame_copy() sees to that).
 */
struct trap user_run(struct trapframe *frame);

/* Make `frame` a program's first registers: all zero but the given ones, FPU as after reset. */
void user_frame_init(struct trapframe *frame, uaddr_t entry, uaddr_t stack);

/* Copy all of the user state, floating point included. The owner of `from` does not run. */
void user_frame_copy(struct trapframe *to, struct trapframe *from);

/*
 * Signal handlers (Linux's x86-64 frame: restorer, ucontext, siginfo, floating-point state below
 * the red zone). push: save the frame and `request` on the user's stack, or below `top`, and make
 * the program continue in the handler. pop: the opposite, for rt_sigreturn(2); stores what is to be
 * restored.
 * Return 0, -EFAULT when the stack is not accessible or too small (the program gets SIGSEGV), or
 * -ENOMEM.
 */
struct signal_saved {
    uint64_t mask;
    uaddr_t stack; /* the alternate one */
    size_t stack_size;
};
struct signal_request {
    int signal;
    int code;                          /* si_code */
    uaddr_t address;                   /* si_addr, of a fault */
    int32_t sender;                    /* si_pid, of kill(2) */
    uint64_t handler, restorer, flags; /* the action's */
    struct signal_saved saved;
    uaddr_t top;    /* of the alternate stack, to start there; 0: go on where the program is */
    uaddr_t bottom; /* of the alternate stack, if the handler runs there; else 0 */
};
int user_frame_push_signal(struct trapframe *frame,
                           const struct signal_request *request) must_check;
int user_frame_pop_signal(struct trapframe *frame, struct signal_saved *saved) must_check;

/* The thread of `frame` is about to be freed: forget what the machine knows of it. */
void user_frame_release(struct trapframe *frame);

/* --- Page tables --------------------------------------------------------------------------- */

/*
 * Prepare what the machine adds to a new page table, whose root page is zeroed, or undo it.
 * A machine whose kernel shares the table copies its half of the root here.
 * Returns 0 or -ENOMEM.
 */
int machine_pmap_create(struct pmap *pmap) must_check;
void machine_pmap_destroy(struct pmap *pmap);

/* This CPU's user translations are those of `pmap` from now on; NULL: none. Interrupts off. */
void machine_pmap_activate(struct pmap *pmap);

/*
 * When this returns, no CPU uses a translation of [start, end) that was cached before the
 * call. Page-aligned. Entries whose permissions only grew need no call: the fault that a stale
 * one causes is spurious. May be called with spinlocks held, but not with interrupts that
 * were disabled for longer than those locks need.
 */
void machine_tlb_invalidate(struct pmap *pmap, vaddr_t start, vaddr_t end);

/* --- Time ---------------------------------------------------------------------------------- */

/* Nanoseconds since boot; never goes back, the same on all CPUs. */
nsec_t machine_clock(void);

/* Nanoseconds since 1970-01-01 UTC at the moment when machine_clock() was 0. */
nsec_t machine_boot_time(void);

/*
 * Program this CPU's timer: timer_interrupt() runs at or soon after `deadline` (of
 * machine_clock()); NSEC_NEVER turns it off. Replaces the previous deadline. Interrupts off.
 */
void machine_timer_set(nsec_t deadline);

/* --- Console, log and results -------------------------------------------------------------- */

/*
 * Write to the console; returns when all was taken. Needs no lock of the kernel, works in any
 * context and before anything else.
 */
void machine_console_write(const char *text, size_t length);

/* The log of the kernel's messages: the console, or where the machine was told to put it. */
void machine_log_write(const char *text, size_t length);

/* True when the log goes to the console, so that a message to both is printed once. */
bool machine_log_is_console(void);

/*
 * True when the console is a stream of bytes (a pipe or a file) rather than a terminal:
 * the tty then neither echoes nor edits, and end-of-file is real.
 */
bool machine_console_is_stream(void);

/* The size of the terminal, or false when it is not known. */
bool machine_console_size(uint16_t *rows, uint16_t *columns);

/* Called when the tty has room again after console_input() refused. */
void machine_console_resume(void);

/*
 * Someone is about to wait for input. A machine that takes its input at points of the run, not
 * when it happens to come, takes some now. Any context.
 */
void machine_console_expect(void);

/* A channel to whoever started the machine, apart from the console. Any context. */
void machine_results_write(const void *data, size_t length);

/*
 * The channel for the event trace (kern/trace.h): to a file, if whoever started the machine asked
 * for it. Other CPUs are stopped; the caller need not be a CPU.
 */
void machine_trace_write(const void *data, size_t length);

/* Print the registers of a fault in the kernel, by kprintf(). */
void machine_print_registers(const struct trapframe *registers);
/* --- Controlled schedules (kern/schedule_point.h) ------------------------------------------- */

/* Whether the machine runs one CPU at a time and lets the kernel say which. */
bool machine_schedule_is_ours(void);

/* A scheduling point was passed. Where time is the machine's own, it goes on a little, and
 * the interrupts that are due are raised. */
void machine_schedule_tick(void);

/* The CPUs that could go on, as bits: those that were started and do not wait for an interrupt. */
uint64_t machine_schedule_ready(void);

/* Go on as `cpu`; returns when somebody goes on as this one. Interrupts are disabled on both. A
 * machine whose CPUs run by themselves lets the others run for a while. */
void machine_schedule_run(struct cpu *cpu);

/* No CPU can go on. Let time pass until an interrupt was raised; false: there will be none. Called
 * where the kernel says which CPU runs. */
bool machine_schedule_wait(void);

/* --- Random numbers ------------------------------------------------------------------------ */

/* Fill `buffer` from the machine's source of entropy (to seed kern/dev/random.c). */
void machine_random(void *buffer, size_t length);

/* --- Upcalls: what the machine calls ------------------------------------------------------- */

/* Start the kernel: on the boot CPU, interrupts disabled, cpu_self() == &cpus[0]. */
void kernel_main(void) noreturn_fn;

/* The first C function of another CPU. See machine_start_cpu(). */
void cpu_main(struct cpu *cpu) noreturn_fn;

/* The timer's deadline has come; a kick came. In an interrupt handler. */
void timer_interrupt(void);
void kick_interrupt(void);

/*
 * machine_stop() may have reached this CPU: whether it is to stop. If so, stop_interrupt() does
 * that; `pc` and `fp` are the interrupted code's. Any context.
 */
bool stop_is_wanted(void);
void stop_interrupt(vaddr_t pc, vaddr_t fp) noreturn_fn;

/*
 * The end of every interrupt that was taken in kernel mode: may switch to another thread.
 * Interrupts are disabled; the interrupted code had them enabled.
 */
void interrupt_return(void);

/*
 * A byte from the console, or CONSOLE_EOF. False when the tty is full: keep the byte and offer
 * it again when machine_console_resume() is called. In an interrupt handler.
 */
#define CONSOLE_EOF (-1)
bool console_input(int byte);

/* Someone outside asks for a clean shutdown: init gets SIGTERM. In an interrupt handler. */
void shutdown_request(void);

#ifdef DEBUG

/*
 * For a machine that can see what is in its TLB, in debug builds: before it runs a program, it
 * compares that with the page table. What it finds is legal while somebody is changing the page
 * table and has not come back from machine_tlb_invalidate() yet: tlb_is_changing(), in any
 * context. Otherwise tlb_report_stale() ends the machine; interrupts disabled, in the thread of
 * the program.
 */
struct tlb_stale {
    vaddr_t va;     /* of the page */
    prot_t prot;    /* what the TLB lets the program do there */
    int level;      /* of the entry that was changed */
    paddr_t entry;  /* where it is */
    pte_t old, new; /* what it was when all was in order (0: not known), and is */
};
bool tlb_is_changing(const struct pmap *pmap);
void tlb_report_stale(const struct tlb_stale *stale) noreturn_fn;

#endif
