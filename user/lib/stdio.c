/*
 * Streams: files with a buffer in the program.
 *
 * A stream's buffer holds either input that has not been read or output that has not been
 * written; `is_writing` says which, and the change from one to the other flushes it or seeks back
 * over it. Output waits until the buffer is full (_IOFBF), until a call wrote a newline
 * (_IOLBF), or until the end of the call (_IONBF, so that one fprintf to stderr is one write).
 * Standard output decides at its first write: by lines on a terminal, else by buffers.
 */
#include "stdio_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define UNGET_SPACE 8 /* bytes kept free below what was read, for ungetc */

static unsigned char input_buffer[BUFSIZ], output_buffer[BUFSIZ], error_buffer[512];

static struct stream standard_input = {
    .fd = 0, .can_read = true, .buffer = input_buffer, .size = sizeof(input_buffer)};
static struct stream standard_output = {
    .fd = 1, .mode = -1, .can_write = true, .buffer = output_buffer, .size = sizeof(output_buffer)};
static struct stream standard_error = {.fd = 2,
                                       .mode = _IONBF,
                                       .can_write = true,
                                       .buffer = error_buffer,
                                       .size = sizeof(error_buffer)};

FILE *const stdin = &standard_input;
FILE *const stdout = &standard_output;
FILE *const stderr = &standard_error;

static struct stream *opened_streams;

/* --- Opening and closing -------------------------------------------------------------------- */

/* open(2)'s flags for fopen's mode, or -1. */
static int parse_mode(const char *mode)
{
    int flags;

    switch (*mode) {
    case 'r':
        flags = O_RDONLY;
        break;
    case 'w':
        flags = O_WRONLY | O_CREAT | O_TRUNC;
        break;
    case 'a':
        flags = O_WRONLY | O_CREAT | O_APPEND;
        break;
    default:
        errno = EINVAL;
        return -1;
    }
    if (strchr(mode, '+'))
        flags = (flags & ~O_ACCMODE) | O_RDWR;
    if (strchr(mode, 'e'))
        flags |= O_CLOEXEC;
    if (strchr(mode, 'x'))
        flags |= O_EXCL;
    return flags;
}

FILE *fdopen(int fd, const char *mode)
{
    int flags = parse_mode(mode);
    if (flags < 0)
        return NULL;
    struct stream *stream = calloc(1, sizeof(*stream));
    unsigned char *buffer = malloc(BUFSIZ);
    if (!stream || !buffer) {
        free(stream);
        free(buffer);
        return NULL;
    }
    stream->fd = fd;
    stream->can_read = (flags & O_ACCMODE) != O_WRONLY;
    stream->can_write = (flags & O_ACCMODE) != O_RDONLY;
    stream->mode = -1;
    stream->buffer = buffer;
    stream->owns_buffer = true;
    stream->size = BUFSIZ;
    stream->following = opened_streams;
    opened_streams = stream;
    return stream;
}

FILE *fopen(const char *path, const char *mode)
{
    int flags = parse_mode(mode);
    if (flags < 0)
        return NULL;
    int fd = open(path, flags, 0666);
    if (fd < 0)
        return NULL;
    FILE *stream = fdopen(fd, mode);
    if (!stream)
        close(fd);
    return stream;
}

/* The stream goes on with another file under the same descriptor. */
FILE *freopen(const char *path, const char *mode, FILE *stream)
{
    int flags = parse_mode(mode);
    if (flags < 0)
        return NULL;
    fflush(stream);
    int fd = open(path, flags, 0666);
    if (fd < 0)
        return NULL;
    if (fd != stream->fd) {
        dup3(fd, stream->fd, flags & O_CLOEXEC);
        close(fd);
    }
    stream->can_read = (flags & O_ACCMODE) != O_WRONLY;
    stream->can_write = (flags & O_ACCMODE) != O_RDONLY;
    stream->is_writing = false;
    stream->next = stream->end = 0;
    clearerr(stream);
    return stream;
}

int fclose(FILE *stream)
{
    int result = fflush(stream);
    if (close(stream->fd) < 0)
        result = EOF;
    for (struct stream **at = &opened_streams; *at; at = &(*at)->following) {
        if (*at == stream) {
            *at = stream->following;
            if (stream->owns_buffer)
                free(stream->buffer);
            free(stream);
            break;
        }
    }
    return result;
}

