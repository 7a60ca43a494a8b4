/* unit: vm/pmap.c vm/page.c vm/heap.c vm/test/fake_machine.c kern/test/fake_fail.c */
/*
 * Page tables by the script: the functions of vm/pmap.c in an ordinary program, under
 * AddressSanitizer. Reads commands and answers each with a line; numbers are hexadecimal:
 *
 *      enter VA FRAME PROT ACCESS     pmap_enter_accessed(); PROT as in mmap(2): 1 r, 2 w, 4 x
 *      absent VA FRAME COUNT PROT     pmap_enter_absent() of as many frames, one after the other
 *      remove START END               pmap_remove(); answers FRAME:DIRTY for each frame released,
 *                                  with `:still-cached` if the processor could still use it
 *      protect START END PROT         pmap_protect()
 *      touch VA ACCESS                what the processor does; answers the frame, or `fault`
 *      lookup VA                      pmap_lookup()
 *      mark VA WRITE                  pmap_mark_accessed()
 *      frame                          a new page frame
 *      hoard, return                  take all free pages, give them back
 *      count                          how often there were invalidations; `resident`
 *      dump FILE                      the memory; answers where it begins and the root
 *      destroy                        pmap_destroy(); answers how many pages are free then
 *
 * The processor caches translations, as the real one does. Try it by hand:
 *
 *      make units UNIT=labs/pagetable/public/pmap_script.c     builds it
 *      build/unit/labs/pagetable/public/pmap_script
 */
#include "kern/abi/mman.h"
#include "vm/page.h"
#include "vm/pmap.h"
#include "vm/test/fake_machine.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MEMORY_START 0x100000UL
#define MEMORY_END   0x900000UL
#define WATCHED_MAX  (64 * PAGE_SIZE) /* removals of more are not looked at so closely */

static const struct memory_range memory[] = {{MEMORY_START, MEMORY_END}};
static struct pmap pmap;

/* A frame is given away: nobody can use it any more, not even by what the processor remembers. */
static void say_release(paddr_t pa, bool dirty, void *argument)
{
    const unsigned long *range = argument;
    bool is_cached = false;

    for (vaddr_t va = range[0]; va < range[1] && range[1] - range[0] <= WATCHED_MAX;
         va += PAGE_SIZE) {
        uint8_t *byte = fake_access(&pmap, va, PROT_READ);

        is_cached |= byte != NULL && direct_map_address(byte) == pa;
    }
    printf("%#lx:%d%s ", pa, dirty, is_cached ? ":still-cached" : "");
}

static void enter_absent(vaddr_t va, paddr_t frame, size_t count, prot_t prot)
{
    struct page *pages[PTE_ENTRIES];
    size_t taken = 0;

    for (size_t i = 0; i < count && i < PTE_ENTRIES; i++)
        pages[i] = page_from_address(frame + i * PAGE_SIZE);
    pmap_enter_absent(&pmap, va, pages, count, prot);
    for (size_t i = 0; i < count && i < PTE_ENTRIES; i++)
        taken += pages[i] == NULL;
    printf("%#lx", taken);
}

static void dump(const char *path)
{
    FILE *file = fopen(path, "wb");

    if (file == NULL || fwrite(direct_map(MEMORY_START), 1, MEMORY_END - MEMORY_START, file) == 0 ||
        fclose(file) != 0)
        exit(1);
    printf("%#lx %#lx", MEMORY_START, pmap.root);
}

static void touch(vaddr_t va, prot_t access)
{
    uint8_t *byte = fake_access(&pmap, va, access);

    if (byte == NULL)
        printf("fault");
    else
        printf("%#lx", direct_map_address(byte) - va % PAGE_SIZE);
}

/* The command in `verb` with its arguments; false: there is none of that name. */
static bool act(const char *verb, const unsigned long *a, const char *text)
{
    if (strcmp(verb, "enter") == 0)
        printf("%d", pmap_enter_accessed(&pmap, a[0], a[1], (prot_t)a[2], (prot_t)a[3]));
    else if (strcmp(verb, "absent") == 0)
        enter_absent(a[0], a[1], a[2], (prot_t)a[3]);
    else if (strcmp(verb, "remove") == 0)
        pmap_remove(&pmap, a[0], a[1], say_release, (void *)a);
    else if (strcmp(verb, "protect") == 0)
        pmap_protect(&pmap, a[0], a[1], (prot_t)a[2]);
    else if (strcmp(verb, "touch") == 0)
        touch(a[0], (prot_t)a[1]);
    else if (strcmp(verb, "lookup") == 0)
        printf("%#lx", pmap_lookup(&pmap, a[0]));
    else if (strcmp(verb, "mark") == 0)
        pmap_mark_accessed(&pmap, a[0], a[1] != 0);
    else if (strcmp(verb, "frame") == 0)
        printf("%#lx", page_address(page_alloc_zero((unsigned)a[0])));
    else if (strcmp(verb, "hoard") == 0)
        fake_hoard_pages(a[0]);
    else if (strcmp(verb, "return") == 0)
        fake_return_pages();
    else if (strcmp(verb, "count") == 0)
        printf("%#lx %#lx", fake_invalidations, pmap.resident);
    else if (strcmp(verb, "dump") == 0)
        dump(text);
    else if (strcmp(verb, "destroy") == 0) {
        pmap_destroy(&pmap);
        printf("%#lx", page_free_count());
    } else
        return false;
    return true;
}

int main(void)
{
    char line[512], verb[32], text[256];
    size_t before;

    fake_start(memory, 1);
    before = page_free_count();
    if (pmap_create(&pmap) != 0)
        return 1;
    printf("%#lx\n", before);
    fflush(stdout);
    while (fgets(line, sizeof(line), stdin) != NULL) {
        unsigned long a[4] = {0};

        verb[0] = text[0] = '\0';
        sscanf(line, "%31s %255s", verb, text);
        sscanf(line, "%*s %lx %lx %lx %lx", &a[0], &a[1], &a[2], &a[3]);
        if (!act(verb, a, text))
            printf("no such command");
        printf("\n");
        fflush(stdout);
    }
    CHECK(true);
    return fake_done();
}
