/* find: list files of a tree that fulfil conditions. */
#include <dirent.h>
#include <err.h>
#include <fnmatch.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <tool.h>
#include <unistd.h>

static const char help[] =
    "usage: find [PATH]... [CONDITION]...\n"
    "List the files below the paths (.) that fulfil all conditions.\n"
    "  -name PATTERN     the last part of the name matches *, ?, [a-z]\n"
    "  -path PATTERN     the whole name matches\n"
    "  -type C           f file, d directory, l link, c b device, p pipe, s socket\n"
    "  -maxdepth N       not deeper than N        -mindepth N   not less deep\n"
    "  -newer FILE       modified after FILE\n"
    "  -empty            files and directories with nothing in them\n"
    "  -print            print the name (as is done without any action)\n"
    "  -delete           remove it; what is in directories comes first\n"
    "  -exec COMMAND ;   run the command; {} is replaced by the name; true if it succeeds\n"
    "  !                 the next condition does not hold\n";

static char **conditions; /* the words of the command line, checked by check_conditions */
static long least_depth, most_depth = 1000000;
static bool has_action, deletes;
static int exit_status;

static void fail(const char *path)
{
    warn("%s", path);
    exit_status = 1;
}

/* --- Conditions ----------------------------------------------------------------------------- */

static bool run_command(char **words, int count, const char *path)
{
    char **arguments = tool_allocate((size_t)(count + 1) * sizeof(char *));
    int status = 1;

    for (int i = 0; i < count; i++)
        arguments[i] = strcmp(words[i], "{}") == 0 ? (char *)path : words[i];
    arguments[count] = NULL;
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        execvp(arguments[0], arguments);
        err(127, "%s", arguments[0]);
    }
    if (pid < 0)
        fail("fork");
    else
        waitpid(pid, &status, 0);
    free(arguments);
    return status == 0;
}

static int command_length(char **words)
{
    int count = 0;
    while (words[count] && strcmp(words[count], ";") != 0)
        count++;
    return count;
}

static bool has_type(mode_t mode, char letter)
{
    char text[11];
    tool_mode_string(mode, text);
    return text[0] == (letter == 'f' ? '-' : letter);
}

static bool is_newer(const struct stat *status, const char *path)
{
    struct stat other;
    if (stat(path, &other) < 0)
        err(1, "%s", path);
    return status->st_mtime != other.st_mtime ? status->st_mtime > other.st_mtime
                                              : status->st_mtim.tv_nsec > other.st_mtim.tv_nsec;
}

static bool is_empty(const char *path, const struct stat *status)
{
    if (!S_ISDIR(status->st_mode))
        return S_ISREG(status->st_mode) && status->st_size == 0;
    DIR *directory = opendir(path);
    bool is_found = false;
    if (!directory)
        return false;
    for (struct dirent *entry; !is_found && (entry = readdir(directory));)
        is_found = !tool_is_dot(entry->d_name);
    closedir(directory);
    return !is_found;
}

static bool name_matches(const char *path, const char *pattern)
{
    char *copy = tool_copy_string(path);
    bool matches = fnmatch(pattern, basename(copy), 0) == 0;
    free(copy);
    return matches;
}

static bool delete_file(const char *path, const struct stat *status)
{
    if ((S_ISDIR(status->st_mode) ? rmdir : unlink)(path) == 0)
        return true;
    fail(path);
    return false;
}

/* Evaluate the condition at *words, and step over it. */
static bool evaluate_one(char ***words, const char *path, const struct stat *status)
{
    const char *word = *(*words)++;

    if (strcmp(word, "!") == 0)
        return !evaluate_one(words, path, status);
    if (strcmp(word, "-print") == 0)
        return puts(path) >= 0;
    if (strcmp(word, "-empty") == 0)
        return is_empty(path, status);
    if (strcmp(word, "-delete") == 0)
        return delete_file(path, status);
    if (strcmp(word, "-exec") == 0) {
        int count = command_length(*words);
        char **command = *words;
        *words += count + 1;
        return run_command(command, count, path);
    }
    const char *operand = *(*words)++;
    if (strcmp(word, "-name") == 0)
        return name_matches(path, operand);
    if (strcmp(word, "-path") == 0)
        return fnmatch(operand, path, 0) == 0;
    if (strcmp(word, "-type") == 0)
        return has_type(status->st_mode, *operand);
    if (strcmp(word, "-newer") == 0)
        return is_newer(status, operand);
    return true; /* -maxdepth, -mindepth: known to visit() */
}

static void evaluate(const char *path, const struct stat *status)
{
    char **words = conditions;
    while (*words) {
        if (!evaluate_one(&words, path, status))
            return;
    }
    if (!has_action)
        puts(path);
}

static void check_conditions(void)
{
    static const char *const with_operand[] = {"-name",  "-path",     "-type",
                                               "-newer", "-maxdepth", "-mindepth"};

    for (char **word = conditions; *word; word++) {
        if (strcmp(*word, "!") == 0 || strcmp(*word, "-empty") == 0)
            continue;
        if (strcmp(*word, "-print") == 0 || strcmp(*word, "-delete") == 0) {
            has_action = true;
            deletes |= (*word)[1] == 'd';
            continue;
        }
        if (strcmp(*word, "-exec") == 0) {
            int count = command_length(++word);
            if (count == 0 || !word[count])
                errx(1, "-exec: `;' is missing");
            word += count;
            has_action = true;
            continue;
        }
        size_t i = 0;
        while (i < sizeof(with_operand) / sizeof(with_operand[0]) &&
               strcmp(*word, with_operand[i]) != 0)
            i++;
        if (i == sizeof(with_operand) / sizeof(with_operand[0]))
            errx(1, "%s: no such condition", *word);
        if (!word[1])
            errx(1, "%s: an operand is missing", *word);
        word++;
        if (i == 4)
            most_depth = (long)tool_number(*word, 1);
        if (i == 5)
            least_depth = (long)tool_number(*word, 1);
    }
}

/* --- The tree ------------------------------------------------------------------------------- */

static void visit(const char *path, long depth)
{
    struct stat status;

    if (lstat(path, &status) < 0) {
        fail(path);
        return;
    }
    if (depth >= least_depth && !deletes)
        evaluate(path, &status);
    if (S_ISDIR(status.st_mode) && depth < most_depth) {
        DIR *directory = opendir(path);
        if (!directory)
            fail(path);
        for (struct dirent *entry; directory && (entry = readdir(directory));) {
            if (tool_is_dot(entry->d_name))
                continue;
            char *name = tool_join(path, entry->d_name);
            visit(name, depth + 1);
            free(name);
        }
        if (directory)
            closedir(directory);
    }
    if (depth >= least_depth && deletes)
        evaluate(path, &status);
}

int main(int argc, char **argv)
{
    int first = 1;

    tool_start(argc, argv, help);
    while (first < argc && argv[first][0] != '-' && strcmp(argv[first], "!") != 0)
        first++;
    conditions = argv + first;
    check_conditions();
    if (first == 1)
        visit(".", 0);
    for (int i = 1; i < first; i++)
        visit(argv[i], 0);
    return tool_finish(exit_status);
}
