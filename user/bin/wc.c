/* wc: count lines, words and bytes. */
#include <ctype.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <tool.h>
#include <unistd.h>

static const char help[] = "usage: wc [-lwc] [FILE]...\n"
                           "Count lines, words and bytes of files or of standard input.\n"
                           "  -l  lines only      -w  words only      -c  bytes only\n";

struct counts {
    unsigned long lines, words, bytes;
};

static bool show_lines, show_words, show_bytes;
static int width; /* of each number */

static bool count(int fd, struct counts *counts)
{
    static char buffer[65536];
    bool in_word = false;
    ssize_t size;

    while ((size = read(fd, buffer, sizeof(buffer))) > 0) {
        counts->bytes += (unsigned long)size;
        for (ssize_t i = 0; i < size; i++) {
            bool is_blank = isspace((unsigned char)buffer[i]);
            counts->lines += buffer[i] == '\n';
            counts->words += !is_blank && !in_word;
            in_word = !is_blank;
        }
    }
    return size == 0;
}

static void print(const struct counts *counts, const char *name)
{
    const char *gap = "";

    if (show_lines) {
        printf("%*lu", width, counts->lines);
        gap = " ";
    }
    if (show_words) {
        printf("%s%*lu", gap, width, counts->words);
        gap = " ";
    }
    if (show_bytes)
        printf("%s%*lu", gap, width, counts->bytes);
    printf("%s%s\n", name ? " " : "", name ? name : "");
}

/* As wide as the sum of the sizes, if they are known; pipes get seven columns. */
static int number_width(int count, char **paths)
{
    struct stat status;
    unsigned long total = 0;
    int least = 1, digits = 1;

    if (show_lines + show_words + show_bytes == 1 && count <= 1)
        return 1;
    for (int i = 0; i < count || i == 0; i++) {
        bool is_stdin = count == 0 || strcmp(paths[i], "-") == 0;
        if ((is_stdin ? fstat(0, &status) : stat(paths[i], &status)) < 0)
            continue;
        if (S_ISREG(status.st_mode))
            total += (unsigned long)status.st_size;
        else
            least = 7;
    }
    for (; total >= 10; total /= 10)
        digits++;
    return digits > least ? digits : least;
}

int main(int argc, char **argv)
{
    struct counts total = {0, 0, 0};
    int status = 0;

    tool_start(argc, argv, help);
    for (int option; (option = getopt(argc, argv, "lwcm")) != -1;) {
        if (option == 'l')
            show_lines = true;
        else if (option == 'w')
            show_words = true;
        else if (option == 'c' || option == 'm')
            show_bytes = true;
        else
            tool_usage(1);
    }
    if (!show_lines && !show_words && !show_bytes)
        show_lines = show_words = show_bytes = true;
    width = number_width(argc - optind, argv + optind);

    for (int i = optind; i < argc || i == optind; i++) {
        struct counts counts = {0, 0, 0};
        const char *path = i < argc ? argv[i] : NULL;
        bool is_stdin = !path || strcmp(path, "-") == 0;
        int fd = is_stdin ? STDIN_FILENO : open(path, O_RDONLY);
        if (fd < 0) {
            warn("%s", path);
            status = 1;
            continue;
        }
        if (!count(fd, &counts)) {
            warn("%s", path ? path : "-");
            status = 1;
        }
        if (!is_stdin)
            close(fd);
        print(&counts, path);
        total.lines += counts.lines;
        total.words += counts.words;
        total.bytes += counts.bytes;
    }
    if (argc - optind > 1)
        print(&total, "total");
    return tool_finish(status);
}
