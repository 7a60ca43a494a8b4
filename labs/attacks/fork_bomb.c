/*
 * why: makes processes until there are no more, each of which does the same.
 */
#include "host_call.h"

AT_START bomb(void)
{
    for (;;)
        host_call(HOST_FORK, 0, 0, 0, 0);
}
