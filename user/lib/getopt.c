/*
 * getopt(3): options before operands, as POSIX says: the first operand, or `--`, ends them.
 * Messages name the program as err(3) does.
 */
#include <err.h>
#include <getopt.h>
#include <string.h>

char *optarg;
int optind = 1, opterr = 1, optopt;

static int complain(const char *options, const char *message)
{
    if (opterr && *options != ':')
        warnx("%s -- '%c'", message, optopt);
    return '?';
}

int getopt(int argc, char *const argv[], const char *options)
{
    static const char *group = ""; /* what is left of a group of options in one argument */

    if (optind == 0) { /* the caller begins again */
        optind = 1;
        group = "";
    }
    if (!*group) {
        const char *argument = optind < argc ? argv[optind] : NULL;
        if (!argument || argument[0] != '-' || !argument[1])
            return -1;
        optind++;
        if (strcmp(argument, "--") == 0)
            return -1;
        group = argument + 1;
    }
    optopt = (unsigned char)*group++;
    const char *option = optopt == ':' ? NULL : strchr(options, optopt);
    if (!option)
        return complain(options, "invalid option");
    optarg = NULL;
    if (option[1] != ':')
        return optopt;

    if (*group) {
        optarg = (char *)group;
    } else if (optind < argc) {
        optarg = argv[optind++];
    } else {
        complain(options, "option requires an argument");
        return *options == ':' ? ':' : '?';
    }
    group = "";
    return optopt;
}
