/*
 * The basic types of the kernel: what the compiler gives, what POSIX names, and our units.
 *
 * A type that is a unit (an address, a page number, a time) has a name of its own, so that
 * a prototype says what it takes. User addresses are integers, never pointers: they cannot
 * be dereferenced by mistake, only handed to copyin() and its kin (vm/copyio.h).
 */
#pragma once

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef uint64_t vaddr_t; /* virtual address, bytes; of the kernel or of a user program */
typedef uint64_t uaddr_t; /* virtual address in a user program, not checked yet */
typedef uint64_t paddr_t; /* physical address, bytes */
typedef uint64_t pfn_t;   /* page frame number: paddr / PAGE_SIZE */
typedef int64_t nsec_t;   /* a time or a span, nanoseconds */
typedef uint32_t block_t; /* block number in a file system */
typedef uint32_t prot_t;  /* PROT_READ | PROT_WRITE | PROT_EXEC (abi/mman.h) */

/* The same widths as in Linux's x86-64 ABI. */
typedef int64_t ssize_t;
typedef int64_t off_t;
typedef int32_t pid_t;
typedef uint32_t uid_t;
typedef uint32_t gid_t;
typedef uint32_t mode_t;
typedef uint64_t dev_t;
typedef uint64_t ino_t;

#define NSEC_PER_SEC  1000000000L
#define NSEC_PER_MSEC 1000000L
#define NSEC_PER_USEC 1000L
#define NSEC_NEVER    INT64_MAX /* a deadline that does not come */

#define must_check                    __attribute__((warn_unused_result))
#define printf_like(f, a)             __attribute__((format(printf, f, a)))
#define noreturn_fn                   __attribute__((noreturn))
#define array_length(a)               (sizeof(a) / sizeof((a)[0]))
#define container_of(p, type, member) ((type *)(void *)((char *)(p)-offsetof(type, member)))

#define min(a, b)                                                                                  \
    __extension__({                                                                                \
        __typeof__(a) min_a_ = (a);                                                                \
        __typeof__(b) min_b_ = (b);                                                                \
        min_a_ < min_b_ ? min_a_ : min_b_;                                                         \
    })
#define max(a, b)                                                                                  \
    __extension__({                                                                                \
        __typeof__(a) max_a_ = (a);                                                                \
        __typeof__(b) max_b_ = (b);                                                                \
        max_a_ > max_b_ ? max_a_ : max_b_;                                                         \
    })

/* `align` is a power of two. */
#define align_down(x, align) ((x) & ~((__typeof__(x))(align)-1))
#define align_up(x, align)   align_down((x) + (__typeof__(x))(align)-1, align)
#define is_aligned(x, align) (((x) & ((__typeof__(x))(align)-1)) == 0)
