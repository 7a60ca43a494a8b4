/* date: show the time. */
#include <err.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <tool.h>
#include <unistd.h>

static const char help[] = "usage: date [-u] [-d @SECONDS | -r FILE] [+FORMAT]\n"
                           "Show the time, always in UTC, as strftime(3) formats it.\n"
                           "  -d  this time, in seconds since 1970\n"
                           "  -r  when FILE was last modified\n";

int main(int argc, char **argv)
{
    const char *format = "%a %b %e %H:%M:%S UTC %Y";
    time_t shown = time(NULL);
    struct stat status;
    char text[1024], *end;

    tool_start(argc, argv, help);
    for (int option; (option = getopt(argc, argv, "ud:r:")) != -1;) {
        if (option == 'd') {
            shown = strtol(optarg + (*optarg == '@'), &end, 10);
            if (*optarg != '@' || end == optarg + 1 || *end)
                errx(1, "%s: not @SECONDS", optarg);
        } else if (option == 'r') {
            if (stat(optarg, &status) < 0)
                err(1, "%s", optarg);
            shown = status.st_mtime;
        } else if (option != 'u') {
            tool_usage(1);
        }
    }
    if (optind < argc) {
        if (argv[optind][0] != '+' || optind + 1 < argc)
            tool_usage(1);
        format = argv[optind] + 1;
    }
    if (strftime(text, sizeof(text), format, gmtime(&shown)) == 0 && *format)
        errx(1, "%s: too long", format);
    puts(text);
    return tool_finish(0);
}
