/*
 * Kernel messages, assertions and panic.
 *
 * Messages go to the machine's log (kern/machine.h), which is the console unless the
 * machine was told otherwise; a panic goes to both.
 */
#pragma once

#include "kern/types.h"

struct trapframe;

/*
 * Format into `buffer` like the C library's vsnprintf(): %d %i %u %x %X %o %c %s %p %%, flags
 * `-`, `0`, `+`, ` ` and `#`, width and precision (also `*`), lengths hh h l ll z j t.
 * Returns the length that the whole text would have had, without the final NUL.
 */
int format_v(char *buffer, size_t size, const char *format, va_list arguments);
int format(char *buffer, size_t size, const char *fmt, ...) printf_like(3, 4);

/* Print to the kernel log. Any context; takes the log lock. */
void kprintf(const char *fmt, ...) printf_like(1, 2);

/* In a panic: print the last message before it. */
void log_print_last(void);

/*
 * Stop the machine: print the message and a report on all CPUs and threads (kern/panic.c), tell
 * the results channel, and power off with status 125. For broken promises of the kernel only;
 * what a user program can cause is an errno or a signal.
 */
void panic(const char *fmt, ...) printf_like(1, 2) noreturn_fn;

/*
 * As panic(), for a fault in the kernel that the machine caught: `pc` and `fp` are the
 * program counter and frame pointer at the fault, from where the backtrace starts; `registers`
 * are printed as well, if not NULL.
 */
void panic_at(vaddr_t pc, vaddr_t fp, const struct trapframe *registers, const char *fmt, ...)
    printf_like(4, 5) noreturn_fn;

/*
 * As panic(). explain(argument) says more, with kprintf(), between the message and the backtraces.
 */
void panic_explained(void (*explain)(const void *argument), const void *argument, const char *fmt,
                     ...) printf_like(3, 4) noreturn_fn;

/* Called where a CPU waits for another one: if that stops all others, it stops here for ever. */
void panic_check(void);

/* True from the first panic on. */
bool is_panicking(void);

/* True promises, checked in debug builds (the default); see RELEASE=1 in the Makefile. */
#ifdef DEBUG
#define assert(condition)                                                                          \
    ((condition) ? (void)0 : panic("assertion failed: %s (%s:%d)", #condition, __FILE__, __LINE__))
#else
#define assert(condition) ((void)sizeof(condition))
#endif
