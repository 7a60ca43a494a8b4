/*
 * The heap under stress: blocks of all sizes, filled with a pattern that is checked before every
 * change. Prints sums, not addresses.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SLOTS 500
#define STEPS 60000

static struct {
    unsigned char *memory;
    size_t size;
    unsigned char pattern;
} slots[SLOTS];

static unsigned long state = 12345;

static unsigned random_below(unsigned limit)
{
    state = state * 6364136223846793005UL + 1442695040888963407UL;
    return (unsigned)(state >> 33) % limit;
}

/* Mostly small, sometimes pages, rarely a mapping of its own. */
static size_t random_size(void)
{
    unsigned kind = random_below(100);
    return kind < 80 ? random_below(200) : kind < 99 ? random_below(10000) : random_below(400000);
}

static void check(int slot)
{
    for (size_t i = 0; i < slots[slot].size; i++) {
        if (slots[slot].memory[i] != slots[slot].pattern) {
            printf("byte %zu of a block of %zu is damaged\n", i, slots[slot].size);
            exit(1);
        }
    }
}

static void fill(int slot, size_t from)
{
    if (slots[slot].size > from)
        memset(slots[slot].memory + from, slots[slot].pattern, slots[slot].size - from);
}

static void step(int slot)
{
    check(slot);
    if (!slots[slot].memory) {
        slots[slot].size = random_size();
        slots[slot].pattern = (unsigned char)random_below(256);
        if (random_below(4) == 0) {
            slots[slot].memory = calloc(1, slots[slot].size);
            slots[slot].pattern = 0;
        } else {
            slots[slot].memory = malloc(slots[slot].size);
            fill(slot, 0);
        }
    } else if (random_below(3) == 0) {
        size_t size = random_size() + 1, old = slots[slot].size;
        slots[slot].memory = realloc(slots[slot].memory, size);
        slots[slot].size = old < size ? old : size;
        check(slot);
        slots[slot].size = size;
        fill(slot, old);
    } else {
        free(slots[slot].memory);
        slots[slot].memory = NULL;
        slots[slot].size = 0;
    }
    if (slots[slot].memory && ((uintptr_t)slots[slot].memory & 15)) {
        puts("a block is not aligned");
        exit(1);
    }
}

int main(void)
{
    for (int i = 0; i < STEPS; i++)
        step((int)random_below(SLOTS));
    size_t total = 0;
    for (int i = 0; i < SLOTS; i++) {
        check(i);
        total += slots[i].size;
        free(slots[i].memory);
    }
    printf("%d steps, %zu bytes at the end\n", STEPS, total);

    /* All is free and merged: it must do for what is asked next. */
    char *before = sbrk(0);
    for (int round = 0; round < 1000; round++) {
        void *blocks[4];
        for (int i = 0; i < 4; i++)
            blocks[i] = malloc(16000);
        for (int i = 0; i < 4; i++)
            free(blocks[i]);
    }
    printf("the heap grew by %ld\n", (long)((char *)sbrk(0) - before));

    volatile size_t huge = ~0UL / 2;
    printf("huge: %s, overflow: %s\n", malloc(huge) ? "got" : "refused",
           calloc(huge, 4) ? "got" : "refused");
    void *nothing = malloc(0);
    printf("nothing: %s\n", nothing ? "a block" : "null");
    free(nothing);
    free(NULL);
    return 0;
}
