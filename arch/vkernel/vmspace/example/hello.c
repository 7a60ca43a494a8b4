/*
 * A guest for tiny: no C library, two system calls, and memory that nobody has provided yet.
 */
#include <stddef.h>
#include <sys/syscall.h>

static char sieve[100000]; /* 25 pages, zero until they are written */

static long call(long number, long a, const void *b, size_t c)
{
    long result;

    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"(a), "S"(b), "d"(c)
                     : "rcx", "r11", "memory");
    return result;
}

static void print(const char *text)
{
    size_t length = 0;

    while (text[length] != '\0')
        length++;
    call(SYS_write, 1, text, length);
}

static void print_number(unsigned number)
{
    char digits[12] = {0}, *first = digits + 11;

    do {
        *--first = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    print(first);
}

static unsigned count_primes(void)
{
    unsigned count = 0;

    for (unsigned n = 2; n < sizeof(sieve); n++) {
        if (sieve[n])
            continue;
        count++;
        for (unsigned multiple = 2 * n; multiple < sizeof(sieve); multiple += n)
            sieve[multiple] = 1;
    }
    return count;
}

void _start(void);
void _start(void)
{
    print("Hello from a vmspace.\nPrimes below 100000: ");
    print_number(count_primes());
    print("\n");
    call(SYS_exit, 42, NULL, 0);
}
