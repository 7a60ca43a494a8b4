/*
 * Variables.
 *
 * A small hash table of names. A variable may be known without having a value: `export x` and
 * `local x` say something about a name before it is assigned. Scopes are a stack of what the
 * variables were before: entering pushes an empty scope, variable_save() adds one variable's
 * state, leaving puts all of them back in reverse order.
 */
#include "variable.h"
#include "shell.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BUCKET_COUNT 64

struct variable {
    struct variable *next;
    char *name;
    char *value; /* NULL: not set */
    bool exported, readonly;
};

struct saved_variable {
    struct saved_variable *next;
    struct variable state;
};

struct scope {
    struct scope *outer;
    struct saved_variable *saved;
};

static struct variable *variable_table[BUCKET_COUNT];
static struct scope *variable_scope;

bool variable_is_name_start(int c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

bool variable_is_name_character(int c)
{
    return variable_is_name_start(c) || (c >= '0' && c <= '9');
}

size_t variable_name_length(const char *string)
{
    size_t length = 0;
    if (variable_is_name_start(string[0])) {
        while (variable_is_name_character(string[length]))
            length++;
    }
    return length;
}

bool variable_is_name(const char *string)
{
    size_t length = variable_name_length(string);
    return length > 0 && string[length] == '\0';
}

static struct variable **variable_bucket(const char *name)
{
    unsigned hash = 0;
    while (*name != '\0')
        hash = hash * 31 + (unsigned char)*name++;
    return &variable_table[hash % BUCKET_COUNT];
}

static struct variable *variable_find(const char *name)
{
    for (struct variable *v = *variable_bucket(name); v != NULL; v = v->next) {
        if (strcmp(v->name, name) == 0)
            return v;
    }
    return NULL;
}

static struct variable *variable_make(const char *name)
{
    struct variable *variable = variable_find(name);
    if (variable != NULL)
        return variable;
    struct variable **bucket = variable_bucket(name);
    variable = memory_allocate(sizeof(*variable));
    *variable = (struct variable){.next = *bucket, .name = memory_copy(name)};
    *bucket = variable;
    return variable;
}

const char *variable_get(const char *name)
{
    const struct variable *variable = variable_find(name);
    return variable != NULL ? variable->value : NULL;
}

bool variable_set(const char *name, const char *value)
{
    struct variable *variable = variable_make(name);
    if (variable->readonly) {
        shell_abort("%s: is read only", name);
        return false;
    }
    char *old = variable->value;
    variable->value = value != NULL ? memory_copy(value) : NULL;
    free(old);
    return true;
}

bool variable_unset(const char *name)
{
    if (!variable_set(name, NULL))
        return false;
    variable_make(name)->exported = false;
    return true;
}

void variable_export(const char *name)
{
    variable_make(name)->exported = true;
}

void variable_make_readonly(const char *name)
{
    variable_make(name)->readonly = true;
}

static void variable_set_default(const char *name, const char *value)
{
    if (variable_get(name) == NULL)
        variable_set(name, value);
}

void variable_start(char *const environment[])
{
    char number[24], directory[4096];
    for (size_t i = 0; environment[i] != NULL; i++) {
        size_t length = variable_name_length(environment[i]);
        if (length == 0 || environment[i][length] != '=')
            continue;
        char *name = memory_copy(environment[i]);
        name[length] = '\0';
        variable_set(name, environment[i] + length + 1);
        variable_export(name);
        free(name);
    }
    variable_set("IFS", " \t\n");
    variable_set("OPTIND", "1");
    variable_set_default("PS1", geteuid() == 0 ? "# " : "$ ");
    variable_set_default("PS2", "> ");
    variable_set_default("PS4", "+ ");
    variable_set_default("PATH", "/bin:/usr/bin:/sbin:/usr/sbin");
    snprintf(number, sizeof(number), "%d", (int)getppid());
    variable_set("PPID", number);
    if (getcwd(directory, sizeof(directory)) != NULL)
        variable_set("PWD", directory);
}

static int variable_compare(const void *a, const void *b)
{
    const struct variable *const *left = a, *const *right = b;
    return strcmp((*left)->name, (*right)->name);
}

/* All variables, sorted by name; NULL-terminated, in the temporary arena. */
static struct variable **variable_sorted(size_t *count)
{
    *count = 0;
    for (size_t i = 0; i < BUCKET_COUNT; i++) {
        for (struct variable *v = variable_table[i]; v != NULL; v = v->next)
            ++*count;
    }
    struct variable **sorted = arena_allocate(shell.temporary, (*count + 1) * sizeof(*sorted));
    size_t n = 0;
    for (size_t i = 0; i < BUCKET_COUNT; i++) {
        for (struct variable *v = variable_table[i]; v != NULL; v = v->next)
            sorted[n++] = v;
    }
    qsort(sorted, n, sizeof(*sorted), variable_compare);
    return sorted;
}

void variable_print(enum variable_selection selection)
{
    static const char *const prefixes[] = {"", "export ", "readonly "};
    size_t count;
    struct variable **sorted = variable_sorted(&count);
    struct text text = {0};
    for (size_t i = 0; i < count; i++) {
        const struct variable *v = sorted[i];
        bool selected = selection == VARIABLE_ALL        ? v->value != NULL
                        : selection == VARIABLE_EXPORTED ? v->exported
                                                         : v->readonly;
        if (!selected)
            continue;
        text_add_string(&text, prefixes[selection]);
        text_add_string(&text, v->name);
        if (v->value != NULL) {
            text_add(&text, '=');
            text_add_quoted(&text, v->value);
        }
        text_add(&text, '\n');
    }
    shell_write(STDOUT_FILENO, text_string(&text), text.length);
    text_free(&text);
}

char **variable_environment(void)
{
    size_t count, n = 0;
    struct variable **sorted = variable_sorted(&count);
    char **environment = arena_allocate(shell.temporary, (count + 1) * sizeof(*environment));
    for (size_t i = 0; i < count; i++) {
        const struct variable *v = sorted[i];
        if (!v->exported || v->value == NULL)
            continue;
        size_t name_length = strlen(v->name), value_length = strlen(v->value);
        char *entry = arena_allocate(shell.temporary, name_length + value_length + 2);
        memcpy(entry, v->name, name_length);
        entry[name_length] = '=';
        memcpy(entry + name_length + 1, v->value, value_length);
        environment[n++] = entry;
    }
    return environment;
}

void variable_scope_begin(void)
{
    struct scope *scope = memory_allocate(sizeof(*scope));
    *scope = (struct scope){.outer = variable_scope};
    variable_scope = scope;
}

void variable_save(const char *name)
{
    struct variable *variable = variable_make(name);
    struct saved_variable *saved = memory_allocate(sizeof(*saved));
    *saved = (struct saved_variable){variable_scope->saved, *variable};
    if (variable->value != NULL)
        saved->state.value = memory_copy(variable->value);
    variable_scope->saved = saved;
}

void variable_scope_end(void)
{
    struct scope *scope = variable_scope;
    while (scope->saved != NULL) {
        struct saved_variable *saved = scope->saved;
        struct variable *variable = variable_find(saved->state.name);
        free(variable->value);
        variable->value = saved->state.value;
        variable->exported = saved->state.exported;
        variable->readonly = saved->state.readonly;
        scope->saved = saved->next;
        free(saved);
    }
    variable_scope = scope->outer;
    free(scope);
}

/* The numbers among the special parameters. */
static const char *parameter_number(long value)
{
    char buffer[24];
    int length = snprintf(buffer, sizeof(buffer), "%ld", value);
    return arena_copy(shell.temporary, buffer, (size_t)length);
}

const char *parameter_get(const char *name)
{
    if (name[0] >= '0' && name[0] <= '9') {
        unsigned long index = strtoul(name, NULL, 10);
        if (index == 0)
            return shell.name;
        return index <= shell.parameter_count ? shell.parameters[index - 1] : NULL;
    }
    struct text letters = {0};
    const char *value;
    switch (name[0]) {
    case '#':
        return parameter_number((long)shell.parameter_count);
    case '?':
        return parameter_number(shell.status);
    case '$':
        return parameter_number(shell.pid);
    case '!':
        return shell.last_background != 0 ? parameter_number(shell.last_background) : NULL;
    case '-':
        shell_option_letters(&letters);
        value = arena_copy(shell.temporary, text_string(&letters), letters.length);
        text_free(&letters);
        return value;
    default:
        return strcmp(name, "LINENO") == 0 ? parameter_number(shell.line) : variable_get(name);
    }
}

void text_add_quoted(struct text *text, const char *string)
{
    text_add(text, '\'');
    for (; *string != '\0'; string++) {
        if (*string == '\'')
            text_add_string(text, "'\\''");
        else
            text_add(text, *string);
    }
    text_add(text, '\'');
}
