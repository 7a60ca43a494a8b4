/* Strings, numbers, sorting, options, the environment, the calendar, patterns. */
#include <ctype.h>
#include <errno.h>
#include <fnmatch.h>
#include <libgen.h>
#include <limits.h>
#include <setjmp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

static int sign(int number)
{
    return (number > 0) - (number < 0);
}

static void strings(void)
{
    char buffer[64], *rest;

    printf("%d %d %d\n", sign(strcmp("a", "b")), sign(strcmp("abc", "ab")),
           sign(strcmp("\xff", "a")));
    printf("%d %d %d\n", sign(strncmp("abcd", "abxx", 2)), sign(strcasecmp("HELLO", "hello")),
           sign(memcmp("a\0b", "a\0c", 3)));
    printf("%s %s %s\n", strchr("hello", 'l'), strrchr("hello", 'l'), strstr("one two", "tw"));
    printf("%d %d %d\n", strchr("x", 'y') == NULL, strstr("ab", "abc") == NULL,
           *strchr("x", '\0') == '\0');
    printf("%zu %zu %s\n", strspn("aabbc", "ab"), strcspn("hello", "l"), strpbrk("key=v", "=:"));
    strcpy(buffer, "one,,two;three");
    for (char *word = strtok_r(buffer, ",;", &rest); word; word = strtok_r(NULL, ",;", &rest))
        printf("<%s>", word);
    printf("\n");
    strcpy(buffer, "0123456789");
    memmove(buffer + 2, buffer, 5);
    printf("%s ", buffer);
    memmove(buffer, buffer + 3, 7);
    printf("%s\n", buffer);
    memset(buffer, 'z', 40);
    strncpy(buffer, "abc", 6);
    printf("%d %d %c\n", buffer[3], buffer[5], buffer[6]);
    strcpy(buffer, "abc");
    strncat(buffer, "defgh", 2);
    printf("%s %zu %s\n", buffer, strnlen("abcdef", 4), strdup("copy"));
    for (size_t size = 0; size < 70; size++) { /* every tail of the copying loops */
        static char from[80], to[80];
        memset(from, 'a', sizeof(from));
        memset(to, 'b', sizeof(to));
        memcpy(to + 3, from, size);
        if (to[2] != 'b' || to[3 + size] != 'b' || (size && to[2 + size] != 'a'))
            printf("memcpy of %zu is wrong\n", size);
    }
}

static void numbers(void)
{
    static const char *const texts[] = {"42",
                                        "-17",
                                        "  +5x",
                                        "0x1f",
                                        "077",
                                        "",
                                        "-",
                                        "0x",
                                        "9223372036854775807",
                                        "zz",
                                        "99999999999999999999",
                                        "-9223372036854775809"};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        char *end;
        errno = 0;
        long value = strtol(texts[i], &end, 0);
        printf("[%s] %ld [%s] %s\n", texts[i], value, end, errno ? strerror(errno) : "-");
    }
    printf("%ld %lu %d\n", strtol("zz", NULL, 36), strtoul("-1", NULL, 10), atoi("12abc"));
    printf("%g %g %g\n", strtod("3.25e2", NULL), strtod("-.5", NULL), strtod("x", NULL));
}

static int compare_ints(const void *a, const void *b)
{
    int x = *(const int *)a, y = *(const int *)b;
    return (x > y) - (x < y);
}

static void sorting(void)
{
    static int numbers_to_sort[2000];
    unsigned value = 1;
    bool is_sorted = true;

    for (int i = 0; i < 2000; i++) {
        value = value * 1103515245u + 12345u;
        numbers_to_sort[i] = (int)(value >> 8) % 1000;
    }
    qsort(numbers_to_sort, 2000, sizeof(int), compare_ints);
    for (int i = 1; i < 2000; i++)
        is_sorted &= numbers_to_sort[i - 1] <= numbers_to_sort[i];
    int key = numbers_to_sort[777], absent = 5000;
    int *found = bsearch(&key, numbers_to_sort, 2000, sizeof(int), compare_ints);
    printf("sorted %d, found %d, absent %d\n", is_sorted, found && *found == key,
           bsearch(&absent, numbers_to_sort, 2000, sizeof(int), compare_ints) == NULL);
}

static void options(void)
{
    static char program[] = "program", ab[] = "-ab", value[] = "-cvalue", c[] = "-c",
                other[] = "other", bad[] = "-x", end[] = "--", operand[] = "-d";
    char *argv[] = {program, ab, value, c, other, bad, end, operand, NULL};

    opterr = 0;
    for (int option; (option = getopt(8, argv, "abc:d")) != -1;)
        printf("%c%s%s ", option, option == 'c' ? "=" : "", option == 'c' ? optarg : "");
    printf("then %s\n", argv[optind]);
}

static void environment(void)
{
    clearenv();
    setenv("A", "1", 1);
    setenv("B", "2", 1);
    setenv("A", "other", 0);
    setenv("B", "other", 1);
    unsetenv("NOSUCH");
    printf("%s %s %s\n", getenv("A"), getenv("B"), getenv("C") ? "set" : "unset");
    unsetenv("A");
    printf("%s, bad name %d\n", getenv("A") ? "set" : "unset", setenv("A=B", "x", 1));
}

static void calendar(void)
{
    static const time_t times[] = {0,          951782399, 951782400,   1709164800,
                                   4107542400, -1,        -86400 * 400};
    char text[64];

    for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
        struct tm *date = gmtime(&times[i]);
        strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S %a %b %j", date);
        printf("%s %d\n", text, timegm(date) == times[i]);
    }
    printf("%zu\n", strftime(text, 5, "%Y-%m", gmtime(&times[0])));
}

static void names(void)
{
    static const char *const paths[] = {"/usr/lib", "/usr/", "usr", "/", ".", "..", "a//b//", ""};
    static const char *const patterns[][2] = {
        {"*.c", "main.c"},  {"*.c", "main.h"}, {"[a-c]?", "bx"}, {"[!a-c]*", "bx"},
        {"a*b*c", "aXbYc"}, {"\\*", "*"},      {"\\*", "x"},     {"[]x]", "]"},
        {"[", "["},         {"*", ""}};

    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        char base[32], dir[32];
        strcpy(base, paths[i]);
        strcpy(dir, paths[i]);
        char *base_name = basename(base);
        printf("[%s] ", base_name);
        printf("[%s]\n", dirname(dir));
    }
    for (size_t i = 0; i < sizeof(patterns) / sizeof(patterns[0]); i++)
        printf("%d", fnmatch(patterns[i][0], patterns[i][1], 0) == 0);
    printf(" %d %d\n", fnmatch("*", ".x", FNM_PERIOD) == 0, fnmatch("*", "a/b", FNM_PATHNAME) == 0);
}

static void jumps(void)
{
    static jmp_buf state;
    volatile int count = 0;
    int value = setjmp(state);

    printf("%d ", value);
    if (count < 3) {
        count = count + 1;
        longjmp(state, count == 2 ? 0 : count);
    }
    printf("done\n");
}

int main(void)
{
    strings();
    numbers();
    sorting();
    options();
    environment();
    calendar();
    names();
    jumps();
    return 0;
}
