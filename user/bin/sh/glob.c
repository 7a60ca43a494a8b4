/*
 * File names from patterns.
 *
 * The pattern is taken apart at its slashes and matched one directory at a time. A component
 * without special characters is not searched for, only appended; a name that begins with a dot
 * is matched only by a pattern that begins with one.
 */
#include "expand.h"
#include "pattern.h"
#include "shell.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static void glob_component(struct text *path, const char *pattern, struct field_list *list);

/* Add a component's characters without the backslashes. */
static void glob_append(struct text *path, const char *component, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        if (component[i] == '\\' && i + 1 < length)
            i++;
        text_add(path, component[i]);
    }
}

/* `path` is complete up to here; go on with what follows the component. */
static void glob_descend(struct text *path, const char *rest, struct field_list *list)
{
    size_t length = path->length;
    struct stat status;
    if (*rest == '\0') {
        if (lstat(text_string(path), &status) == 0)
            field_add(list, arena_copy(shell.temporary, path->bytes, path->length));
    } else {
        while (*rest == '/')
            text_add(path, *rest++);
        if (*rest != '\0' || (stat(text_string(path), &status) == 0 && S_ISDIR(status.st_mode)))
            glob_component(path, rest, list);
    }
    text_remove(path, length, path->length - length);
}

/* Search the directory `path` for names that match the component. */
static void glob_search(struct text *path, const char *component, const char *rest,
                        struct field_list *list)
{
    DIR *directory = opendir(path->length > 0 ? path->bytes : ".");
    if (directory == NULL)
        return;
    size_t length = path->length;
    const struct dirent *entry;
    while ((entry = readdir(directory)) != NULL) {
        bool is_hidden = entry->d_name[0] == '.';
        if ((is_hidden && component[component[0] == '\\'] != '.') ||
            !pattern_matches(component, entry->d_name))
            continue;
        text_add_string(path, entry->d_name);
        glob_descend(path, rest, list);
        text_remove(path, length, path->length - length);
    }
    closedir(directory);
}

static void glob_component(struct text *path, const char *pattern, struct field_list *list)
{
    size_t length = strcspn(pattern, "/"), before = path->length;
    char *component = arena_copy(shell.temporary, pattern, length);
    if (pattern_is_special(component)) {
        glob_search(path, component, pattern + length, list);
    } else {
        glob_append(path, component, length);
        glob_descend(path, pattern + length, list);
        text_remove(path, before, path->length - before);
    }
}

static int glob_compare(const void *a, const void *b)
{
    const char *const *left = a, *const *right = b;
    return strcmp(*left, *right);
}

bool glob_expand(const char *pattern, struct field_list *list)
{
    struct text path = {0};
    size_t before = list->count;
    glob_component(&path, pattern, list);
    text_free(&path);
    if (list->count == before)
        return false;
    qsort(list->fields + before, list->count - before, sizeof(char *), glob_compare);
    return true;
}
