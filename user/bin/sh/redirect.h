/*
 * Redirections.
 */
#pragma once

#include "syntax.h"

#include <stdbool.h>

struct redirect_saved;

/*
 * Carry out a chain of redirections. With `saved`, what they replace is kept for redirect_undo(),
 * which is to be called whatever this returns; without, they stay.
 * Returns false after a message.
 */
bool redirect_apply(const struct redirection *redirections, struct redirect_saved **saved);
void redirect_undo(struct redirect_saved *saved);

/* Move a descriptor out of the user's way, to 10 or above, closed by exec. -1 with errno. */
int redirect_move_away(int descriptor);
