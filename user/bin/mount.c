/* mount: show what is mounted, or mount a file system. */
#include <err.h>
#include <string.h>
#include <sys/mount.h>
#include <tool.h>
#include <unistd.h>

static const char help[] = "usage: mount | mount [-r] [-t TYPE] [-o ro,remount] DEVICE DIRECTORY\n"
                           "Show the mounted file systems, or mount the one on DEVICE.\n"
                           "  -t  its type (ext2)\n"
                           "  -r  read only; the same as -o ro\n";

/* Lines of /proc/mounts: `DEVICE DIRECTORY TYPE OPTIONS 0 0`. */
static int show_mounts(void)
{
    char *line = NULL;
    size_t capacity = 0;
    FILE *stream = fopen("/proc/mounts", "r");

    if (!stream)
        err(1, "/proc/mounts");
    while (getline(&line, &capacity, stream) > 0) {
        char *rest = line;
        const char *device = strsep(&rest, " \n"), *directory = strsep(&rest, " \n");
        const char *type = strsep(&rest, " \n"), *options = strsep(&rest, " \n");
        if (options)
            printf("%s on %s type %s (%s)\n", device, directory, type, options);
    }
    return tool_finish(tool_close(stream, "/proc/mounts") ? 0 : 1);
}

static unsigned long parse_options(char *text)
{
    unsigned long flags = 0;
    for (char *word; (word = strsep(&text, ","));) {
        if (strcmp(word, "ro") == 0)
            flags |= MS_RDONLY;
        else if (strcmp(word, "remount") == 0)
            flags |= MS_REMOUNT;
        else if (strcmp(word, "rw") != 0)
            errx(1, "%s: no such option", word);
    }
    return flags;
}

int main(int argc, char **argv)
{
    const char *type = "ext2";
    unsigned long flags = 0;

    tool_start(argc, argv, help);
    if (argc == 1)
        return show_mounts();
    for (int option; (option = getopt(argc, argv, "rt:o:")) != -1;) {
        if (option == 'r')
            flags |= MS_RDONLY;
        else if (option == 't')
            type = optarg;
        else if (option == 'o')
            flags |= parse_options(optarg);
        else
            tool_usage(1);
    }
    if (argc - optind != 2)
        tool_usage(1);
    if (mount(argv[optind], argv[optind + 1], type, flags, NULL) < 0)
        err(1, "%s on %s", argv[optind], argv[optind + 1]);
    return 0;
}