/* Before the first read or write only. */
int setvbuf(FILE *stream, char *buffer, int mode, size_t size)
{
    stream->mode = mode;
    if (buffer && size > UNGET_SPACE) {
        if (stream->owns_buffer)
            free(stream->buffer);
        stream->owns_buffer = false;
        stream->buffer = (unsigned char *)buffer;
        stream->size = size;
    }
    return 0;
}

int fileno(FILE *stream)
{
    return stream->fd;
}

int feof(FILE *stream)
{
    return stream->at_end;
}

int ferror(FILE *stream)
{
    return stream->has_error;
}

void clearerr(FILE *stream)
{
    stream->at_end = stream->has_error = false;
}

/* --- Flushing and seeking ------------------------------------------------------------------- */

/* Write the whole buffer out. What cannot be written is dropped, and the error is remembered. */
static bool write_out(FILE *stream)
{
    size_t done = 0;
    bool is_good = true;

    while (is_good && done < stream->end) {
        ssize_t written = write(stream->fd, stream->buffer + done, stream->end - done);
        if (written >= 0)
            done += (size_t)written;
        else if (errno != EINTR)
            is_good = false;
    }
    stream->end = 0;
    stream->saw_newline = false;
    if (!is_good)
        stream->has_error = true;
    return is_good;
}

/* Empty the buffer; input that was read ahead is given back to the file where it can seek. */
static bool empty_buffer(FILE *stream)
{
    bool is_good = true;
    if (stream->is_writing)
        is_good = write_out(stream);
    else if (stream->end > stream->next)
        lseek(stream->fd, -(off_t)(stream->end - stream->next), SEEK_CUR);
    stream->next = stream->end = 0;
    stream->is_writing = false;
    return is_good;
}

int fflush(FILE *stream)
{
    if (stream)
        return stream->is_writing && !write_out(stream) ? EOF : 0;

    int result = fflush(stdout) | fflush(stderr);
    for (struct stream *at = opened_streams; at; at = at->following)
        result |= fflush(at);
    return result;
}

int fseek(FILE *stream, long offset, int whence)
{
    if (!empty_buffer(stream) || lseek(stream->fd, offset, whence) < 0)
        return -1;
    stream->at_end = false;
    return 0;
}

long ftell(FILE *stream)
{
    off_t position = lseek(stream->fd, 0, SEEK_CUR);
    if (position < 0)
        return -1;
    return stream->is_writing ? position + (off_t)stream->end
                              : position - (off_t)(stream->end - stream->next);
}

void rewind(FILE *stream)
{
    fseek(stream, 0, SEEK_SET);
    clearerr(stream);
}

/* --- Reading -------------------------------------------------------------------------------- */

/* Read the next piece of the file into the empty buffer. Returns false at the end. */
static bool fill(FILE *stream)
{
    if (!stream->can_read) {
        errno = EBADF;
        stream->has_error = true;
        return false;
    }
    if (stream->is_writing && !empty_buffer(stream))
        return false;
    if (stream == stdin && stdout->mode == _IOLBF)
        fflush(stdout); /* a prompt */

    ssize_t size;
    do
        size = read(stream->fd, stream->buffer + UNGET_SPACE, stream->size - UNGET_SPACE);
    while (size < 0 && errno == EINTR);
    stream->next = stream->end = UNGET_SPACE;
    if (size > 0)
        stream->end += (size_t)size;
    else if (size == 0)
        stream->at_end = true;
    else
        stream->has_error = true;
    return size > 0;
}

static bool has_input(FILE *stream)
{
    return (!stream->is_writing && stream->next < stream->end) || fill(stream);
}

int fgetc(FILE *stream)
{
    return has_input(stream) ? stream->buffer[stream->next++] : EOF;
}

int getc(FILE *stream)
{
    return fgetc(stream);
}

int getchar(void)
{
    return fgetc(stdin);
}

int ungetc(int c, FILE *stream)
{
    if (c == EOF || stream->is_writing)
        return EOF;
    if (stream->end == 0)
        stream->next = stream->end = UNGET_SPACE;
    if (stream->next == 0)
        return EOF;
    stream->buffer[--stream->next] = (unsigned char)c;
    stream->at_end = false;
    return c;
}

size_t fread(void *data, size_t size, size_t count, FILE *stream)
{
    size_t wanted = size * count, done = 0;

    while (done < wanted && has_input(stream)) {
        size_t piece = stream->end - stream->next;
        if (piece > wanted - done)
            piece = wanted - done;
        memcpy((char *)data + done, stream->buffer + stream->next, piece);
        stream->next += piece;
        done += piece;
    }
    return size ? done / size : 0;
}

