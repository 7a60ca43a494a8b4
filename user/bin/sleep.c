/* sleep: wait. */
#include <ctype.h>
#include <err.h>
#include <errno.h>
#include <string.h>
#include <time.h>
#include <tool.h>

static const char help[] = "usage: sleep NUMBER[smhd]...\n"
                           "Wait for the sum of the times: seconds, minutes, hours or days.\n"
                           "Numbers may have fractions.\n";

#define BILLION 1000000000L

/* Add the time to *total, exactly: a whole number and up to nine decimals. */
static bool add_time(const char *text, struct timespec *total)
{
    const char *at = text;
    long whole = 0, fraction = 0, place = BILLION / 10, unit = 1;

    for (; isdigit((unsigned char)*at) && whole < 1000000000000; at++)
        whole = whole * 10 + *at - '0';
    if (*at == '.') {
        for (at++; isdigit((unsigned char)*at); at++, place /= 10)
            fraction += (*at - '0') * place;
    }
    if (at == text || strcmp(text, ".") == 0)
        return false;
    if (*at && at[1])
        return false;
    if (*at == 'm')
        unit = 60;
    else if (*at == 'h')
        unit = 3600;
    else if (*at == 'd')
        unit = 86400;
    else if (*at && *at != 's')
        return false;
    long nanoseconds = total->tv_nsec + fraction * unit;
    total->tv_sec += whole * unit + nanoseconds / BILLION;
    total->tv_nsec = nanoseconds % BILLION;
    return true;
}

int main(int argc, char **argv)
{
    struct timespec time = {0, 0};

    tool_start(argc, argv, help);
    if (argc < 2)
        tool_usage(1);
    for (int i = 1; i < argc; i++) {
        if (!add_time(argv[i], &time))
            errx(1, "%s: not a time", argv[i]);
    }
    while (nanosleep(&time, &time) < 0) {
        if (errno != EINTR)
            err(1, "nanosleep");
    }
    return 0;
}
