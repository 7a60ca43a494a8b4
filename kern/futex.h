/*
 * Futexes: waiting for a word of user memory to change. Theory in kern/futex.c.
 */
#pragma once

/* Prepare the lists. For kern/main.c. */
void futex_init(void);

/*
 * What the program wants to happen in its memory when the current thread leaves it, at its end or
 * by exec: the locks of its robust list are marked and their waiters woken, and its
 * clear_child_tid is cleared and woken. Takes the map's lock; bad addresses are ignored.
 */
void futex_leave_program(void);
