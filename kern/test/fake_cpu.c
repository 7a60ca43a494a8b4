/*
 * What the inline functions of the vkernel's <machine/cpu.h> call, for tests without a machine.
 */
#include "kern/schedule_point.h"
#include "kern/types.h"
#include <machine/cpu.h>

bool machine_is_crowded;

void machine_replay_interrupts(void)
{
}

void machine_yield(void)
{
}

bool schedule_is_controlled;

void schedule_reached(enum schedule_kind kind, const void *object, const char *name)
{
    (void)kind;
    (void)object;
    (void)name;
}

unsigned schedule_choose_thread(struct thread *const threads[], unsigned count)
{
    (void)threads;
    (void)count;
    return 0;
}

bool schedule_spin(const struct spinlock *lock, const char *name)
{
    (void)lock;
    (void)name;
    return false;
}
