/*
 * Kernel messages, assertions and panic.
 *
 * Messages go to the machine's log (kern/machine.h), which is the console unless the
 * machine was told otherwise; a panic goes to both.
 */
#pragma once

#include "kern/types.h"

/*
 * Format into `buffer` like the C library's vsnprintf(): %d %i %u %x %X %o %c %s %p %%, flags
 * `-`, `0`, `+`, ` ` and `#`, width and precision (also `*`), lengths hh h l ll z j t.
 * Returns the length that the whole text would have had, without the final NUL.
 */
int format_v(char *buffer, size_t size, const char *format, va_list arguments);
int format(char *buffer, size_t size, const char *fmt, ...) printf_like(3, 4);

/* Print to the kernel log. Any context; takes the log lock. */
void kprintf(const char *fmt, ...) printf_like(1, 2);

/*
 * Stop the machine: print the message, this CPU's and every other CPU's backtrace and held
 * locks, tell the results channel, and power off with status 125. For broken promises of the
 * kernel only; what a user program can cause is an errno or a signal.
 */
void panic(const char *fmt, ...) printf_like(1, 2) noreturn_fn;

/*
 * As panic(), for a fault in the kernel that the machine caught: `pc` and `fp` are the
 * program counter and frame pointer at the fault, from where the backtrace starts.
 */
void panic_at(vaddr_t pc, vaddr_t fp, const char *fmt, ...) printf_like(3, 4) noreturn_fn;

/*
 * As panic(). explain(argument) says more, with kprintf(), between the message and the backtraces.
 */
void panic_explained(void (*explain)(const void *argument), const void *argument, const char *fmt,
                     ...) printf_like(3, 4) noreturn_fn;

/*
 * Called where a CPU may wait for another one with interrupts disabled, and by the kick
 * handler: when another CPU panicked, prints this CPU's backtrace and never returns.
 */
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
