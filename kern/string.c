/*
 * The C library's string functions for machines that have no host to take them from. The
 * compiler may turn loops into calls of these very functions, so this file is compiled without
 * that transformation (-fno-builtin, -fno-tree-loop-distribute-patterns in the Makefile).
 */
#include "kern/string.h"

/* A word that may alias anything and lie at any address. */
typedef uint64_t __attribute__((may_alias, aligned(1))) word_t;

/* What is copied and cleared most is pages: four words a turn spend little on counting them. */
#define TURN (4 * sizeof(word_t))

void *memcpy(void *restrict to, const void *restrict from, size_t n)
{
    uint8_t *d = to;
    const uint8_t *s = from;

    for (; n >= TURN; n -= TURN, d += TURN, s += TURN) {
        const word_t *source = (const word_t *)s;
        word_t *target = (word_t *)d;

        target[0] = source[0];
        target[1] = source[1];
        target[2] = source[2];
        target[3] = source[3];
    }
    for (; n >= sizeof(word_t); n -= sizeof(word_t)) {
        *(word_t *)d = *(const word_t *)s;
        d += sizeof(word_t);
        s += sizeof(word_t);
    }
    while (n-- > 0)
        *d++ = *s++;
    return to;
}

void *memmove(void *to, const void *from, size_t n)
{
    uint8_t *d = to;
    const uint8_t *s = from;

    if (d <= s || d >= s + n) {
        for (; n > 0; n--)
            *d++ = *s++;
    } else {
        while (n-- > 0)
            d[n] = s[n];
    }
    return to;
}

void *memset(void *to, int byte, size_t n)
{
    uint8_t *d = to;
    uint64_t pattern = (uint8_t)byte * 0x0101010101010101UL;

    for (; n >= TURN; n -= TURN, d += TURN) {
        word_t *target = (word_t *)d;

        target[0] = target[1] = target[2] = target[3] = pattern;
    }
    for (; n >= sizeof(word_t); n -= sizeof(word_t)) {
        *(word_t *)d = pattern;
        d += sizeof(word_t);
    }
    while (n-- > 0)
        *d++ = (uint8_t)byte;
    return to;
}

int memcmp(const void *a, const void *b, size_t n)
{
    const uint8_t *x = a, *y = b;

    for (; n > 0; n--, x++, y++) {
        if (*x != *y)
            return *x - *y;
    }
    return 0;
}

void *memchr(const void *s, int byte, size_t n)
{
    const uint8_t *p = s;

    for (; n > 0; n--, p++) {
        if (*p == (uint8_t)byte)
            return (void *)(uintptr_t)p;
    }
    return NULL;
}

size_t strlen(const char *s)
{
    size_t n = 0;

    while (s[n] != '\0')
        n++;
    return n;
}

size_t strnlen(const char *s, size_t n)
{
    size_t i = 0;

    while (i < n && s[i] != '\0')
        i++;
    return i;
}

int strcmp(const char *a, const char *b)
{
    for (; *a == *b; a++, b++) {
        if (*a == '\0')
            return 0;
    }
    return (uint8_t)*a - (uint8_t)*b;
}

int strncmp(const char *a, const char *b, size_t n)
{
    for (; n > 0; n--, a++, b++) {
        if (*a != *b)
            return (uint8_t)*a - (uint8_t)*b;
        if (*a == '\0')
            return 0;
    }
    return 0;
}

char *strchr(const char *s, int c)
{
    for (;; s++) {
        if (*s == (char)c)
            return (char *)(uintptr_t)s;
        if (*s == '\0')
            return NULL;
    }
}

char *strrchr(const char *s, int c)
{
    const char *last = NULL;

    for (;; s++) {
        if (*s == (char)c)
            last = s;
        if (*s == '\0')
            return (char *)(uintptr_t)last;
    }
}