char *fgets(char *line, int size, FILE *stream)
{
    int length = 0;

    while (length < size - 1) {
        int c = fgetc(stream);
        if (c == EOF)
            break;
        line[length++] = (char)c;
        if (c == '\n')
            break;
    }
    if (length == 0)
        return NULL;
    line[length] = '\0';
    return line;
}

ssize_t getline(char **line, size_t *capacity, FILE *stream)
{
    return getdelim(line, capacity, '\n', stream);
}

/* Make room for `size` bytes in the caller's growing line. */
static bool reserve(char **line, size_t *capacity, size_t size)
{
    if (*line && *capacity >= size)
        return true;
    size_t bigger = *line ? *capacity : 0;
    while (bigger < size)
        bigger = bigger < 120 ? 120 : bigger * 2;
    char *grown = realloc(*line, bigger);
    if (!grown)
        return false;
    *line = grown;
    *capacity = bigger;
    return true;
}

ssize_t getdelim(char **line, size_t *capacity, int delimiter, FILE *stream)
{
    size_t length = 0;
    bool is_complete = false;

    while (!is_complete && has_input(stream)) {
        unsigned char *from = stream->buffer + stream->next;
        size_t piece = stream->end - stream->next;
        unsigned char *stop = memchr(from, delimiter, piece);
        if (stop) {
            piece = (size_t)(stop - from) + 1;
            is_complete = true;
        }
        if (!reserve(line, capacity, length + piece + 1))
            return -1;
        memcpy(*line + length, from, piece);
        length += piece;
        stream->next += piece;
    }
    if (length == 0)
        return -1;
    (*line)[length] = '\0';
    return (ssize_t)length;
}

/* --- Writing -------------------------------------------------------------------------------- */

static bool begin_writing(FILE *stream)
{
    if (!stream->can_write) {
        errno = EBADF;
        stream->has_error = true;
        return false;
    }
    if (!stream->is_writing) {
        empty_buffer(stream);
        stream->is_writing = true;
    }
    if (stream->mode == -1) {
        int saved = errno;
        stream->mode = isatty(stream->fd) ? _IOLBF : _IOFBF;
        errno = saved;
    }
    return true;
}

bool stream_put(FILE *stream, const void *data, size_t size)
{
    if (!begin_writing(stream))
        return false;
    if (stream->mode == _IOLBF && memrchr(data, '\n', size))
        stream->saw_newline = true;
    bool saw_newline = stream->saw_newline;
    const char *from = data;
    while (size > 0) {
        if (stream->end == stream->size && !write_out(stream))
            return false;
        size_t piece = stream->size - stream->end;
        if (piece > size)
            piece = size;
        memcpy(stream->buffer + stream->end, from, piece);
        stream->end += piece;
        from += piece;
        size -= piece;
    }
    stream->saw_newline = saw_newline;
    return true;
}

bool stream_settle(FILE *stream)
{
    if (stream->mode == _IONBF || (stream->mode == _IOLBF && stream->saw_newline))
        return write_out(stream);
    return true;
}

size_t fwrite(const void *data, size_t size, size_t count, FILE *stream)
{
    if (size == 0 || count == 0)
        return 0;
    return stream_put(stream, data, size * count) && stream_settle(stream) ? count : 0;
}

int fputs(const char *string, FILE *stream)
{
    return stream_put(stream, string, strlen(string)) && stream_settle(stream) ? 0 : EOF;
}

int puts(const char *string)
{
    return stream_put(stdout, string, strlen(string)) && fputc('\n', stdout) != EOF ? 0 : EOF;
}

int fputc(int c, FILE *stream)
{
    unsigned char byte = (unsigned char)c;
    if (stream->is_writing && stream->mode == _IOFBF && stream->end < stream->size) {
        stream->buffer[stream->end++] = byte; /* by far the commonest case */
        return byte;
    }
    return stream_put(stream, &byte, 1) && stream_settle(stream) ? byte : EOF;
}

int putc(int c, FILE *stream)
{
    return fputc(c, stream);
}

int putchar(int c)
{
    return fputc(c, stdout);
}

void perror(const char *message)
{
    const char *reason = strerror(errno);
    if (message && *message)
        fprintf(stderr, "%s: %s\n", message, reason);
    else
        fprintf(stderr, "%s\n", reason);
}
