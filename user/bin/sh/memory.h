/*
 * Memory of the shell: arenas, whose contents die together, and growing strings.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct arena;

/* A place in an arena to which it can be cut back. */
struct arena_mark {
    struct arena_chunk *chunk;
    size_t used;
};

/* A new arena with one holder. Like all here, ends the shell when memory is out. */
struct arena *arena_create(void);

/* One holder more, or one less; the last one takes the arena with it. */
void arena_hold(struct arena *arena);
void arena_release(struct arena *arena);

/* `size` zeroed bytes, aligned for any type. */
void *arena_allocate(struct arena *arena, size_t size);
char *arena_copy(struct arena *arena, const char *bytes, size_t length);

/* Remember how full the arena is; later, forget everything allocated since. */
struct arena_mark arena_mark(const struct arena *arena);
void arena_rewind(struct arena *arena, struct arena_mark mark);

/* malloc, realloc and strdup that do not fail. */
void *memory_allocate(size_t size);
void *memory_resize(void *old, size_t size);
char *memory_copy(const char *string);

/* A string that grows. All zero is an empty one; `bytes` is terminated when it is not NULL. */
struct text {
    char *bytes;
    size_t length, capacity;
};

void text_add(struct text *text, char c);
void text_add_bytes(struct text *text, const char *bytes, size_t length);
void text_add_string(struct text *text, const char *string);
void text_insert(struct text *text, size_t at, const char *bytes, size_t length);
void text_remove(struct text *text, size_t at, size_t length);
void text_clear(struct text *text);
void text_free(struct text *text);

/* The contents as a C string, never NULL. Valid until the text changes. */
const char *text_string(const struct text *text);
