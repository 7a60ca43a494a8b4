/* seq: print a sequence of numbers. */
#include <err.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <tool.h>

static const char help[] = "usage: seq [-w] [-s STRING] [FIRST [STEP]] LAST\n"
                           "Print the numbers from FIRST (1) to LAST in steps of STEP (1).\n"
                           "  -w  pad with zeros to the same width\n"
                           "  -s  print STRING between them, not a newline\n";

struct number {
    double value;
    int decimals;
};

static struct number parse(const char *text)
{
    char *end;
    struct number number = {strtod(text, &end), 0};
    const char *point = strchr(text, '.');

    if (end == text || *end)
        errx(1, "%s: not a number", text);
    if (point)
        number.decimals = (int)strspn(point + 1, "0123456789");
    return number;
}

static int width_of(double value, int decimals)
{
    return snprintf(NULL, 0, "%.*f", decimals, value);
}

int main(int argc, char **argv)
{
    const char *separator = "\n";
    bool same_width = false;
    int i = 1;

    tool_start(argc, argv, help);
    for (; i < argc; i++) { /* by hand: -3 is a number */
        if (strcmp(argv[i], "-w") == 0)
            same_width = true;
        else if (strcmp(argv[i], "-s") == 0 && i + 1 < argc)
            separator = argv[++i];
        else
            break;
    }
    int count = argc - i;
    if (count < 1 || count > 3)
        tool_usage(1);
    struct number first = {1, 0}, step = {1, 0}, last = parse(argv[argc - 1]);
    if (count > 1)
        first = parse(argv[i]);
    if (count > 2)
        step = parse(argv[i + 1]);
    if (step.value == 0)
        errx(1, "%s: the step is zero", argv[i + 1]);

    int decimals = first.decimals > step.decimals ? first.decimals : step.decimals;
    int width = 0;
    if (same_width) {
        int first_width = width_of(first.value, decimals);
        int last_width = width_of(last.value, decimals);
        width = first_width > last_width ? first_width : last_width;
    }
    double tolerance = (step.value < 0 ? -step.value : step.value) * 1e-9;
    bool is_first = true;
    for (double n = 0;; n++) {
        double value = first.value + n * step.value;
        if (step.value > 0 ? value > last.value + tolerance : value < last.value - tolerance)
            break;
        printf("%s%0*.*f", is_first ? "" : separator, width, decimals, value);
        is_first = false;
    }
    if (!is_first)
        putchar('\n');
    return tool_finish(0);
}
