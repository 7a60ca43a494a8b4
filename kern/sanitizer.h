/*
 * What AddressSanitizer has to be told about memory that the kernel manages itself: poisoned
 * bytes are those that nobody may touch. Without the sanitizer (make SAN=address) these
 * functions are nothing.
 */
#pragma once

#include "kern/types.h"

#ifdef SAN_ADDRESS

/* The sanitizer's own names. They take no lock and work in any context. */
void __asan_poison_memory_region(void const volatile *start, size_t size);
void __asan_unpoison_memory_region(void const volatile *start, size_t size);

static inline void sanitizer_poison(const void *start, size_t size)
{
    __asan_poison_memory_region(start, size);
}

static inline void sanitizer_unpoison(const void *start, size_t size)
{
    __asan_unpoison_memory_region(start, size);
}

#else

static inline void sanitizer_poison(const void *start, size_t size)
{
    (void)start;
    (void)size;
}

static inline void sanitizer_unpoison(const void *start, size_t size)
{
    (void)start;
    (void)size;
}

#endif
