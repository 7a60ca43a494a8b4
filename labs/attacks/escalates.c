/*
 * why: asks for the network, for privileges, for namespaces, and for its parent's memory.
 */
#include "host_call.h"

AT_START escalate(void)
{
    long address[2] = {0x0100007f50000002, 0};
    long fd = host_call(HOST_SOCKET, 2, 1, 0, 0);
    host_call(HOST_CONNECT, fd, (long)address, 16, 0);
    host_call(HOST_SETUID, 0, 0, 0, 0);
    host_call(HOST_UNSHARE, 0x10000000, 0, 0, 0);
    host_call(HOST_MOUNT, (long)"/", (long)"/", (long)"none", 4096);
    host_call(HOST_PTRACE, 16, host_call(HOST_GETPPID, 0, 0, 0, 0), 0, 0);
    host_call(HOST_CHMOD, (long)"/tmp", 0777, 0, 0);
}
