/*
 * why: writes files until the disk is full.
 */
#include "host_call.h"

static char block[1 << 20];

AT_START fill_disk(void)
{
    char name[] = "fill-aaaa";
    for (int i = 0; i < 26 * 26 * 26; i++) {
        name[6] = 'a' + i / 676;
        name[7] = 'a' + i / 26 % 26;
        name[8] = 'a' + i % 26;
        long fd = host_call(HOST_OPEN, (long)name, 0101, 0644, 0);
        for (int j = 0; j < 100; j++)
            host_call(HOST_WRITE, fd, (long)block, sizeof(block), 0);
        host_call(HOST_CLOSE, fd, 0, 0, 0);
    }
}
