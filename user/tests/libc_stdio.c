/* Streams: reading, writing, seeking, ungetc, lines, append mode, errors. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char path[] = "/tmp/libc_stdio.tmp";

static void lines(void)
{
    FILE *stream = fopen(path, "w");
    for (int i = 0; i < 5000; i++)
        fprintf(stream, "line %d\n", i);
    fputs("the last one has no newline", stream);
    printf("position %ld, ", ftell(stream));
    printf("close %d\n", fclose(stream));

    char *line = NULL;
    size_t capacity = 0;
    ssize_t length, total = 0;
    int count = 0;
    stream = fopen(path, "r");
    while ((length = getline(&line, &capacity, stream)) > 0) {
        total += length;
        count++;
    }
    printf("%d lines, %ld bytes, end %d, last [%s]\n", count, (long)total, feof(stream), line);
    free(line);
    fclose(stream);
}

static void seeking(void)
{
    char piece[16];
    FILE *stream = fopen(path, "r+");

    fseek(stream, 5, SEEK_SET);
    fgets(piece, 3, stream);
    printf("[%s] at %ld\n", piece, ftell(stream));
    printf("getc %c\n", getc(stream));
    printf("ungetc %c\n", ungetc('X', stream));
    printf("getc %c\n", getc(stream));
    printf("at %ld\n", ftell(stream));
    fseek(stream, -7, SEEK_END);
    size_t size = fread(piece, 1, sizeof(piece), stream);
    printf("%zu bytes [%.7s]\n", size, piece);
    fseek(stream, 0, SEEK_SET);
    fputs("LINE", stream);
    fseek(stream, 0, SEEK_SET);
    fgets(piece, 8, stream);
    printf("[%s] eof %d error %d\n", piece, feof(stream), ferror(stream));
    fclose(stream);

    stream = fopen(path, "a");
    fputs("!\n", stream);
    fclose(stream);
    stream = fopen(path, "r");
    fseek(stream, -9, SEEK_END);
    fgets(piece, sizeof(piece), stream);
    printf("[%.7s]\n", piece);
    fclose(stream);
}

static void binary(void)
{
    static unsigned char block[10000], back[10000];
    FILE *stream = fopen(path, "w+");

    for (size_t i = 0; i < sizeof(block); i++)
        block[i] = (unsigned char)(i * 7 + i / 256);
    printf("wrote %zu\n", fwrite(block, 100, 100, stream));
    rewind(stream);
    size_t size = fread(back, 1, sizeof(back), stream);
    printf("read %zu, same %d\n", size, memcmp(block, back, sizeof(block)) == 0);
    int end = getc(stream);
    printf("at the end: %d %d\n", end, feof(stream));
    fclose(stream);
}

static void errors(void)
{
    FILE *stream = fopen("/nonexistent/file", "r");
    printf("%s\n", stream ? "opened" : strerror(errno));
    stream = fopen(path, "q");
    printf("%s\n", stream ? "opened" : strerror(errno));
    stream = fopen(path, "r");
    errno = 0;
    int written = fputc('x', stream);
    printf("write to a reader: %d, errno %d, error %d\n", written, errno, ferror(stream));
    fclose(stream);
    stream = fopen("/dev/full", "w");
    if (stream) {
        fputs("no room", stream);
        int result = fflush(stream);
        printf("flush %d: %s\n", result, strerror(errno));
        fclose(stream);
    }
    unlink(path);
}

/* What waits in a buffer comes out once, and in order with unbuffered output. */
static void order(void)
{
    printf("one ");
    fflush(stdout);
    dprintf(STDOUT_FILENO, "two ");
    printf("three\n");
}

int main(void)
{
    lines();
    seeking();
    binary();
    errors();
    order();
    return 0;
}
