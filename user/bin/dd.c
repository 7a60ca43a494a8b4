/* dd: copy blocks. */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <tool.h>
#include <unistd.h>

static const char help[] =
    "usage: dd [if=FILE] [of=FILE] [bs=N] [count=N] [skip=N] [seek=N] [conv=WORDS] [status=none]\n"
    "Copy blocks of bs (512) bytes from one file to another, and say how many.\n"
    "  ibs= obs=           sizes of reads and writes, if they differ\n"
    "  count=              copy so many blocks\n"
    "  skip= seek=         begin so many blocks behind the start of the input, of the output\n"
    "  conv=notrunc        keep the rest of the output file\n"
    "  conv=sync           fill short blocks with zero bytes\n"
    "  conv=fsync          wait until the disk has it\n"
    "  conv=noerror        go on after errors in reading\n"
    "  status=none         no report; status=noxfer: without the speed\n"
    "Numbers take the suffixes k, M and G.\n";

static struct {
    const char *input, *output;
    size_t input_size, output_size;
    unsigned long long count, skip, seek;
    bool has_count, keeps_rest, fills, syncs, ignores_errors, is_silent, without_speed;
} job = {.input_size = 512, .output_size = 512};

static struct {
    unsigned long long full_in, partial_in, full_out, partial_out, bytes;
} done;

static void parse_words(char *text)
{
    for (char *word; (word = strsep(&text, ","));) {
        if (strcmp(word, "notrunc") == 0)
            job.keeps_rest = true;
        else if (strcmp(word, "sync") == 0)
            job.fills = true;
        else if (strcmp(word, "fsync") == 0)
            job.syncs = true;
        else if (strcmp(word, "noerror") == 0)
            job.ignores_errors = true;
        else
            errx(1, "conv=%s: no such conversion", word);
    }
}

static size_t parse_size(const char *text)
{
    unsigned long long size = tool_number(text, 1);
    if (size == 0 || size > 1UL << 30)
        errx(1, "%s: not a block size", text);
    return size;
}

static void parse_operand(char *operand)
{
    char *value = strchr(operand, '=');
    if (!value)
        tool_usage(1);
    *value++ = '\0';
    if (strcmp(operand, "if") == 0) {
        job.input = value;
    } else if (strcmp(operand, "of") == 0) {
        job.output = value;
    } else if (strcmp(operand, "bs") == 0) {
        job.input_size = job.output_size = parse_size(value);
    } else if (strcmp(operand, "ibs") == 0) {
        job.input_size = parse_size(value);
    } else if (strcmp(operand, "obs") == 0) {
        job.output_size = parse_size(value);
    } else if (strcmp(operand, "count") == 0) {
        job.count = tool_number(value, 1);
        job.has_count = true;
    } else if (strcmp(operand, "skip") == 0) {
        job.skip = tool_number(value, 1);
    } else if (strcmp(operand, "seek") == 0) {
        job.seek = tool_number(value, 1);
    } else if (strcmp(operand, "conv") == 0) {
        parse_words(value);
    } else if (strcmp(operand, "status") == 0) {
        job.is_silent = strcmp(value, "none") == 0;
        job.without_speed = strcmp(value, "noxfer") == 0;
    } else {
        errx(1, "%s: no such operand", operand);
    }
}

static void open_files(void)
{
    if (job.input) {
        int fd = open(job.input, O_RDONLY);
        if (fd < 0)
            err(1, "%s", job.input);
        dup2(fd, STDIN_FILENO);
        close(fd);
    }
    if (job.output) {
        int fd = open(job.output, O_WRONLY | O_CREAT, 0666);
        if (fd < 0)
            err(1, "%s", job.output);
        dup2(fd, STDOUT_FILENO);
        close(fd);
    }
}

