/* kill: send a signal. */
#include <ctype.h>
#include <err.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <tool.h>

static const char help[] = "usage: kill [-s SIGNAL | -SIGNAL] PID... | kill -l [NUMBER]...\n"
                           "Send TERM or the given signal (TERM, SIGTERM or 15) to processes.\n"
                           "PID 0 is the own process group, -PID a group, -1 all.\n"
                           "  -l  list the names of signals\n";

/* A shell's $? for a killed program is accepted as well. */
static int list_signals(char **numbers)
{
    if (!*numbers) {
        for (int signal = 1; signal_name(signal); signal++)
            printf("%2d) %s\n", signal, signal_name(signal));
    }
    for (; *numbers; numbers++) {
        int signal = signal_number(*numbers);
        if (isdigit((unsigned char)**numbers)) {
            const char *name = signal_name(atoi(*numbers) & 127);
            if (!name)
                errx(1, "%s: no such signal", *numbers);
            puts(name);
        } else if (signal < 0) {
            errx(1, "%s: no such signal", *numbers);
        } else {
            printf("%d\n", signal);
        }
    }
    return tool_finish(0);
}

int main(int argc, char **argv)
{
    const char *name = "TERM";
    int i = 1, status = 0;

    tool_start(argc, argv, help);
    if (argc > 1 && strcmp(argv[1], "-l") == 0)
        return list_signals(argv + 2);
    if (argc > 2 && strcmp(argv[1], "-s") == 0) {
        name = argv[2];
        i = 3;
    } else if (argc > 1 && argv[1][0] == '-' && argv[1][1] && strcmp(argv[1], "--") != 0) {
        name = argv[1] + 1;
        i = 2;
    }
    if (i < argc && strcmp(argv[i], "--") == 0)
        i++;
    int signal = signal_number(name);
    if (signal < 0)
        errx(1, "%s: no such signal", name);
    if (i >= argc)
        tool_usage(1);
    for (; i < argc; i++) {
        char *end;
        long pid = strtol(argv[i], &end, 10);
        if (end == argv[i] || *end || pid != (pid_t)pid) {
            warnx("%s: not a process", argv[i]);
            status = 1;
        } else if (kill((pid_t)pid, signal) < 0) {
            warn("%s", argv[i]);
            status = 1;
        }
    }
    return status;
}
