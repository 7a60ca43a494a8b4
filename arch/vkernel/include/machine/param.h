/* Sizes and fixed addresses of the vkernel. */
#pragma once

#define PAGE_SHIFT 12
#define PAGE_SIZE  (1UL << PAGE_SHIFT)

#define MAX_CPUS 16

/* User programs own [USER_MIN, USER_MAX); the same on every machine, so that the same
 * program gets the same addresses. The vmspace library's stub lives above. */
#define USER_MIN 0x0000000000010000UL
#define USER_MAX 0x0000700000000000UL

/* The memfd that is the physical memory is mapped here: a range that the host leaves free,
 * with and without AddressSanitizer. ThreadSanitizer wants it below 512 GiB, or above most. */
#ifdef SAN_THREAD
#define DIRECT_MAP_BASE 0x0000001000000000UL
#else
#define DIRECT_MAP_BASE 0x0000200000000000UL
#endif

/* Interrupts are host signals, whose frames hold the host's whole vector state; and the code
 * may call the host's C library, or ThreadSanitizer while it looks for names. */
#ifdef SAN_THREAD
#define KERNEL_STACK_SIZE (256 * 1024)
#else
#define KERNEL_STACK_SIZE (64 * 1024)
#endif

/* The XSAVE area of the host's signal frames, AVX-512 included. */
#define FPU_STATE_SIZE 4096