/* Skip input that cannot be sought by reading it. */
static void position_files(char *buffer)
{
    off_t skip = (off_t)(job.skip * job.input_size), seek = (off_t)(job.seek * job.output_size);

    if (skip > 0 && lseek(STDIN_FILENO, skip, SEEK_CUR) < 0) {
        for (unsigned long long i = 0; i < job.skip; i++) {
            if (read(STDIN_FILENO, buffer, job.input_size) <= 0)
                break;
        }
    }
    if (seek > 0 && lseek(STDOUT_FILENO, seek, SEEK_SET) < 0)
        err(1, "%s", job.output ? job.output : "standard output");
    if (job.output && !job.keeps_rest && ftruncate(STDOUT_FILENO, seek) < 0) {
        struct stat status;
        if (fstat(STDOUT_FILENO, &status) == 0 && S_ISREG(status.st_mode))
            err(1, "%s", job.output);
    }
}

static bool write_block(const char *data, size_t size)
{
    if (!tool_write(STDOUT_FILENO, data, size)) {
        warn("%s", job.output ? job.output : "standard output");
        return false;
    }
    if (size == job.output_size)
        done.full_out++;
    else
        done.partial_out++;
    done.bytes += size;
    return true;
}

/* With two sizes, what was read is gathered into blocks of the output's. */
static bool gather(char *gathered, size_t *held, const char *data, size_t size)
{
    while (size > 0) {
        size_t piece = job.output_size - *held;
        if (piece > size)
            piece = size;
        memcpy(gathered + *held, data, piece);
        *held += piece;
        data += piece;
        size -= piece;
        if (*held == job.output_size) {
            if (!write_block(gathered, *held))
                return false;
            *held = 0;
        }
    }
    return true;
}

static bool copy(char *buffer, char *gathered)
{
    size_t held = 0;
    bool is_good = true, is_direct = job.input_size == job.output_size;

    while (is_good && (!job.has_count || done.full_in + done.partial_in < job.count)) {
        ssize_t size = read(STDIN_FILENO, buffer, job.input_size);
        if (size == 0)
            break;
        if (size < 0) {
            warn("%s", job.input ? job.input : "standard input");
            if (!job.ignores_errors)
                return false;
            lseek(STDIN_FILENO, (off_t)job.input_size, SEEK_CUR);
            size = 0;
        }
        if ((size_t)size == job.input_size)
            done.full_in++;
        else
            done.partial_in++;
        if (job.fills && (size_t)size < job.input_size) {
            memset(buffer + size, 0, job.input_size - (size_t)size);
            size = (ssize_t)job.input_size;
        }
        is_good = is_direct ? write_block(buffer, (size_t)size)
                            : gather(gathered, &held, buffer, (size_t)size);
    }
    if (is_good && held > 0)
        is_good = write_block(gathered, held);
    if (is_good && job.syncs && fsync(STDOUT_FILENO) < 0) {
        warn("%s", job.output ? job.output : "standard output");
        is_good = false;
    }
    return is_good;
}

static void report(const struct timespec *start)
{
    struct timespec end;

    if (job.is_silent)
        return;
    fprintf(stderr, "%llu+%llu records in\n%llu+%llu records out\n", done.full_in, done.partial_in,
            done.full_out, done.partial_out);
    if (job.without_speed)
        return;
    clock_gettime(CLOCK_MONOTONIC, &end);
    double seconds =
        (double)(end.tv_sec - start->tv_sec) + (double)(end.tv_nsec - start->tv_nsec) / 1e9;
    fprintf(stderr, "%llu bytes copied, %.6f s, %.1f MB/s\n", done.bytes, seconds,
            seconds > 0 ? (double)done.bytes / seconds / 1e6 : 0.0);
}

int main(int argc, char **argv)
{
    struct timespec start;

    tool_start(argc, argv, help);
    for (int i = 1; i < argc; i++)
        parse_operand(argv[i]);
    char *buffer = tool_allocate(job.input_size), *gathered = tool_allocate(job.output_size);
    clock_gettime(CLOCK_MONOTONIC, &start);
    open_files();
    position_files(buffer);
    bool is_good = copy(buffer, gathered);
    if (close(STDOUT_FILENO) < 0) {
        warn("%s", job.output ? job.output : "standard output");
        is_good = false;
    }
    report(&start);
    _exit(is_good ? 0 : 1); /* standard output is closed: nothing to flush */
}
