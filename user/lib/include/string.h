/* Strings and memory. */
#pragma once

#include <stddef.h>

void *memchr(const void *memory, int c, size_t size);
void *memrchr(const void *memory, int c, size_t size);
int memcmp(const void *a, const void *b, size_t size);
void *memcpy(void *restrict to, const void *restrict from, size_t size);
void *mempcpy(void *restrict to, const void *restrict from, size_t size);
void *memmove(void *to, const void *from, size_t size);
void *memset(void *memory, int c, size_t size);

char *stpcpy(char *restrict to, const char *restrict from);
char *strcat(char *restrict to, const char *restrict from);
char *strchr(const char *string, int c);
char *strchrnul(const char *string, int c);
int strcmp(const char *a, const char *b);
int strcoll(const char *a, const char *b);
char *strcpy(char *restrict to, const char *restrict from);
size_t strcspn(const char *string, const char *reject);
char *strdup(const char *string);
char *strerror(int error);
size_t strlcpy(char *restrict to, const char *restrict from, size_t size);
size_t strlcat(char *restrict to, const char *restrict from, size_t size);
size_t strlen(const char *string);
char *strncat(char *restrict to, const char *restrict from, size_t size);
int strncmp(const char *a, const char *b, size_t size);
char *strncpy(char *restrict to, const char *restrict from, size_t size);
char *strndup(const char *string, size_t size);
size_t strnlen(const char *string, size_t size);
char *strpbrk(const char *string, const char *accept);
char *strrchr(const char *string, int c);
char *strsep(char **string, const char *delimiters);
char *strsignal(int signal);
size_t strspn(const char *string, const char *accept);
char *strstr(const char *string, const char *wanted);
char *strtok(char *restrict string, const char *restrict delimiters);
char *strtok_r(char *restrict string, const char *restrict delimiters, char **restrict rest);
int strcasecmp(const char *a, const char *b);
int strncasecmp(const char *a, const char *b, size_t size);
