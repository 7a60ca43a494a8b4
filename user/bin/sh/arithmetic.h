/*
 * The inside of $(( )).
 */
#pragma once

#include <stdbool.h>

/* Evaluate an expanded expression. Returns false after an error, which is a shell_abort. */
bool arithmetic_evaluate(const char *text, long *result);
