/*
 * Starting programs: execve(2).
 */
#pragma once

#include "kern/types.h"

/* Argument and environment strings, packed one after the other with their NULs. */
struct exec_strings {
    char *buffer; /* from kmalloc() */
    size_t used, capacity;
    size_t argc, envc;
};

#define EXEC_STRINGS_MAX (128 * 1024) /* ARG_MAX: all strings together, else -E2BIG */

/* Make room for `more` bytes behind the strings. Returns 0, -E2BIG or -ENOMEM. */
int exec_strings_reserve(struct exec_strings *strings, size_t more) must_check;

/* Append a string of the kernel. Returns 0, -E2BIG or -ENOMEM. */
int exec_strings_add(struct exec_strings *strings, const char *string) must_check;

/* Append a string of the current program. Also -EFAULT. */
int exec_strings_add_user(struct exec_strings *strings, uaddr_t string) must_check;

void exec_strings_free(struct exec_strings *strings);

/*
 * Replace the current process's program by the file at `path`: a static ELF executable, or a
 * script that starts with #!. Takes the strings' buffer over and frees it in any case. On
 * success the frame is the new program's; on failure nothing has changed.
 * Returns 0, -EINTR (another thread ends the process, or execs), vnode_lookup()'s errors, -EACCES,
 * -ENOEXEC, -ETXTBSY, -E2BIG, -ENOMEM, -EIO.
 */
int process_exec(const char *path, struct exec_strings *strings) must_check;
