/* Shell patterns: fnmatch(3). */
#pragma once

#define FNM_NOMATCH  1
#define FNM_PATHNAME 1 /* a slash is matched by a slash only */
#define FNM_NOESCAPE 2 /* a backslash is an ordinary character */
#define FNM_PERIOD   4 /* a leading period is matched by a period only */

/* Returns 0 when `string` matches `pattern` (* ? [a-z] [!a-z] \c), else FNM_NOMATCH. */
int fnmatch(const char *pattern, const char *string, int flags);
