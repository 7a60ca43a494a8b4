/*
 * mmap, munmap and mprotect of anonymous memory.
 */
#include "check.h"

#include <sys/mman.h>

#define PAGE 4096UL
#define RW   (PROT_READ | PROT_WRITE)
#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)

/* Whether the page can be read and written, found out by a child: "rw", "r-", "--". */
static const char *access_of(volatile char *address)
{
    static const char *const answers[] = {"rw", "r-", "--"};
    for (int writing = 1; writing >= 0; writing--) {
        pid_t pid = fork();
        if (pid == 0) {
            if (writing)
                *address = 1;
            else
                (void)*address;
            _exit(0);
        }
        if (wait_for(pid) == 0)
            return answers[1 - writing];
    }
    return answers[2];
}

static char *map(size_t pages, int protection)
{
    char *address = mmap(NULL, pages * PAGE, protection, ANON, -1, 0);
    if (address == MAP_FAILED)
        must("mmap", -1);
    return address;
}

static void show_pages(const char *what, char *address, int count)
{
    char line[64] = "";
    for (int i = 0; i < count; i++) {
        strcat(line, " ");
        strcat(line, access_of(address + (size_t)i * PAGE));
    }
    say("%s:%s", what, line);
}

static void holes(void)
{
    char *a = map(8, RW);
    for (int i = 0; i < 8; i++)
        a[(size_t)i * PAGE] = (char)('0' + i);
    show_pages("eight pages", a, 8);
    show("a hole", munmap(a + 2 * PAGE, 2 * PAGE));
    show_pages("with a hole", a, 8);
    show("the hole again", munmap(a + 2 * PAGE, 2 * PAGE));
    show("over the hole and more", munmap(a + PAGE, 4 * PAGE));
    show_pages("a larger hole", a, 8);
    say("the rest keeps its contents: %c %c %c %c", a[0], a[5 * PAGE], a[6 * PAGE], a[7 * PAGE]);
    char *b = mmap(a + 2 * PAGE, PAGE, RW, ANON | MAP_FIXED, -1, 0);
    say("fixed into the hole: %d, zero: %d", b == a + 2 * PAGE, b[0]);
    show_pages("an island", a, 8);
    b = mmap(a, 2 * PAGE, PROT_READ, ANON | MAP_FIXED, -1, 0);
    say("fixed over a page: %d, zero: %d", b == a, a[0]);
    show_pages("replaced", a, 8);
    show("all away", munmap(a, 8 * PAGE));
    show_pages("nothing", a, 3);
}

static void protections(void)
{
    char *a = map(6, RW);
    memset(a, 'p', 6 * PAGE);
    show("read only in the middle", mprotect(a + 2 * PAGE, 2 * PAGE, PROT_READ));
    show_pages("six", a, 6);
    show("none in the middle", mprotect(a + PAGE, PAGE, PROT_NONE));
    show_pages("six", a, 6);
    show("all writable again", mprotect(a, 6 * PAGE, RW));
    show_pages("six", a, 6);
    say("contents kept: %c%c%c", a[PAGE], a[2 * PAGE], a[3 * PAGE]);
    show("a length that is no multiple", mprotect(a, PAGE + 1, PROT_READ));
    show_pages("two pages", a, 3);
    munmap(a + 5 * PAGE, PAGE);
    show("over the end of the mapping", mprotect(a + 4 * PAGE, 2 * PAGE, PROT_READ));
    show("not aligned", mprotect(a + 1, PAGE, PROT_READ));
    show("length 0", mprotect(a, 0, PROT_NONE));
    show("nothing mapped", mprotect((void *)0x100000000000, PAGE, PROT_READ));
    show_pages("untouched none", map(1, PROT_NONE), 1);
    char *none = map(2, PROT_NONE);
    show("none made writable", mprotect(none + PAGE, PAGE, RW));
    show_pages("half", none, 2);
}

static void errors(void)
{
    show("length 0", (long)mmap(NULL, 0, RW, ANON, -1, 0));
    show("no type", (long)mmap(NULL, PAGE, RW, MAP_ANONYMOUS, -1, 0));
    show("fixed, not aligned", (long)mmap((void *)0x10000001, PAGE, RW, ANON | MAP_FIXED, -1, 0));
    show("too much", (long)mmap(NULL, 1UL << 47, RW, ANON, -1, 0));
    show("all there is", (long)mmap(NULL, ~0UL, RW, ANON, -1, 0));
    show("fixed in the kernel",
         (long)mmap((void *)0xffff800000000000, PAGE, RW, ANON | MAP_FIXED, -1, 0));
    show("a bad descriptor", (long)mmap(NULL, PAGE, RW, MAP_PRIVATE, 99, 0));
    show("munmap, not aligned", munmap((void *)0x10000001, PAGE));
    show("munmap, length 0", munmap((void *)0x10000000, 0));
    show("munmap of nothing", munmap((void *)0x100000000000, PAGE));
    show("munmap in the kernel", munmap((void *)0xffff800000000000, PAGE));
}

static void many(void)
{
    static char *at[200];
    unsigned long sum = 0;
    for (int i = 0; i < 200; i++) {
        at[i] = map(1 + (unsigned)i % 3, i % 2 ? RW : PROT_READ);
        if (i % 2)
            at[i][0] = (char)i;
    }
    for (int i = 0; i < 200; i += 3)
        munmap(at[i], (1 + (unsigned)i % 3) * PAGE);
    for (int i = 0; i < 200; i++)
        sum += i % 3 ? (unsigned char)at[i][0] : 0;
    say("sum of the maps that are left: %lu", sum);
    char *hint = mmap((void *)0x300000000000, PAGE, RW, ANON, -1, 0);
    say("a hint is taken when it is free: %d", hint == (char *)0x300000000000);
    char *big = map(16384, RW);
    big[0] = big[64 * 1024 * 1024 - 1] = 'b';
    say("64 MB, first and last page touched: %c%c, between zero: %d", big[0],
        big[64 * 1024 * 1024 - 1], big[32 * 1024 * 1024]);
}

int main(void)
{
    holes();
    protections();
    errors();
    many();
    return 0;
}
