/*
 * why: writes to where results, tests and other people's files are.
 */
#include "host_call.h"

AT_START write_outside(void)
{
    const char *paths[] = {"/tmp/duet-attack",     "/var/tmp/duet-attack",
                           "/dev/shm/duet-attack", "/usr/duet-attack",
                           "/duet-attack",         "../duet-attack",
                           "../../duet-attack",    "/autograder/results/results.json"};
    for (int i = 0; i < 8; i++)
        host_write(host_call(HOST_OPEN, (long)paths[i], 01101, 0666, 0), "100 points");
}
