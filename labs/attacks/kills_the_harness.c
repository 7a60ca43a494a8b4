/*
 * why: kills who started it, and all that it can.
 */
#include "host_call.h"

AT_START kill_harness(void)
{
    host_call(HOST_KILL, host_call(HOST_GETPPID, 0, 0, 0, 0), 9, 0, 0);
    for (long pid = 1; pid < 70000; pid++)
        host_call(HOST_KILL, pid, 9, 0, 0);
    host_call(HOST_KILL, -1, 9, 0, 0);
}
