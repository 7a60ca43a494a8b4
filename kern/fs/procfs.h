/*
 * The contents of /proc's files, made by kern/fs/procfs_text.c for kern/fs/procfs.c.
 */
#pragma once

#include "kern/types.h"

/*
 * A text in the making. Like format(), it counts what does not fit: `length` is what the
 * whole text needs.
 */
struct proc_text {
    char *buffer;
    size_t size;
    size_t length;
};

/* A file: its name, and what prints it. Returns 0, or -ESRCH when the process is gone. */
struct proc_file {
    const char *name;
    int (*print)(struct proc_text *text, pid_t pid);
};

/* The files of /proc, and those of /proc/PID. Both end with a NULL name. */
extern const struct proc_file proc_files[], proc_process_files[];
