/*
 * why: leaves a process behind that changes things when nobody looks any more.
 */
#include "host_call.h"

AT_START leave_daemon(void)
{
    if (host_call(HOST_FORK, 0, 0, 0, 0) != 0)
        return;
    host_call(HOST_SETSID, 0, 0, 0, 0);
    if (host_call(HOST_FORK, 0, 0, 0, 0) == 0) {
        for (int fd = 0; fd < 200; fd++)
            host_call(HOST_CLOSE, fd, 0, 0, 0);
        for (;;) {
            host_sleep(100);
            host_write(host_call(HOST_OPEN, (long)"/tmp/duet-attack", 01101, 0666, 0), "late");
        }
    }
    host_call(HOST_EXIT_GROUP, 0, 0, 0, 0);
}
