/* printf: flags, widths, precisions and lengths. */
#include <limits.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

static void integers(void)
{
    printf("[%d] [%i] [%u] [%x] [%X] [%o]\n", -42, 42, 42u, 0xbeefu, 0xbeefu, 0755u);
    printf("[%5d] [%-5d] [%05d] [%+d] [% d] [%+5d]\n", 42, 42, 42, 42, 42, 42);
    printf("[%5d] [%-5d] [%05d] [%+d] [% d]\n", -42, -42, -42, -42, -42);
    printf("[%.3d] [%8.3d] [%-8.3d] [%.0d] [%.0d]\n", 7, 7, 7, 0, 1);
    printf("[%#x] [%#o] [%#x] [%#o] [%#10x] [%#010x] [%-#10x]\n", 255u, 8u, 0u, 0u, 255u, 255u,
           255u);
    printf("[%d] [%d] [%u]\n", INT_MIN, INT_MAX, UINT_MAX);
    printf("[%ld] [%ld] [%lu]\n", LONG_MIN, LONG_MAX, ULONG_MAX);
    printf("[%lld] [%llx] [%zu] [%td] [%jd]\n", -1LL, ~0ULL, (size_t)99, (ptrdiff_t)-3,
           (intmax_t)5);
    printf("[%hd] [%hhd] [%hu] [%hhu]\n", (short)70000, (signed char)300, (unsigned short)70000,
           (unsigned char)300);
    printf("[%*d] [%-*d] [%.*d] [%*d]\n", 6, 42, 6, 42, 4, 42, -6, 42);
}

static void texts(void)
{
    printf("[%s] [%10s] [%-10s] [%.2s] [%10.2s] [%-10.2s] [%.0s]\n", "duet", "duet", "duet", "duet",
           "duet", "duet", "duet");
    printf("[%c] [%3c] [%-3c] [%%] [%5s]\n", 'x', 'y', 'z', "");
    printf("[%p] [%20p]\n", (void *)0x1234, (void *)0xabcdef);
}

static void floats(void)
{
    static const double values[] = {
        0.0,      1.0,  -1.5, 3.14159265358979, 0.1,   100.0, 9.9999, 123456., 1e-5, 0.00012345,
        1234567., 1e10, 1e15, 2.5e-10,          1e100, -0.5,  0.995,  99999.95};
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++)
        printf("[%g] [%e] [%.2e] [%.3g]\n", values[i], values[i], values[i], values[i]);
    for (size_t i = 0; i < 14; i++)
        printf("[%f] [%.0f] [%.1f] [%10.3f] [%-10.2f] [%+.2f] [%010.3f]\n", values[i], values[i],
               values[i], values[i], values[i], values[i], values[i]);
    printf("[%f] [%5f] [%g] [%06g]\n", __builtin_inf(), -__builtin_inf(), __builtin_inf(),
           __builtin_inf());
}

static void limits(void)
{
    char buffer[8];
    int length = snprintf(buffer, sizeof(buffer), "%s", "longer than that");
    printf("%d [%s]\n", length, buffer);
    length = snprintf(NULL, 0, "%d%s", 12345, "abc");
    printf("%d\n", length);
    memset(buffer, 'x', sizeof(buffer));
    length = snprintf(buffer, 1, "abc");
    printf("%d [%s] %c\n", length, buffer, buffer[1]);
    char *text;
    length = asprintf(&text, "%s-%04d", "number", 7);
    printf("%d [%s]\n", length, text);
}

int main(void)
{
    integers();
    texts();
    floats();
    limits();
    return 0;
}
