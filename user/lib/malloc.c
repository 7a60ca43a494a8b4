/*
 * The heap: malloc, free and their relatives.
 *
 * Memory comes from the kernel in two ways. A large block is a mapping of its own, which free()
 * gives back. All others are cut from regions that grow by sbrk(), where each chunk has a header
 * of two words:
 *
 *      | size before | size + flags | payload ........ | size before | size + flags | ...
 *        ^ chunk                      ^ what malloc returns
 *
 * "Size before" is the size of the chunk below (0: there is none), so both neighbours of a chunk
 * can be found, and a freed chunk is merged with its free neighbours at once: two free
 * chunks never touch. A region ends with a header that is in use and has no payload.
 *
 * Free chunks sit in doubly linked lists by size: bin n holds sizes of 2^n up to 2^(n+1) - 1, and
 * a search begins in the smallest bin that can have a chunk large enough.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define ALIGNMENT   16UL
#define HEADER_SIZE 16UL
#define CHUNK_MIN   32UL           /* a header and the two links of a free chunk */
#define MAP_SIZE    (256UL * 1024) /* from here on a block is a mapping of its own */
#define GROW_SIZE   (64UL * 1024)  /* sbrk() is asked for multiples of this */
#define PAGE        4096UL
#define SIZE_LIMIT  (1UL << 46)

#define IN_USE    1UL
#define MAPPED    2UL
#define FLAG_BITS 15UL

struct chunk {
    size_t size_before;
    size_t size_and_flags;
    struct chunk *next, *previous; /* of a free chunk: its bin's list */
};

#define BIN_COUNT 48

static struct chunk *bins[BIN_COUNT];
static char *region_end; /* behind the last region's end header */

static size_t chunk_size(const struct chunk *chunk)
{
    return chunk->size_and_flags & ~FLAG_BITS;
}

static bool chunk_in_use(const struct chunk *chunk)
{
    return chunk->size_and_flags & IN_USE;
}

static struct chunk *chunk_at(void *base, size_t offset)
{
    return (struct chunk *)((char *)base + offset);
}

static struct chunk *chunk_above(struct chunk *chunk)
{
    return chunk_at(chunk, chunk_size(chunk));
}

static void *chunk_payload(struct chunk *chunk)
{
    return (char *)chunk + HEADER_SIZE;
}

static struct chunk *payload_chunk(void *memory)
{
    return (struct chunk *)((char *)memory - HEADER_SIZE);
}

static void chunk_set_size(struct chunk *chunk, size_t size, size_t flags)
{
    chunk->size_and_flags = size | flags;
    chunk_above(chunk)->size_before = size;
}

static int bin_of(size_t size)
{
    return 63 - __builtin_clzl(size);
}

static void bin_insert(struct chunk *chunk)
{
    struct chunk **bin = &bins[bin_of(chunk_size(chunk))];
    chunk->previous = NULL;
    chunk->next = *bin;
    if (*bin)
        (*bin)->previous = chunk;
    *bin = chunk;
}

static void bin_remove(struct chunk *chunk)
{
    if (chunk->previous)
        chunk->previous->next = chunk->next;
    else
        bins[bin_of(chunk_size(chunk))] = chunk->next;
    if (chunk->next)
        chunk->next->previous = chunk->previous;
}

/* Make the chunk free: merge it with its free neighbours and put the whole into its bin. */
static void chunk_release(struct chunk *chunk)
{
    size_t size = chunk_size(chunk);
    struct chunk *above = chunk_above(chunk);

    if (!chunk_in_use(above)) {
        bin_remove(above);
        size += chunk_size(above);
    }
    if (chunk->size_before != 0) {
        struct chunk *below = (struct chunk *)((char *)chunk - chunk->size_before);
        if (!chunk_in_use(below)) {
            bin_remove(below);
            size += chunk_size(below);
            chunk = below;
        }
    }
    chunk_set_size(chunk, size, 0);
    bin_insert(chunk);
}

/* Cut the chunk, which is in use, down to `size`; what is left over becomes free. */
static void chunk_trim(struct chunk *chunk, size_t size)
{
    size_t rest = chunk_size(chunk) - size;
    if (rest < CHUNK_MIN)
        return;
    chunk_set_size(chunk, size, IN_USE);
    chunk_set_size(chunk_above(chunk), rest, IN_USE);
    chunk_release(chunk_above(chunk));
}

/*
 * Get more memory from the kernel as a free chunk of at least `size` bytes. If nobody else moved
 * the break, it continues the last region: the old end header becomes the chunk's.
 */
