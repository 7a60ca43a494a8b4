/*
 * The few functions of the C library's <string.h> that the kernel uses, with their standard
 * meaning. A hosted machine takes them from its host's C library; a bare one compiles
 * kern/string.c.
 */
#pragma once

#include "kern/types.h"

void *memcpy(void *restrict to, const void *restrict from, size_t n);
void *memmove(void *to, const void *from, size_t n);
void *memset(void *to, int byte, size_t n);
int memcmp(const void *a, const void *b, size_t n);
void *memchr(const void *s, int byte, size_t n);
size_t strlen(const char *s);
size_t strnlen(const char *s, size_t n);
int strcmp(const char *a, const char *b);
int strncmp(const char *a, const char *b, size_t n);
char *strchr(const char *s, int c);
char *strrchr(const char *s, int c);

/*
 * Copy at most size - 1 characters and always end with NUL (OpenBSD's strlcpy(3)).
 * Returns strlen(from): a result >= size says that it was cut.
 */
size_t string_copy(char *to, const char *from, size_t size);
