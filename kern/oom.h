/*
 * Out of memory: who has to go. Theory in kern/oom.c.
 */
#pragma once

/*
 * A page fault of the current process found no memory: kill the process with most pages (which
 * may be this one: then SIGKILL is pending on return), and give it a moment to end. The caller
 * returns to the program, which faults again. May sleep.
 */
void oom_kill(void);
