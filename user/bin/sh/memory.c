/*
 * Memory of the shell.
 *
 * A shell makes thousands of small objects and can say of nearly all of them when they die: a
 * parsed command when it has run, the words that an expansion produced when their command has
 * ended. So they live in arenas. There are two sorts, both of this type:
 *
 *      tree arenas     one for each complete command; the interpreter holds it while the command
 *                      runs, and a function defined by it holds it as well
 *      the temporary   shell.temporary, used as a stack: whoever expands takes a mark first and
 *                      rewinds to it when the command is over
 *
 * Strings that outlive this (values of variables, history, names of jobs) are ordinary malloc
 * memory. When memory is out the shell ends with a message: it could do nothing sensible else.
 */
#include "memory.h"
#include "shell.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define CHUNK_SIZE 4000

struct arena_chunk {
    struct arena_chunk *below;
    size_t used, size;
    max_align_t bytes[];
};

struct arena {
    struct arena_chunk *top;
    unsigned holders;
};

void *memory_allocate(size_t size)
{
    return memory_resize(NULL, size);
}

void *memory_resize(void *old, size_t size)
{
    void *new = realloc(old, size ? size : 1);
    if (new == NULL)
        shell_die(2, "out of memory");
    return new;
}

char *memory_copy(const char *string)
{
    size_t size = strlen(string) + 1;
    return memcpy(memory_allocate(size), string, size);
}

static struct arena_chunk *chunk_create(size_t size, struct arena_chunk *below)
{
    struct arena_chunk *chunk = memory_allocate(sizeof(*chunk) + size);
    chunk->below = below;
    chunk->used = 0;
    chunk->size = size;
    return chunk;
}

struct arena *arena_create(void)
{
    struct arena *arena = memory_allocate(sizeof(*arena));
    arena->top = chunk_create(CHUNK_SIZE, NULL);
    arena->holders = 1;
    return arena;
}

void arena_hold(struct arena *arena)
{
    arena->holders++;
}

void arena_release(struct arena *arena)
{
    if (--arena->holders > 0)
        return;
    arena_rewind(arena, (struct arena_mark){NULL, 0});
    free(arena);
}

void *arena_allocate(struct arena *arena, size_t size)
{
    size_t alignment = sizeof(max_align_t);
    size = (size + alignment - 1) / alignment * alignment;
    if (arena->top->size - arena->top->used < size)
        arena->top = chunk_create(size > CHUNK_SIZE ? size : CHUNK_SIZE, arena->top);
    char *new = (char *)arena->top->bytes + arena->top->used;
    arena->top->used += size;
    return memset(new, 0, size);
}

char *arena_copy(struct arena *arena, const char *bytes, size_t length)
{
    return memcpy(arena_allocate(arena, length + 1), bytes, length);
}

struct arena_mark arena_mark(const struct arena *arena)
{
    return (struct arena_mark){arena->top, arena->top->used};
}

void arena_rewind(struct arena *arena, struct arena_mark mark)
{
    while (arena->top != mark.chunk) {
        struct arena_chunk *chunk = arena->top;
        arena->top = chunk->below;
        free(chunk);
    }
    if (arena->top != NULL)
        arena->top->used = mark.used;
}

static void text_reserve(struct text *text, size_t more)
{
    size_t needed = text->length + more + 1;
    if (needed <= text->capacity)
        return;
    text->capacity = needed < 32 ? 32 : needed * 2;
    text->bytes = memory_resize(text->bytes, text->capacity);
}

void text_add(struct text *text, char c)
{
    text_add_bytes(text, &c, 1);
}

void text_add_bytes(struct text *text, const char *bytes, size_t length)
{
    text_insert(text, text->length, bytes, length);
}

void text_add_string(struct text *text, const char *string)
{
    text_add_bytes(text, string, strlen(string));
}

void text_insert(struct text *text, size_t at, const char *bytes, size_t length)
{
    text_reserve(text, length);
    memmove(text->bytes + at + length, text->bytes + at, text->length - at);
    memcpy(text->bytes + at, bytes, length);
    text->length += length;
    text->bytes[text->length] = '\0';
}

void text_remove(struct text *text, size_t at, size_t length)
{
    if (length == 0)
        return;
    memmove(text->bytes + at, text->bytes + at + length, text->length - at - length);
    text->length -= length;
    text->bytes[text->length] = '\0';
}

void text_clear(struct text *text)
{
    text->length = 0;
    if (text->bytes != NULL)
        text->bytes[0] = '\0';
}

void text_free(struct text *text)
{
    free(text->bytes);
    *text = (struct text){NULL, 0, 0};
}

const char *text_string(const struct text *text)
{
    return text->bytes != NULL ? text->bytes : "";
}
