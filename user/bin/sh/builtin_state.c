/*
 * Builtins about what the shell remembers: directory, variables, options, parameters, umask.
 */
#include "builtin.h"
#include "execute.h"
#include "shell.h"
#include "variable.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/*
 * Put `path` behind the directory `base` and resolve "." and ".." in the text, as cd does by
 * default: after following a symbolic link, ".." leads back to where the link is.
 */
static void join_path(struct text *joined, const char *base, const char *path)
{
    if (path[0] != '/')
        text_add_string(joined, base);
    while (*path != '\0') {
        size_t length = strcspn(path, "/");
        if (length == 2 && memcmp(path, "..", 2) == 0) {
            while (joined->length > 0 && joined->bytes[joined->length - 1] != '/')
                text_remove(joined, joined->length - 1, 1);
            if (joined->length > 0)
                text_remove(joined, joined->length - 1, 1);
        } else if (length > 0 && !(length == 1 && *path == '.')) {
            if (joined->length == 0 || joined->bytes[joined->length - 1] != '/')
                text_add(joined, '/');
            text_add_bytes(joined, path, length);
        }
        path += length + (path[length] == '/');
    }
    if (joined->length == 0)
        text_add(joined, '/');
}

static const char *current_directory(char buffer[PATH_MAX])
{
    const char *pwd = variable_get("PWD");
    struct stat named, real;
    if (pwd != NULL && pwd[0] == '/' && stat(pwd, &named) == 0 && stat(".", &real) == 0 &&
        named.st_ino == real.st_ino && named.st_dev == real.st_dev)
        return pwd;
    return getcwd(buffer, PATH_MAX);
}

/* Change to a directory, by its text or, if that fails, as the kernel understands it. */
static bool change_directory(const char *path)
{
    char buffer[PATH_MAX];
    const char *old = current_directory(buffer);
    char *old_copy = old != NULL ? memory_copy(old) : NULL;
    struct text joined = {0};
    bool good;
    join_path(&joined, old_copy != NULL ? old_copy : "", path);
    good = (path[0] == '/' || old_copy != NULL) && chdir(text_string(&joined)) == 0;
    if (!good && chdir(path) == 0) {
        good = true;
        text_clear(&joined);
        text_add_string(&joined, getcwd(buffer, sizeof(buffer)) != NULL ? buffer : path);
    }
    if (good) {
        variable_set("OLDPWD", old_copy);
        variable_set("PWD", text_string(&joined));
    }
    text_free(&joined);
    free(old_copy);
    return good;
}

int builtin_cd(int argc, char **argv)
{
    int first = 1;
    while (first < argc && (strcmp(argv[first], "-L") == 0 || strcmp(argv[first], "-P") == 0 ||
                            strcmp(argv[first], "--") == 0))
        first++;
    const char *path = first < argc ? argv[first] : variable_get("HOME");
    bool print = path != NULL && strcmp(path, "-") == 0;
    if (print)
        path = variable_get("OLDPWD");
    if (path == NULL) {
        shell_error("cd: %s not set", print ? "OLDPWD" : "HOME");
        return 2;
    }
    path = arena_copy(shell.temporary, path, strlen(path));
    if (*path != '\0' && !change_directory(path)) {
        shell_error("cd: can't cd to %s", path);
        return 2;
    }
    if (print)
        shell_print(STDOUT_FILENO, "%s\n", variable_get("PWD"));
    return 0;
}

int builtin_pwd(int argc, char **argv)
{
    char buffer[PATH_MAX];
    bool physical = argc > 1 && strcmp(argv[1], "-P") == 0;
    const char *path = physical ? getcwd(buffer, sizeof(buffer)) : current_directory(buffer);
    if (path == NULL) {
        shell_error("pwd: %s", strerror(errno));
        return 1;
    }
    return shell_print(STDOUT_FILENO, "%s\n", path) < 0;
}

/* The name in "name" or "name=value", in the temporary arena; NULL after a message. */
static char *assigned_name(const char *argument)
{
    size_t length = variable_name_length(argument);
    if (length == 0 || (argument[length] != '\0' && argument[length] != '=')) {
        shell_abort("%s: bad variable name", argument);
        return NULL;
    }
    return arena_copy(shell.temporary, argument, length);
}

