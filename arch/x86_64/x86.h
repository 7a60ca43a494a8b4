/*
 * Instructions and registers of the processor that C cannot name. References: Intel 64 and
 * IA-32 Architectures Software Developer's Manual ("SDM").
 */
#pragma once

#include "kern/types.h"

/* Control registers, SDM vol. 3A, section 2.5. */
#define CR4_SMEP (1UL << 20)
#define CR4_SMAP (1UL << 21)

/* Flags, SDM vol. 1, section 3.4.3. */
#define RFLAGS_FIXED  0x000002UL /* always 1 */
#define RFLAGS_STATUS 0x0008d5UL /* CF PF AF ZF SF OF */
#define RFLAGS_TF     0x000100UL
#define RFLAGS_IF     0x000200UL
#define RFLAGS_DF     0x000400UL
#define RFLAGS_IOPL   0x003000UL
#define RFLAGS_NT     0x004000UL
#define RFLAGS_AC     0x040000UL
#define RFLAGS_ID     0x200000UL

/* Model-specific registers, SDM vol. 4, table 2-2. */
#define MSR_APIC_BASE      0x0000001b
#define MSR_TSC_DEADLINE   0x000006e0
#define MSR_STAR           0xc0000081
#define MSR_LSTAR          0xc0000082
#define MSR_FMASK          0xc0000084
#define MSR_FS_BASE        0xc0000100
#define MSR_GS_BASE        0xc0000101
#define MSR_KERNEL_GS_BASE 0xc0000102

static inline uint64_t rdmsr(uint32_t msr)
{
    uint32_t low, high;

    __asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(msr));
    return (uint64_t)high << 32 | low;
}

static inline void wrmsr(uint32_t msr, uint64_t value)
{
    __asm__ volatile("wrmsr" ::"c"(msr), "a"((uint32_t)value), "d"((uint32_t)(value >> 32))
                     : "memory");
}

static inline uint64_t read_cr2(void)
{
    uint64_t value;

    __asm__ volatile("mov %%cr2, %0" : "=r"(value));
    return value;
}

static inline uint64_t read_cr3(void)
{
    uint64_t value;

    __asm__ volatile("mov %%cr3, %0" : "=r"(value));
    return value;
}

static inline void write_cr3(uint64_t value)
{
    __asm__ volatile("mov %0, %%cr3" ::"r"(value) : "memory");
}

static inline uint64_t read_cr4(void)
{
    uint64_t value;

    __asm__ volatile("mov %%cr4, %0" : "=r"(value));
    return value;
}

static inline void write_cr4(uint64_t value)
{
    __asm__ volatile("mov %0, %%cr4" ::"r"(value) : "memory");
}

static inline void invlpg(vaddr_t va)
{
    __asm__ volatile("invlpg (%0)" ::"r"(va) : "memory");
}

/* The time-stamp counter, read after all earlier loads (SDM vol. 2B, RDTSC). */
static inline uint64_t read_tsc(void)
{
    uint32_t low, high;

    __asm__ volatile("lfence; rdtsc" : "=a"(low), "=d"(high)::"memory");
    return (uint64_t)high << 32 | low;
}

struct cpuid {
    uint32_t eax, ebx, ecx, edx;
};

/* What the processor says of itself at `leaf`; zeros where it knows no such leaf. */
static inline struct cpuid cpuid(uint32_t leaf)
{
    struct cpuid r;
    uint32_t highest, b, c, d;

    __asm__ volatile("cpuid"
                     : "=a"(highest), "=b"(b), "=c"(c), "=d"(d)
                     : "a"(leaf & 0x80000000), "c"(0));
    if (leaf > highest)
        return (struct cpuid){0, 0, 0, 0};
    __asm__ volatile("cpuid"
                     : "=a"(r.eax), "=b"(r.ebx), "=c"(r.ecx), "=d"(r.edx)
                     : "a"(leaf), "c"(0));
    return r;
}

static inline uint8_t inb(uint16_t port)
{
    uint8_t value;

    __asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}

static inline void outb(uint16_t port, uint8_t value)
{
    __asm__ volatile("outb %0, %1" ::"a"(value), "Nd"(port));
}

static inline uint16_t inw(uint16_t port)
{
    uint16_t value;

    __asm__ volatile("inw %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}

static inline void outw(uint16_t port, uint16_t value)
{
    __asm__ volatile("outw %0, %1" ::"a"(value), "Nd"(port));
}

static inline uint32_t inl(uint16_t port)
{
    uint32_t value;

    __asm__ volatile("inl %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}

static inline void outl(uint16_t port, uint32_t value)
{
    __asm__ volatile("outl %0, %1" ::"a"(value), "Nd"(port));
}

/* Write bytes to a port one after the other. */
static inline void outsb(uint16_t port, const void *data, size_t length)
{
    __asm__ volatile("rep outsb" : "+S"(data), "+c"(length) : "d"(port) : "memory");
}
