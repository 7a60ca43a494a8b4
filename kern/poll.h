/*
 * Waiting for any of several files: poll(2). Theory in kern/poll.c.
 */
#pragma once

#include "kern/abi/poll.h"
#include "kern/types.h"

/*
 * What the poll operation of some file answers may have changed. Call it holding the spinlock
 * under which that operation looks at its file. Any context; cheap when nobody polls.
 */
void poll_notify(void);
