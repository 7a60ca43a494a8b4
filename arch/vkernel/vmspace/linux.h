/*
 * System calls of the host without its C library.
 *
 * The vmspace library and the port run on kernel threads, which move between host threads at
 * any instruction where interrupts are enabled; the C library's errno belongs to a host thread
 * and must not be touched there. The stub has no C library at all. All of them call the host
 * through host_call(), which returns the result or a negative errno.
 */
#pragma once

#include <linux/futex.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>

static inline long host_call6(long number, long a, long b, long c, long d, long e, long f)
{
    long result;
    register long r10 __asm__("r10") = d;
    register long r8 __asm__("r8") = e;
    register long r9 __asm__("r9") = f;

    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory");
    return result;
}

/* host_call(number, up to six arguments): each is converted to long, the missing ones are 0. */
#define HOST_CALL_ARGUMENTS(n, a, b, c, d, e, f, ...)                                              \
    host_call6((n), (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f))
#define host_call(...) HOST_CALL_ARGUMENTS(__VA_ARGS__, 0, 0, 0, 0, 0, 0, 0)

struct host_timespec {
    long seconds, nanoseconds;
};

/* Sleep while *word == value; the word may be shared between processes. */
static inline long host_futex_wait(volatile uint32_t *word, uint32_t value,
                                   const struct host_timespec *timeout)
{
    return host_call(SYS_futex, word, FUTEX_WAIT, value, timeout);
}

static inline long host_futex_wake(volatile uint32_t *word, int count)
{
    return host_call(SYS_futex, word, FUTEX_WAKE, count);
}
