/*
 * Access to the current process's memory: vm/copyio.h with its map filled in.
 */
#pragma once

#include "kern/process.h"
#include "vm/copyio.h"

static inline int copyin(void *to, uaddr_t from, size_t size)
{
    return map_copyin(process_self()->map, to, from, size);
}

static inline int copyout(uaddr_t to, const void *from, size_t size)
{
    return map_copyout(process_self()->map, to, from, size);
}

/* See map_copyin_string(). */
static inline ssize_t copyin_string(char *to, uaddr_t from, size_t size)
{
    return map_copyin_string(process_self()->map, to, from, size);
}
