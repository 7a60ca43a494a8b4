/*
 * Strings and memory.
 *
 * Compilers recognise loops that copy, fill or measure memory and replace them by calls of
 * memcpy, memset and strlen - inside these very functions that would never end. OPAQUE() hides
 * from them what a pointer becomes, which is enough.
 */
#include <ctype.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define OPAQUE(pointer) __asm__("" : "+r"(pointer))

/* Eight bytes at any address and of any type. */
typedef uint64_t __attribute__((may_alias, aligned(1))) word;

/* --- Memory --------------------------------------------------------------------------------- */

void *memcpy(void *restrict to, const void *restrict from, size_t size)
{
    unsigned char *t = to;
    const unsigned char *f = from;

    for (; size >= 32; size -= 32, t += 32, f += 32) {
        word a = ((const word *)f)[0], b = ((const word *)f)[1];
        word c = ((const word *)f)[2], d = ((const word *)f)[3];
        ((word *)t)[0] = a;
        ((word *)t)[1] = b;
        ((word *)t)[2] = c;
        ((word *)t)[3] = d;
        OPAQUE(t);
    }
    for (; size > 0; size--) {
        *t++ = *f++;
        OPAQUE(t);
    }
    return to;
}

void *mempcpy(void *restrict to, const void *restrict from, size_t size)
{
    return (char *)memcpy(to, from, size) + size;
}

/* memcpy goes upwards and reads a block before it writes it: right if `to` is below `from`. */
void *memmove(void *to, const void *from, size_t size)
{
    unsigned char *t = to;
    const unsigned char *f = from;

    if ((uintptr_t)t - (uintptr_t)f >= size)
        return memcpy(to, from, size);
    for (t += size, f += size; size >= 8; size -= 8) {
        t -= 8;
        f -= 8;
        *(word *)t = *(const word *)f;
        OPAQUE(t);
    }
    for (; size > 0; size--) {
        *--t = *--f;
        OPAQUE(t);
    }
    return to;
}

void *memset(void *memory, int c, size_t size)
{
    unsigned char *m = memory;
    word pattern = (unsigned char)c * 0x0101010101010101UL;

    for (; size >= 32; size -= 32, m += 32) {
        ((word *)m)[0] = pattern;
        ((word *)m)[1] = pattern;
        ((word *)m)[2] = pattern;
        ((word *)m)[3] = pattern;
        OPAQUE(m);
    }
    for (; size > 0; size--) {
        *m++ = (unsigned char)c;
        OPAQUE(m);
    }
    return memory;
}

int memcmp(const void *a, const void *b, size_t size)
{
    const unsigned char *x = a, *y = b;

    for (; size >= 8 && *(const word *)x == *(const word *)y; size -= 8) {
        x += 8;
        y += 8;
    }
    for (; size > 0; size--, x++, y++) {
        if (*x != *y)
            return *x - *y;
    }
    return 0;
}

void *memchr(const void *memory, int c, size_t size)
{
    for (const unsigned char *m = memory; size > 0; size--, m++) {
        if (*m == (unsigned char)c)
            return (void *)m;
    }
    return NULL;
}

void *memrchr(const void *memory, int c, size_t size)
{
    const unsigned char *m = memory;
    while (size > 0) {
        if (m[--size] == (unsigned char)c)
            return (void *)(m + size);
    }
    return NULL;
}

/* --- Length and copy ------------------------------------------------------------------------ */

size_t strlen(const char *string)
{
    const char *end = string;
    while (*end) {
        end++;
        OPAQUE(end);
    }
    return (size_t)(end - string);
}

size_t strnlen(const char *string, size_t size)
{
    const char *end = memchr(string, '\0', size);
    return end ? (size_t)(end - string) : size;
}

char *stpcpy(char *restrict to, const char *restrict from)
{
    size_t length = strlen(from);
    memcpy(to, from, length + 1);
    return to + length;
}

char *strcpy(char *restrict to, const char *restrict from)
{
    stpcpy(to, from);
    return to;
}

char *strncpy(char *restrict to, const char *restrict from, size_t size)
{
    size_t length = strnlen(from, size);
    memcpy(to, from, length);
    memset(to + length, 0, size - length);
    return to;
}

