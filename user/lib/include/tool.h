/*
 * What Duet's own programs share: help texts, common arguments, messages. A program is
 *
 *      static const char help[] = "usage: rmdir DIRECTORY...\n"
 *                                 "Remove empty directories.\n";
 *
 *      int main(int argc, char **argv)
 *      {
 *          tool_start(argc, argv, help);
 *          ... getopt(), tool_usage(1) for what is wrong ...
 *          return tool_finish(status);
 *      }
 */
#pragma once

#include <stdbool.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/types.h>

/* Answer `--help` (and exit), and remember the text for tool_usage. */
void tool_start(int argc, char **argv, const char *help);

/* Print the usage line on standard error and exit. */
_Noreturn void tool_usage(int status);

/* The exit status after flushing standard output: 1 with a message if that failed. */
int tool_finish(int status);

/* A file to read, `-` and NULL are standard input. NULL after a warning. */
FILE *tool_open(const char *path);

/* Close it. Returns false after a warning if there was an error in reading it. */
bool tool_close(FILE *stream, const char *path);

/* Write all of it, unlike write(2). */
bool tool_write(int fd, const void *data, size_t size);

/* A number with an optional suffix k, M or G (powers of 1024); exits with `status` if it is none.
 */
unsigned long long tool_number(const char *text, int status);

/* Memory or death. */
void *tool_allocate(size_t size);
void *tool_reallocate(void *memory, size_t size);
char *tool_copy_string(const char *string);

/* `directory/name`, allocated. */
char *tool_join(const char *directory, const char *name);

/* Whether the name is `.` or `..`. */
bool tool_is_dot(const char *name);

/* "-rw-r--r--" in 11 bytes. */
void tool_mode_string(mode_t mode, char *text);

/* "12K", "3.4M" and so on, in at most 8 bytes. */
void tool_human_size(unsigned long long size, char *text);

/*
 * A mode for chmod and mkdir: octal, or clauses such as u+x,go-w,a=rX applied to `mode`. Returns
 * false if the text is none.
 */
bool tool_parse_mode(const char *text, mode_t mode, bool is_directory, mode_t *result);

/* --- Trees of files (tree.c) ---------------------------------------------------------------- */

struct tree_options {
    bool recursive;
    bool preserve; /* mode, owner and times */
    bool force; /* copy: replace what cannot be opened; remove: say nothing of what is not there */
    bool verbose;
};

/* Copy one file or tree; `target` is the new name. Returns false after messages. */
bool tree_copy(const char *source, const char *target, const struct tree_options *options);

/* Remove a file or tree. Returns false after messages. */
bool tree_remove(const char *path, const struct tree_options *options);

/*
 * The common form of cp, mv and ln: `SOURCE TARGET` or `SOURCE... DIRECTORY`. Calls `action` with
 * the final name of each. Returns whether all went well.
 */
bool tree_each_target(int count, char **paths,
                      bool (*action)(const char *source, const char *target));
