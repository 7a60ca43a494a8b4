/* Buffered files and formatted output: stdio(3). Theory in user/lib/stdio.c. */
#pragma once

#include <stdarg.h>
#include <stddef.h>
#include <sys/types.h>

#include "kern/abi/fcntl.h" /* SEEK_SET */

#define EOF    (-1)
#define BUFSIZ 4096

#define _IOFBF 0
#define _IOLBF 1
#define _IONBF 2

#define PRINTF_LIKE(format_at, first) __attribute__((format(printf, format_at, first)))

typedef struct stream FILE;

extern FILE *const stdin, *const stdout, *const stderr;

FILE *fopen(const char *path, const char *mode);
FILE *fdopen(int fd, const char *mode);
FILE *freopen(const char *path, const char *mode, FILE *stream);
int fclose(FILE *stream);
int fflush(FILE *stream); /* NULL: all of them */
int fileno(FILE *stream);
int feof(FILE *stream);
int ferror(FILE *stream);
void clearerr(FILE *stream);
int setvbuf(FILE *stream, char *buffer, int mode, size_t size);
int fseek(FILE *stream, long offset, int whence);
long ftell(FILE *stream);
void rewind(FILE *stream);

int fgetc(FILE *stream);
int getc(FILE *stream);
int getchar(void);
int ungetc(int c, FILE *stream);
char *fgets(char *line, int size, FILE *stream);
size_t fread(void *data, size_t size, size_t count, FILE *stream);
ssize_t getline(char **line, size_t *capacity, FILE *stream);
ssize_t getdelim(char **line, size_t *capacity, int delimiter, FILE *stream);

int fputc(int c, FILE *stream);
int putc(int c, FILE *stream);
int putchar(int c);
int fputs(const char *string, FILE *stream);
int puts(const char *string);
size_t fwrite(const void *data, size_t size, size_t count, FILE *stream);

int printf(const char *format, ...) PRINTF_LIKE(1, 2);
int fprintf(FILE *stream, const char *format, ...) PRINTF_LIKE(2, 3);
int dprintf(int fd, const char *format, ...) PRINTF_LIKE(2, 3);
int sprintf(char *string, const char *format, ...) PRINTF_LIKE(2, 3);
int snprintf(char *string, size_t size, const char *format, ...) PRINTF_LIKE(3, 4);
int asprintf(char **string, const char *format, ...) PRINTF_LIKE(2, 3);
int vprintf(const char *format, va_list arguments) PRINTF_LIKE(1, 0);
int vfprintf(FILE *stream, const char *format, va_list arguments) PRINTF_LIKE(2, 0);
int vdprintf(int fd, const char *format, va_list arguments) PRINTF_LIKE(2, 0);
int vsprintf(char *string, const char *format, va_list arguments) PRINTF_LIKE(2, 0);
int vsnprintf(char *string, size_t size, const char *format, va_list arguments) PRINTF_LIKE(3, 0);
int vasprintf(char **string, const char *format, va_list arguments) PRINTF_LIKE(2, 0);

void perror(const char *message);
int remove(const char *path);
int rename(const char *from, const char *to);