static bool heap_grow(size_t size)
{
    size_t wanted = (size + 2 * HEADER_SIZE + GROW_SIZE - 1) & ~(GROW_SIZE - 1);
    char *memory = sbrk((long)wanted);
    if (memory == (char *)-1)
        return false;

    struct chunk *chunk;
    size_t gained;
    if (memory == region_end) {
        chunk = payload_chunk(memory);
        gained = wanted;
    } else {
        size_t skipped = -(uintptr_t)memory & (ALIGNMENT - 1);
        chunk = chunk_at(memory, skipped);
        chunk->size_before = 0;
        gained = (wanted - skipped - HEADER_SIZE) & ~(ALIGNMENT - 1);
    }
    chunk_set_size(chunk, gained, IN_USE);
    chunk_above(chunk)->size_and_flags = IN_USE;
    region_end = (char *)chunk_above(chunk) + HEADER_SIZE;
    chunk_release(chunk);
    return true;
}

/* The first chunk of at least `size` bytes, out of its bin; NULL if there is none. */
static struct chunk *bin_find(size_t size)
{
    for (int bin = bin_of(size); bin < BIN_COUNT; bin++) {
        for (struct chunk *chunk = bins[bin]; chunk; chunk = chunk->next) {
            if (chunk_size(chunk) >= size) {
                bin_remove(chunk);
                return chunk;
            }
        }
    }
    return NULL;
}

static void *map_block(size_t size)
{
    size = (size + HEADER_SIZE + PAGE - 1) & ~(PAGE - 1);
    struct chunk *chunk =
        mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (chunk == MAP_FAILED)
        return NULL;
    chunk->size_and_flags = size | IN_USE | MAPPED;
    return chunk_payload(chunk);
}

/* The chunk size for a request, header included. */
static size_t request_size(size_t size)
{
    size = (size + HEADER_SIZE + ALIGNMENT - 1) & ~(ALIGNMENT - 1);
    return size < CHUNK_MIN ? CHUNK_MIN : size;
}

void *malloc(size_t size)
{
    if (size > SIZE_LIMIT) {
        errno = ENOMEM;
        return NULL;
    }
    if (size >= MAP_SIZE)
        return map_block(size);

    size_t wanted = request_size(size);
    struct chunk *chunk = bin_find(wanted);
    if (!chunk) {
        if (!heap_grow(wanted)) {
            errno = ENOMEM;
            return NULL;
        }
        chunk = bin_find(wanted);
    }
    chunk_set_size(chunk, chunk_size(chunk), IN_USE);
    chunk_trim(chunk, wanted);
    return chunk_payload(chunk);
}

void free(void *memory)
{
    if (!memory)
        return;
    struct chunk *chunk = payload_chunk(memory);
    if (!chunk_in_use(chunk)) {
        dprintf(STDERR_FILENO, "free(%p): not allocated\n", memory);
        abort();
    }
    int saved = errno;
    if (chunk->size_and_flags & MAPPED)
        munmap(chunk, chunk_size(chunk));
    else
        chunk_release(chunk);
    errno = saved;
}

void *calloc(size_t count, size_t size)
{
    size_t total;
    if (__builtin_mul_overflow(count, size, &total)) {
        errno = ENOMEM;
        return NULL;
    }
    void *memory = malloc(total);
    if (memory && !(payload_chunk(memory)->size_and_flags & MAPPED))
        memset(memory, 0, total);
    return memory;
}

/* Grow in place into a free neighbour above if that is enough; otherwise move. */
void *realloc(void *memory, size_t size)
{
    if (!memory)
        return malloc(size);
    struct chunk *chunk = payload_chunk(memory);
    size_t old_size = chunk_size(chunk) - HEADER_SIZE;

    if (!(chunk->size_and_flags & MAPPED) && size < MAP_SIZE) {
        struct chunk *above = chunk_above(chunk);
        size_t wanted = request_size(size);
        if (chunk_size(chunk) < wanted && !chunk_in_use(above) &&
            chunk_size(chunk) + chunk_size(above) >= wanted) {
            bin_remove(above);
            chunk_set_size(chunk, chunk_size(chunk) + chunk_size(above), IN_USE);
        }
        if (chunk_size(chunk) >= wanted) {
            chunk_trim(chunk, wanted);
            return memory;
        }
    } else if (size <= old_size && size > old_size / 2) {
        return memory;
    }

    void *moved = malloc(size);
    if (!moved)
        return NULL;
    memcpy(moved, memory, old_size < size ? old_size : size);
    free(memory);
    return moved;
}

void *reallocarray(void *memory, size_t count, size_t size)
{
    size_t total;
    if (__builtin_mul_overflow(count, size, &total)) {
        errno = ENOMEM;
        return NULL;
    }
    return realloc(memory, total);
}
