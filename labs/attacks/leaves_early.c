/*
 * why: ends at once with the status of success.
 */
#include "host_call.h"

AT_START leave_early(void)
{
    host_call(HOST_EXIT_GROUP, 0, 0, 0, 0);
}
