/* echo: print the arguments. */
#include <ctype.h>
#include <string.h>
#include <tool.h>

static const char help[] =
    "usage: echo [-neE] [STRING]...\n"
    "Print the strings, separated by blanks, and a newline.\n"
    "  -n  no newline at the end\n"
    "  -e  understand \\a \\b \\c \\e \\f \\n \\r \\t \\v \\\\ \\0NNN \\xHH\n"
    "  -E  do not (the default)\n";

/* The value of up to `most` digits at *text in `base`; advances *text. */
static int parse_digits(const char **text, int base, int most)
{
    int value = 0;
    for (; most > 0; most--, ++*text) {
        int c = tolower((unsigned char)**text);
        int digit = isdigit(c) ? c - '0' : isxdigit(c) ? c - 'a' + 10 : base;
        if (digit >= base)
            break;
        value = value * base + digit;
    }
    return value;
}

/* Print with escapes. Returns false at \c, which ends all output. */
static bool print_escaped(const char *text)
{
    static const char letters[] = "abefnrtv\\", values[] = "\a\b\033\f\n\r\t\v\\";

    while (*text) {
        char c = *text++;
        if (c == '\\' && *text) {
            const char *letter = strchr(letters, *text);
            if (*text == 'c')
                return false;
            if (letter) {
                c = values[letter - letters];
                text++;
            } else if (*text == '0') {
                text++;
                c = (char)parse_digits(&text, 8, 3);
            } else if (*text == 'x' && isxdigit((unsigned char)text[1])) {
                text++;
                c = (char)parse_digits(&text, 16, 2);
            }
        }
        putchar(c);
    }
    return true;
}

int main(int argc, char **argv)
{
    bool newline = true, escapes = false;
    int i = 1;

    tool_start(argc, argv, help);
    for (; i < argc && argv[i][0] == '-' && argv[i][1]; i++) {
        if (strspn(argv[i] + 1, "neE") != strlen(argv[i] + 1))
            break;
        for (const char *option = argv[i] + 1; *option; option++) {
            if (*option == 'n')
                newline = false;
            else
                escapes = *option == 'e';
        }
    }
    for (int first = i; i < argc; i++) {
        if (i > first)
            putchar(' ');
        if (!escapes)
            fputs(argv[i], stdout);
        else if (!print_escaped(argv[i]))
            return tool_finish(0);
    }
    if (newline)
        putchar('\n');
    return tool_finish(0);
}
