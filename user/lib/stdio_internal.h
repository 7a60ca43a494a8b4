/* A stream, as stdio.c and printf.c see it. */
#pragma once

#include <stdbool.h>
#include <stdio.h>

struct stream {
    int fd;
    int mode; /* _IOFBF, _IOLBF, _IONBF; -1: not decided yet */
    bool can_read, can_write;
    bool at_end, has_error;
    bool is_writing; /* the buffer holds output */
    bool saw_newline;
    unsigned char *buffer;
    bool owns_buffer;
    size_t size;      /* of the buffer */
    size_t next, end; /* reading: buffer[next..end) is unread; writing: buffer[0..end) waits */
    struct stream *following; /* in the list of streams opened by fopen */
};

/* Put bytes into the buffer, flushing it when full. Returns false after an error. */
bool stream_put(FILE *stream, const void *data, size_t size);

/* The end of a call that wrote: flush what must not wait. Returns false after an error. */
bool stream_settle(FILE *stream);
