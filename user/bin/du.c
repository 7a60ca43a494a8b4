/* du: how much space files use. A file with several names counts once. */
#include <dirent.h>
#include <err.h>
#include <stdlib.h>
#include <string.h>
#include <tool.h>
#include <unistd.h>

static const char help[] = "usage: du [-ash] [PATH]...\n"
                           "Show the space that directories and all below them use, in KiB.\n"
                           "  -a  of each file, too\n"
                           "  -s  only of the arguments\n"
                           "  -h  as 1.2K, 3M\n";

static bool show_all, only_sums, human;
static int exit_status;

static struct {
    dev_t device;
    ino_t number;
} * counted;
static size_t counted_count;

static bool was_counted(const struct stat *status)
{
    for (size_t i = 0; i < counted_count; i++) {
        if (counted[i].device == status->st_dev && counted[i].number == status->st_ino)
            return true;
    }
    counted = tool_reallocate(counted, (counted_count + 1) * sizeof(*counted));
    counted[counted_count].device = status->st_dev;
    counted[counted_count++].number = status->st_ino;
    return false;
}

static void print(unsigned long long bytes, const char *path)
{
    char text[16];
    if (human)
        tool_human_size(bytes, text);
    else
        snprintf(text, sizeof(text), "%llu", (bytes + 1023) / 1024);
    printf("%s\t%s\n", text, path);
}

static void fail(const char *path)
{
    warn("%s", path);
    exit_status = 1;
}

static unsigned long long measure(const char *path, int depth)
{
    struct stat status;

    if (lstat(path, &status) < 0) {
        fail(path);
        return 0;
    }
    bool is_directory = S_ISDIR(status.st_mode);
    if (!is_directory && status.st_nlink > 1 && was_counted(&status))
        return 0;
    unsigned long long bytes = (unsigned long long)status.st_blocks * 512;
    if (is_directory) {
        DIR *directory = opendir(path);
        if (!directory)
            fail(path);
        for (struct dirent *entry; directory && (entry = readdir(directory));) {
            if (tool_is_dot(entry->d_name))
                continue;
            char *name = tool_join(path, entry->d_name);
            bytes += measure(name, depth + 1);
            free(name);
        }
        if (directory)
            closedir(directory);
    }
    if (depth == 0 || (!only_sums && (is_directory || show_all)))
        print(bytes, path);
    return bytes;
}

int main(int argc, char **argv)
{
    tool_start(argc, argv, help);
    for (int option; (option = getopt(argc, argv, "ashk")) != -1;) {
        if (option == 'a')
            show_all = true;
        else if (option == 's')
            only_sums = true;
        else if (option == 'h')
            human = true;
        else if (option != 'k')
            tool_usage(1);
    }
    if (optind == argc)
        measure(".", 0);
    for (int i = optind; i < argc; i++)
        measure(argv[i], 0);
    return tool_finish(exit_status);
}
