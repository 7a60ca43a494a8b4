/*
 * why: computes for ever, so that the grader runs out of time and may call that its own fault.
 */
#include "host_call.h"

AT_START hang(void)
{
    for (;;)
        __asm__ volatile("pause");
}
