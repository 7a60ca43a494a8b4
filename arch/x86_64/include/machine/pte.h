/*
 * The page table format of x86-64 with 4 levels (Intel SDM vol. 3A, section 4.5; AMD APM
 * vol. 2, section 5.3): 512 entries of 8 bytes a table; a leaf at level 1 (4 KiB), or at
 * level 2 or 3 with PTE_LARGE.
 */
#pragma once

#include "kern/abi/mman.h"
#include "kern/types.h"

typedef uint64_t pte_t;

#define PTE_LEVELS  4
#define PTE_ENTRIES 512

#define PTE_PRESENT  (1UL << 0)
#define PTE_WRITE    (1UL << 1)
#define PTE_USER     (1UL << 2)
#define PTE_ACCESSED (1UL << 5)
#define PTE_DIRTY    (1UL << 6)
#define PTE_LARGE    (1UL << 7)
#define PTE_GLOBAL   (1UL << 8)
#define PTE_SOFT0    (1UL << 9) /* three bits that the processor leaves to the kernel */
#define PTE_SOFT1    (1UL << 10)
#define PTE_SOFT2    (1UL << 11)
#define PTE_NOEXEC   (1UL << 63)
#define PTE_ADDRESS  0x000ffffffffff000UL

/* How many bytes one entry of a table at `level` (1 = leaf tables) maps, as a power of two. */
static inline unsigned pte_shift(int level)
{
    return 12 + 9 * (unsigned)(level - 1);
}

/* Which entry of the table at `level` translates `va`. */
static inline size_t pte_index(vaddr_t va, int level)
{
    return (va >> pte_shift(level)) & (PTE_ENTRIES - 1);
}

static inline bool pte_is_present(pte_t pte)
{
    return (pte & PTE_PRESENT) != 0;
}

static inline bool pte_is_leaf(pte_t pte, int level)
{
    return level == 1 || (pte & PTE_LARGE) != 0;
}

static inline paddr_t pte_address(pte_t pte)
{
    return pte & PTE_ADDRESS;
}

/* An entry that points at the next table; permissions are the leaf's business. */
static inline pte_t pte_make_table(paddr_t table)
{
    return table | PTE_PRESENT | PTE_WRITE | PTE_USER;
}

/* A leaf for a user page. PROT_NONE gives an entry that is not present. */
static inline pte_t pte_make_user(paddr_t pa, prot_t prot)
{
    if ((prot & (PROT_READ | PROT_WRITE | PROT_EXEC)) == 0)
        return 0;
    return pa | PTE_PRESENT | PTE_USER | ((prot & PROT_WRITE) ? PTE_WRITE : 0) |
           ((prot & PROT_EXEC) ? 0 : PTE_NOEXEC);
}

/* A leaf for a kernel page. */
static inline pte_t pte_make_kernel(paddr_t pa, prot_t prot)
{
    return pa | PTE_PRESENT | PTE_GLOBAL | ((prot & PROT_WRITE) ? PTE_WRITE : 0) |
           ((prot & PROT_EXEC) ? 0 : PTE_NOEXEC);
}

/* What a user program may do through this entry. */
static inline prot_t pte_prot(pte_t pte)
{
    if ((pte & (PTE_PRESENT | PTE_USER)) != (PTE_PRESENT | PTE_USER))
        return 0;
    return PROT_READ | ((pte & PTE_WRITE) ? PROT_WRITE : 0) | ((pte & PTE_NOEXEC) ? 0 : PROT_EXEC);
}
