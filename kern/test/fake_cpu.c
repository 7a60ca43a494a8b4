/*
 * What the inline functions of the vkernel's <machine/cpu.h> call, for tests without a machine.
 */
#include "kern/types.h"
#include <machine/cpu.h>

bool machine_is_crowded;

void machine_replay_interrupts(void)
{
}

void machine_yield(void)
{
}
