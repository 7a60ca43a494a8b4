/* malloc of all sizes: contents stay, blocks do not overlap, large ones come and go. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SLOTS 300

static unsigned char *slots[SLOTS];
static size_t sizes[SLOTS];
static uint32_t state = 12345;

static uint32_t next_random(void)
{
    return state = state * 1664525 + 1013904223;
}

static int check(int i)
{
    for (size_t at = 0; at < sizes[i]; at += sizes[i] / 16 + 1) {
        if (slots[i][at] != (unsigned char)i)
            return 1;
    }
    return 0;
}

int main(void)
{
    int wrong = 0, failed = 0;
    for (int round = 0; round < 20000; round++) {
        int i = (int)(next_random() >> 8) % SLOTS;
        uint32_t kind = next_random() >> 16;
        wrong += slots[i] != NULL && check(i);
        if (kind % 3 == 0) {
            free(slots[i]);
            slots[i] = NULL;
            sizes[i] = 0;
            continue;
        }
        size_t size = 1 + (next_random() >> 8) % (kind % 50 == 1 ? 300000 : 2000);
        unsigned char *block = kind % 3 == 1 ? realloc(slots[i], size) : malloc(size);
        if (kind % 3 == 2)
            free(slots[i]);
        if (block == NULL) {
            failed++;
            continue;
        }
        slots[i] = block;
        sizes[i] = size;
        memset(block, i, size);
    }
    printf("wrong bytes: %d, failed: %d\n", wrong, failed);
    char *zeros = calloc(1000, 1000);
    printf("calloc gives zeros: %d\n", zeros[0] == 0 && zeros[999999] == 0);
    printf("too much is refused: %d\n", malloc((size_t)1 << 50) == NULL);
    char *aligned;
    printf("aligned: %d\n",
           posix_memalign((void **)&aligned, 4096, 100) == 0 && (uintptr_t)aligned % 4096 == 0);
    return 0;
}
