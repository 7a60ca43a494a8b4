/*
 * Copying between the kernel and user address spaces.
 *
 * Every machine maps all physical memory for its kernel, so user bytes are reached through the
 * page table and the direct map, a page at a time, whether or not the address space is active.
 * Where the processor would fault, so does this code, by calling the fault handler; where it
 * would set the accessed and dirty bits, they are set. map->lock is held while the bytes of
 * one page are moved, so that the page cannot go away.
 */
#include "vm/copyio.h"
#include "kern/abi/errno.h"
#include "kern/abi/mman.h"
#include "kern/sanitizer.h"
#include "kern/string.h"
#include "vm/map.h"
#include "vm/page.h"
#include "vm/region.h"

/* What is done to the bytes of one page: `n` bytes at `user`. Returns false to stop. */
typedef bool piece_fn(char *user, size_t n, void *argument);

/* Check that a range is a user program's at all, without overflow. */
static bool is_user_range(uaddr_t address, size_t size)
{
    return address >= USER_MIN && address <= USER_MAX && size <= USER_MAX - address;
}

/* Make the page at `va` accessible. Returns its bytes in the direct map, or NULL with *error. */
static char *access_page(struct map *map, uaddr_t va, prot_t access, int *error)
{
    pte_t wanted = PTE_ACCESSED | (access == PROT_WRITE ? PTE_DIRTY : 0);
    pte_t pte = pmap_lookup(&map->pmap, va);

    if (!(pte_prot(pte) & access)) {
        *error = map_fault_locked(map, va, access);
        pte = pmap_lookup(&map->pmap, va);
        if (*error != 0 || !(pte_prot(pte) & access)) {
            *error = *error == -ENOMEM ? -ENOMEM : -EFAULT;
            return NULL;
        }
    }
    if ((pte & wanted) != wanted)
        pmap_mark_accessed(&map->pmap, va, access == PROT_WRITE);
    return direct_map(pte_address(pte));
}

/* Call `piece` for each page's part of the range. */
static int for_each_piece(struct map *map, uaddr_t address, size_t size, prot_t access,
                          piece_fn *piece, void *argument)
{
    bool more = true;

    while (size > 0 && more) {
        size_t offset = address % PAGE_SIZE;
        size_t n = min(size, PAGE_SIZE - offset);
        int error = -EFAULT;
        char *bytes;

        mutex_lock(&map->lock);
        bytes = access_page(map, address - offset, access, &error);
        if (bytes != NULL)
            more = piece(bytes + offset, n, argument);
        mutex_unlock(&map->lock);
        if (bytes == NULL)
            return error;
        address += n;
        size -= n;
    }
    return 0;
}

static bool copy_in_piece(char *user, size_t n, void *argument)
{
    char **to = argument;

    sanitizer_user_begin();
    memcpy(*to, user, n);
    sanitizer_user_end();
    *to += n;
    return true;
}

int map_copyin(struct map *map, void *to, uaddr_t from, size_t size)
{
    char *cursor = to;

    if (size == 0)
        return 0;
    if (!is_user_range(from, size))
        return -EFAULT;
    return for_each_piece(map, from, size, PROT_READ, copy_in_piece, &cursor);
}

static bool copy_out_piece(char *user, size_t n, void *argument)
{
    const char **from = argument;

    sanitizer_user_begin();
    memcpy(user, *from, n);
    sanitizer_user_end();
    *from += n;
    return true;
}

int map_copyout(struct map *map, uaddr_t to, const void *from, size_t size)
{
    const char *cursor = from;

    if (size == 0)
        return 0;
    if (!is_user_range(to, size))
        return -EFAULT;
    return for_each_piece(map, to, size, PROT_WRITE, copy_out_piece, &cursor);
}

static bool zero_piece(char *user, size_t n, void *argument)
{
    (void)argument;
    sanitizer_user_begin();
    memset(user, 0, n);
    sanitizer_user_end();
    return true;
}

int map_zero(struct map *map, uaddr_t to, size_t size)
{
    if (size == 0)
        return 0;
    if (!is_user_range(to, size))
        return -EFAULT;
    return for_each_piece(map, to, size, PROT_WRITE, zero_piece, NULL);
}

uint32_t *map_lock_word(struct map *map, uaddr_t address, prot_t access, struct page **page,
                        int *error)
{
    size_t offset = address % PAGE_SIZE;
    char *bytes;

    *error = !is_aligned(address, sizeof(uint32_t)) ? -EINVAL : -EFAULT;
    if (*error == -EINVAL || !is_user_range(address, sizeof(uint32_t)))
        return NULL;
    mutex_lock(&map->lock);
    bytes = access_page(map, address - offset, access, error);
    if (bytes == NULL) {
        mutex_unlock(&map->lock);
        return NULL;
    }
    *error = 0;
    *page = NULL;
    if (region_find(map, address)->is_shared)
        *page = page_from_address(direct_map_address(bytes));
    return (uint32_t *)(void *)(bytes + offset);
}

void map_unlock_word(struct map *map)
{
    mutex_unlock(&map->lock);
}

struct string_copy {
    char *to;
    size_t length;
    bool is_complete;
};

static bool string_piece(char *user, size_t n, void *argument)
{
    struct string_copy *copy = argument;
    const volatile char *from = user; /* another thread may change it: each byte is read once */

    sanitizer_user_begin();
    for (size_t i = 0; i < n && !copy->is_complete; i++) {
        char c = from[i];

        copy->to[copy->length] = c;
        if (c == '\0')
            copy->is_complete = true;
        else
            copy->length++;
    }
    sanitizer_user_end();
    return !copy->is_complete;
}

ssize_t map_copyin_string(struct map *map, char *to, uaddr_t from, size_t size)
{
    struct string_copy copy = {.to = to};
    int error;

    if (size == 0)
        return -ENAMETOOLONG;
    if (!is_user_range(from, 1))
        return -EFAULT;
    error = for_each_piece(map, from, min(size, USER_MAX - from), PROT_READ, string_piece, &copy);
    if (error != 0)
        return error;
    if (!copy.is_complete)
        return size <= USER_MAX - from ? -ENAMETOOLONG : -EFAULT;
    return (ssize_t)copy.length;
}
