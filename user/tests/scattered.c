/*
 * Pages with a hole behind each: so many (the argument; a few by default) that whatever remembers
 * translations or mappings cannot hold all of them.
 */
#include "check.h"

#include <sys/mman.h>

#define PAGE 4096UL

int main(int argc, char **argv)
{
    unsigned long count = argc > 1 ? strtoul(argv[1], NULL, 10) : 3000, good = 0;
    unsigned long *pages =
        mmap(NULL, count * 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (pages == MAP_FAILED)
        must("mmap", -1);
    for (unsigned long i = 0; i < count; i++)
        pages[i * 2 * PAGE / sizeof(*pages)] = i ^ 0x5ca77e7ed;
    for (unsigned long i = 0; i < count; i++)
        good += pages[i * 2 * PAGE / sizeof(*pages)] == (i ^ 0x5ca77e7ed);
    say("all pages keep what was written: %d", good == count);
    return 0;
}
