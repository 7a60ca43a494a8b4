/*
 * Field splitting (POSIX.1-2017, XCU 2.6.5).
 *
 * Only the results of unquoted expansions are split. White space from IFS separates fields and is
 * ignored at the ends; every other character of IFS ends a field, with the white space around it.
 * Then a field with an unquoted pattern becomes the names of the files that match.
 */
#include "expand.h"
#include "pattern.h"
#include "shell.h"
#include "variable.h"

#include <string.h>

void field_add(struct field_list *list, char *field)
{
    if (list->count == list->capacity) {
        size_t capacity = list->capacity ? 2 * list->capacity : 8;
        char **fields = arena_allocate(shell.temporary, capacity * sizeof(*fields));
        if (list->count > 0)
            memcpy(fields, list->fields, list->count * sizeof(*fields));
        list->fields = fields;
        list->capacity = capacity;
    }
    list->fields[list->count++] = field;
}

/* A field is complete: add it, or the files that it matches, and begin the next one. */
static void field_finish(struct expansion *field, struct field_list *list)
{
    bool maybe_pattern = !shell.no_glob && strpbrk(text_string(&field->bytes), "*?[") != NULL;
    const char *pattern = maybe_pattern ? expansion_pattern(field) : "";
    if (!pattern_is_special(pattern) || !glob_expand(pattern, list))
        field_add(list, expansion_string(field));
    text_clear(&field->bytes);
    text_clear(&field->marks);
}

void field_split(const struct expansion *expansion, struct field_list *list)
{
    const char *ifs = variable_get("IFS");
    struct expansion field = {0};
    bool open = false, ended_by_space = false;
    if (ifs == NULL)
        ifs = " \t\n";
    for (size_t i = 0; i < expansion->bytes.length; i++) {
        char c = expansion->bytes.bytes[i], mark = expansion->marks.bytes[i];
        bool separates = mark == MARK_RESULT && strchr(ifs, c) != NULL;
        if (mark != MARK_BREAK && !separates) {
            text_add(&field.bytes, c);
            text_add(&field.marks, mark);
            open = true;
            ended_by_space = false;
            continue;
        }
        bool is_space = mark == MARK_RESULT && strchr(" \t\n", c) != NULL;
        if (open || (separates && !is_space && !ended_by_space))
            field_finish(&field, list);
        if (open || !is_space)
            ended_by_space = open && is_space;
        open = false;
    }
    if (open)
        field_finish(&field, list);
    expansion_free(&field);
}
