/*
 * The leak check at power-off: all that was allocated for programs is free again. Theory in
 * kern/leak.c.
 */
#pragma once

/* The kernel is up, init about to start: what is there now may stay. */
void leak_mark(void);

/*
 * The two halves of the check, around the end of the file systems: let go of everything that is
 * only kept for later, and of init itself, whose thread the caller is; then tell the results
 * channel what is still there. They do nothing unless the word check-leaks asked for it.
 */
void leak_prepare(void);
void leak_report(void);
