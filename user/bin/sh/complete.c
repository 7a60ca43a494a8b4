/*
 * Completion of commands and file names.
 *
 * The word before the cursor is found by looking back to the last character that ends a word and
 * has no backslash before it. If only an operator or nothing stands before it, it is a command:
 * builtins and the programs in $PATH are possible. Otherwise, or when it contains a slash, files.
 */
#include "builtin.h"
#include "edit.h"
#include "expand.h"
#include "shell.h"
#include "variable.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char special_characters[] = " \t\"'\\$`&|;<>()*?[]#~{}!";

static bool is_separator(const char *line, size_t at)
{
    return strchr(" \t;&|<>()", line[at]) != NULL && (at == 0 || line[at - 1] != '\\');
}

/* The characters of the word without its backslashes. */
static void unquote(struct text *word, const char *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        if (bytes[i] == '\\' && i + 1 < length)
            i++;
        text_add(word, bytes[i]);
    }
}

static void add_candidate(struct field_list *list, const char *name, const char *prefix)
{
    if (strncmp(name, prefix, strlen(prefix)) == 0)
        field_add(list, arena_copy(shell.temporary, name, strlen(name)));
}

/* Names in a directory; `programs_only` leaves out what cannot be executed. */
static void add_directory(struct field_list *list, const char *path, const char *prefix,
                          bool programs_only)
{
    DIR *directory = opendir(path);
    const struct dirent *entry;
    while (directory != NULL && (entry = readdir(directory)) != NULL) {
        const char *name = entry->d_name;
        bool is_program = programs_only && faccessat(dirfd(directory), name, X_OK, 0) == 0;
        if ((name[0] != '.' || prefix[0] == '.') && strcmp(name, ".") != 0 &&
            strcmp(name, "..") != 0 && (is_program || !programs_only))
            add_candidate(list, name, prefix);
    }
    if (directory != NULL)
        closedir(directory);
}

static void add_commands(struct field_list *list, const char *prefix)
{
    const char *path = variable_get("PATH"), *name;
    for (unsigned i = 0; (name = builtin_name(i)) != NULL; i++)
        add_candidate(list, name, prefix);
    while (path != NULL) {
        size_t length = strcspn(path, ":");
        add_directory(list, length > 0 ? arena_copy(shell.temporary, path, length) : ".", prefix,
                      true);
        path = path[length] == ':' ? path + length + 1 : NULL;
    }
}

static int compare_names(const void *a, const void *b)
{
    const char *const *left = a, *const *right = b;
    return strcmp(*left, *right);
}

static void sort_and_unify(struct field_list *list)
{
    size_t kept = 0;
    if (list->count == 0)
        return;
    qsort(list->fields, list->count, sizeof(char *), compare_names);
    for (size_t i = 0; i < list->count; i++) {
        if (kept == 0 || strcmp(list->fields[i], list->fields[kept - 1]) != 0)
            list->fields[kept++] = list->fields[i];
    }
    list->count = kept;
}

/* How many characters the first and the last of the sorted names have in common. */
static size_t common_length(const struct field_list *list)
{
    const char *first = list->fields[0], *last = list->fields[list->count - 1];
    size_t length = 0;
    while (first[length] != '\0' && first[length] == last[length])
        length++;
    return length;
}

static void add_insertion(struct text *insertion, const struct field_list *list, size_t typed,
                          const char *directory)
{
    size_t length = common_length(list);
    for (size_t i = typed; i < length; i++) {
        if (strchr(special_characters, list->fields[0][i]) != NULL)
            text_add(insertion, '\\');
        text_add(insertion, list->fields[0][i]);
    }
    if (list->count > 1)
        return;
    struct stat status;
    struct text path = {0};
    text_add_string(&path, directory);
    text_add_string(&path, list->fields[0]);
    bool is_directory = stat(text_string(&path), &status) == 0 && S_ISDIR(status.st_mode);
    text_add(insertion, is_directory ? '/' : ' ');
    text_free(&path);
}

void complete_word(const char *line, size_t cursor, struct text *insertion, struct text *listing)
{
    struct field_list list = {0};
    struct text word = {0};
    size_t start = cursor, before;
    while (start > 0 && !is_separator(line, start - 1))
        start--;
    before = start;
    while (before > 0 && (line[before - 1] == ' ' || line[before - 1] == '\t'))
        before--;
    bool is_command = before == 0 || strchr(";&|(", line[before - 1]) != NULL;
    unquote(&word, line + start, cursor - start);
    const char *text = text_string(&word), *slash = strrchr(text, '/');
    const char *prefix = slash != NULL ? slash + 1 : text;
    char *directory = arena_copy(shell.temporary, text, (size_t)(prefix - text));
    const char *home = variable_get("HOME");
    if (strncmp(directory, "~/", 2) == 0 && home != NULL) {
        struct text path = {0};
        text_add_string(&path, home);
        text_add_string(&path, directory + 1);
        directory = arena_copy(shell.temporary, path.bytes, path.length);
        text_free(&path);
    }
    if (is_command && slash == NULL)
        add_commands(&list, prefix);
    else
        add_directory(&list, *directory != '\0' ? directory : ".", prefix, false);
    sort_and_unify(&list);
    if (list.count > 0)
        add_insertion(insertion, &list, strlen(prefix), is_command && !slash ? "/." : directory);
    for (size_t i = 0; i < list.count && list.count > 1; i++) {
        text_add_string(listing, list.fields[i]);
        text_add_string(listing, i + 1 < list.count ? "  " : "\n");
    }
    text_free(&word);
}
