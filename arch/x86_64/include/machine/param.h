/* Sizes and fixed addresses of the x86_64 machine. */
#pragma once

#define PAGE_SHIFT 12
#define PAGE_SIZE  (1UL << PAGE_SHIFT)

#define MAX_CPUS 16

/* User programs own [USER_MIN, USER_MAX); the same on every machine, so that the same
 * program gets the same addresses. */
#define USER_MIN 0x0000000000010000UL
#define USER_MAX 0x0000700000000000UL

/* All physical memory is mapped here; the kernel's image lies in the top 2 GiB. */
#define DIRECT_MAP_BASE 0xffff800000000000UL
#define KERNEL_BASE     0xffffffff80000000UL

#define KERNEL_STACK_SIZE (16 * 1024)

/* FXSAVE area (Intel SDM vol. 1, section 10.5.1); OSXSAVE stays off. */
#define FPU_STATE_SIZE 512
