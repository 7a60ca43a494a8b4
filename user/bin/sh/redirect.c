/*
 * Redirections.
 *
 * The user names descriptors 0 to 9; the shell keeps its own (scripts, saved descriptors, the
 * terminal) at 10 and above, where exec closes them.
 *
 * A here-document reaches the command through a pipe. A short one fits the pipe and is written at
 * once; for a longer one a child process writes while the command reads.
 */
#include "redirect.h"
#include "expand.h"
#include "job.h"
#include "shell.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FIRST_OWN_DESCRIPTOR 10
#define PIPE_SAFE_SIZE       4096

struct redirect_saved {
    struct redirect_saved *next;
    int descriptor;
    int copy; /* -1: it was closed */
};

int redirect_move_away(int descriptor)
{
    int moved = fcntl(descriptor, F_DUPFD_CLOEXEC, FIRST_OWN_DESCRIPTOR);
    int error = errno;
    if (moved >= 0)
        close(descriptor);
    errno = error;
    return moved;
}

/* Remember what the descriptor is. */
static bool redirect_save(int descriptor, struct redirect_saved **saved)
{
    int copy = fcntl(descriptor, F_DUPFD_CLOEXEC, FIRST_OWN_DESCRIPTOR);
    if (copy < 0 && errno != EBADF) {
        shell_error("%d: %s", descriptor, strerror(errno));
        return false;
    }
    struct redirect_saved *new = memory_allocate(sizeof(*new));
    *new = (struct redirect_saved){*saved, descriptor, copy};
    *saved = new;
    return true;
}

void redirect_undo(struct redirect_saved *saved)
{
    while (saved != NULL) {
        struct redirect_saved *next = saved->next;
        if (saved->copy >= 0) {
            dup2(saved->copy, saved->descriptor);
            close(saved->copy);
        } else {
            close(saved->descriptor);
        }
        free(saved);
        saved = next;
    }
}

/* The reading end of a pipe from which the text comes, or -1. */
static int redirect_open_document(const char *text)
{
    int ends[2];
    size_t length = strlen(text);
    if (pipe(ends) < 0) {
        shell_error("cannot make a pipe: %s", strerror(errno));
        return -1;
    }
    if (length <= PIPE_SAFE_SIZE) {
        shell_write(ends[1], text, length);
    } else {
        pid_t pid = job_fork(NULL, FORK_CAPTURE);
        if (pid == 0) {
            close(ends[0]);
            shell_write(ends[1], text, length);
            _exit(0);
        }
        if (pid < 0) {
            close(ends[0]);
            ends[0] = -1;
        }
    }
    close(ends[1]);
    return ends[0];
}

static int redirect_open_file(const struct redirection *redirection, const char *path)
{
    static const int flags[] = {
        [REDIRECT_INPUT] = O_RDONLY,
        [REDIRECT_OUTPUT] = O_WRONLY | O_CREAT | O_TRUNC,
        [REDIRECT_APPEND] = O_WRONLY | O_CREAT | O_APPEND,
        [REDIRECT_READ_WRITE] = O_RDWR | O_CREAT,
    };
    int descriptor;
    do {
        descriptor = open(path, flags[redirection->kind], 0666);
    } while (descriptor < 0 && errno == EINTR);
    if (descriptor < 0)
        shell_error("cannot %s %s: %s", redirection->kind == REDIRECT_INPUT ? "open" : "create",
                    path, errno == ENOENT ? "No such file" : strerror(errno));
    return descriptor;
}

/* n>&m and n>&-. */
static bool redirect_duplicate(int descriptor, const char *source)
{
    if (strcmp(source, "-") == 0) {
        close(descriptor);
        return true;
    }
    if (source[0] < '0' || source[0] > '9' || source[1] != '\0') {
        shell_error("%s: bad fd number", source);
        return false;
    }
    if (dup2(source[0] - '0', descriptor) < 0) {
        shell_error("%s: %s", source, strerror(errno));
        return false;
    }
    return true;
}

static bool redirect_one(const struct redirection *redirection, struct redirect_saved **saved)
{
    const char *target = expand_word(redirection->target);
    if (shell.flow != FLOW_NEXT)
        return false;
    if (redirection->kind == REDIRECT_DUPLICATE)
        return (saved == NULL || redirect_save(redirection->descriptor, saved)) &&
               redirect_duplicate(redirection->descriptor, target);

    int opened = redirection->kind == REDIRECT_DOCUMENT ? redirect_open_document(target)
                                                        : redirect_open_file(redirection, target);
    if (opened < 0)
        return false;
    if (opened == redirection->descriptor) {
        /* It was closed before; that is what there is to go back to. */
        if (saved != NULL) {
            struct redirect_saved *new = memory_allocate(sizeof(*new));
            *new = (struct redirect_saved){*saved, opened, -1};
            *saved = new;
        }
        return true;
    }
    bool good = saved == NULL || redirect_save(redirection->descriptor, saved);
    if (good)
        dup2(opened, redirection->descriptor);
    close(opened);
    return good;
}

bool redirect_apply(const struct redirection *redirections, struct redirect_saved **saved)
{
    for (; redirections != NULL; redirections = redirections->next) {
        if (!redirect_one(redirections, saved))
            return false;
    }
    return true;
}