char *strcat(char *restrict to, const char *restrict from)
{
    strcpy(to + strlen(to), from);
    return to;
}

char *strncat(char *restrict to, const char *restrict from, size_t size)
{
    size_t length = strnlen(from, size);
    char *end = mempcpy(to + strlen(to), from, length);
    *end = '\0';
    return to;
}

/* As in BSD: copies what fits with its NUL and returns the length that it wanted. */
size_t strlcpy(char *restrict to, const char *restrict from, size_t size)
{
    size_t length = strlen(from);
    if (size > 0) {
        size_t fits = length < size ? length : size - 1;
        memcpy(to, from, fits);
        to[fits] = '\0';
    }
    return length;
}

size_t strlcat(char *restrict to, const char *restrict from, size_t size)
{
    size_t length = strnlen(to, size);
    return length + strlcpy(to + length, from, size - length);
}

char *strdup(const char *string)
{
    return strndup(string, strlen(string));
}

char *strndup(const char *string, size_t size)
{
    size_t length = strnlen(string, size);
    char *copy = malloc(length + 1);
    if (!copy)
        return NULL;
    memcpy(copy, string, length);
    copy[length] = '\0';
    return copy;
}

/* --- Comparing ------------------------------------------------------------------------------ */

int strcmp(const char *a, const char *b)
{
    while (*a && *a == *b) {
        a++;
        b++;
    }
    return (unsigned char)*a - (unsigned char)*b;
}

int strncmp(const char *a, const char *b, size_t size)
{
    for (; size > 0 && *a && *a == *b; size--) {
        a++;
        b++;
    }
    return size > 0 ? (unsigned char)*a - (unsigned char)*b : 0;
}

int strcoll(const char *a, const char *b)
{
    return strcmp(a, b);
}

int strcasecmp(const char *a, const char *b)
{
    return strncasecmp(a, b, SIZE_MAX);
}

int strncasecmp(const char *a, const char *b, size_t size)
{
    for (; size > 0; size--, a++, b++) {
        int difference = tolower((unsigned char)*a) - tolower((unsigned char)*b);
        if (difference != 0 || !*a)
            return difference;
    }
    return 0;
}

/* --- Searching ------------------------------------------------------------------------------ */

char *strchrnul(const char *string, int c)
{
    while (*string && *string != (char)c)
        string++;
    return (char *)string;
}

char *strchr(const char *string, int c)
{
    char *found = strchrnul(string, c);
    return *found == (char)c ? found : NULL;
}

char *strrchr(const char *string, int c)
{
    return memrchr(string, c, strlen(string) + 1);
}

size_t strspn(const char *string, const char *accept)
{
    const char *end = string;
    while (*end && strchr(accept, *end))
        end++;
    return (size_t)(end - string);
}

size_t strcspn(const char *string, const char *reject)
{
    const char *end = string;
    while (*end && !strchr(reject, *end))
        end++;
    return (size_t)(end - string);
}

char *strpbrk(const char *string, const char *accept)
{
    string += strcspn(string, accept);
    return *string ? (char *)string : NULL;
}

char *strstr(const char *string, const char *wanted)
{
    size_t length = strlen(wanted);
    if (length == 0)
        return (char *)string;
    for (; (string = strchr(string, *wanted)); string++) {
        if (strncmp(string, wanted, length) == 0)
            return (char *)string;
    }
    return NULL;
}

/* --- Splitting ------------------------------------------------------------------------------ */

char *strsep(char **string, const char *delimiters)
{
    char *token = *string;
    if (!token)
        return NULL;
    char *end = token + strcspn(token, delimiters);
    *string = *end ? end + 1 : NULL;
    *end = '\0';
    return token;
}

char *strtok_r(char *restrict string, const char *restrict delimiters, char **restrict rest)
{
    char *token = string ? string : *rest;
    token += strspn(token, delimiters);
    char *end = token + strcspn(token, delimiters);
    *rest = *end ? end + 1 : end;
    *end = '\0';
    return end > token ? token : NULL;
}

char *strtok(char *restrict string, const char *restrict delimiters)
{
    static char *rest;
    return strtok_r(string, delimiters, &rest);
}
