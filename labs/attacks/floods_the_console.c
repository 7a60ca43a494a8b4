/*
 * why: writes to the console without end, so that the grader runs out of memory.
 */
#include "host_call.h"

static char flood[1 << 16];

AT_START flood_console(void)
{
    for (unsigned i = 0; i < sizeof(flood); i++)
        flood[i] = 'x';
    for (;;)
        host_call(HOST_WRITE, 1, (long)flood, sizeof(flood), 0);
}