/* export, readonly */
int builtin_export(int argc, char **argv)
{
    bool is_export = argv[0][0] == 'e';
    int first = 1 + (argc > 1 && (strcmp(argv[1], "-p") == 0 || strcmp(argv[1], "--") == 0));
    if (first >= argc)
        variable_print(is_export ? VARIABLE_EXPORTED : VARIABLE_READONLY);
    for (int i = first; i < argc; i++) {
        char *name = assigned_name(argv[i]);
        if (name == NULL)
            return 2;
        size_t length = strlen(name);
        if (argv[i][length] == '=' && !variable_set(name, argv[i] + length + 1))
            return 2;
        if (is_export)
            variable_export(name);
        else
            variable_make_readonly(name);
    }
    return 0;
}

int builtin_local(int argc, char **argv)
{
    if (shell.function_depth == 0) {
        shell_abort("local: not in a function");
        return 2;
    }
    for (int i = 1; i < argc; i++) {
        char *name = assigned_name(argv[i]);
        if (name == NULL)
            return 2;
        size_t length = strlen(name);
        variable_save(name);
        if (argv[i][length] == '=' && !variable_set(name, argv[i] + length + 1))
            return 2;
    }
    return 0;
}

int builtin_unset(int argc, char **argv)
{
    bool functions = argc > 1 && strcmp(argv[1], "-f") == 0;
    bool option = functions || (argc > 1 && strcmp(argv[1], "-v") == 0);
    for (int i = 1 + option; i < argc; i++) {
        if (functions)
            function_remove(argv[i]);
        else if (!variable_is_name(argv[i]))
            shell_abort("unset: %s: bad variable name", argv[i]);
        else
            variable_unset(argv[i]);
        if (shell.flow == FLOW_ABORT)
            return 2;
    }
    return 0;
}

/* set: print the variables, set options, set the positional parameters */
int builtin_set(int argc, char **argv)
{
    int i = 1;
    if (argc == 1)
        variable_print(VARIABLE_ALL);
    for (; i < argc && (argv[i][0] == '-' || argv[i][0] == '+') && argv[i][1] != '\0'; i++) {
        bool value = argv[i][0] == '-';
        if (strcmp(argv[i], "--") == 0) {
            shell_set_parameters((size_t)(argc - i - 1), argv + i + 1);
            return 0;
        }
        for (const char *letter = argv[i] + 1; *letter != '\0'; letter++) {
            const char *name = *letter == 'o' && i + 1 < argc ? argv[++i] : NULL;
            if (*letter == 'o' && name == NULL) {
                shell_print_options();
                return 0;
            }
            if (name != NULL ? !shell_set_named_option(name, value)
                             : !shell_set_option(*letter, value)) {
                shell_abort("set: Illegal option -%s", name != NULL ? name : letter);
                return 2;
            }
            if (name != NULL)
                break;
        }
    }
    if (i < argc)
        shell_set_parameters((size_t)(argc - i), argv + i);
    return 0;
}

int builtin_shift(int argc, char **argv)
{
    char *end = NULL;
    unsigned long count = argc > 1 ? strtoul(argv[1], &end, 10) : 1;
    if ((end != NULL && *end != '\0') || count > shell.parameter_count) {
        shell_abort("shift: can't shift that many");
        return 2;
    }
    for (size_t i = 0; i < count; i++)
        free(shell.parameters[i]);
    shell.parameter_count -= count;
    memmove(shell.parameters, shell.parameters + count,
            shell.parameter_count * sizeof(*shell.parameters));
    return 0;
}

int builtin_umask(int argc, char **argv)
{
    if (argc < 2) {
        mode_t mask = umask(0);
        umask(mask);
        shell_print(STDOUT_FILENO, "%04o\n", (unsigned)mask);
        return 0;
    }
    char *end;
    unsigned long mask = strtoul(argv[1], &end, 8);
    if (*end != '\0' || end == argv[1] || mask > 0777) {
        shell_error("umask: Illegal mode: %s", argv[1]);
        return 2;
    }
    umask((mode_t)mask);
    return 0;
}
