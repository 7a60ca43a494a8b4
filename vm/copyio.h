/*
 * Copying between the kernel and a user address space, the same on every machine: the page
 * tables are walked and the bytes moved through the direct map; where the processor would
 * fault, the fault handler is called. A bad user address is -EFAULT, never a panic.
 */
#pragma once

#include "kern/types.h"

struct map;
struct page;

/*
 * Copy `size` bytes in (from the user address `from`) or out (to the user address `to`).
 * Takes map->lock for each page and may sleep: no spinlock, vnode or buffer lock is held.
 * Returns 0 or -EFAULT (a part may have been copied), -ENOMEM when a page could not be had.
 */
int map_copyin(struct map *map, void *to, uaddr_t from, size_t size) must_check;
int map_copyout(struct map *map, uaddr_t to, const void *from, size_t size) must_check;

/*
 * Copy a NUL-terminated string in. Returns its length without the NUL, -ENAMETOOLONG if it does
 * not end within `size` bytes, or -EFAULT.
 */
ssize_t map_copyin_string(struct map *map, char *to, uaddr_t from, size_t size) must_check;

/*
 * Make the aligned 32-bit word at `address` accessible and keep it where it is: map->lock is held
 * until map_unlock_word(). *page: its page, if other maps may show the same memory, else NULL.
 * Returns the word in the direct map, to be accessed atomically; or NULL with the lock released
 * and *error set: -EINVAL (not aligned), -EFAULT, -ENOMEM.
 */
uint32_t *map_lock_word(struct map *map, uaddr_t address, prot_t access, struct page **page,
                        int *error) must_check;
void map_unlock_word(struct map *map);

/* Fill with zeros. As map_copyout(). */
int map_zero(struct map *map, uaddr_t to, size_t size) must_check;
