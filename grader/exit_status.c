/*
 * An extension of GNU make: $(exit-with STATUS) ends make with this exit status.
 *
 * Of its own, make knows only "2: a recipe failed". But `make boot` is to be used in scripts
 * like the command that it runs, status included, so the Makefile loads this (see `load` in
 * make's manual). It declares what it needs of <gnumake.h>, which is not installed everywhere.
 */
#include <stdio.h>
#include <stdlib.h>

typedef char *(*make_function)(const char *name, unsigned count, char **arguments);

extern void gmk_add_function(const char *name, make_function function, unsigned min, unsigned max,
                             unsigned flags);

int plugin_is_GPL_compatible; /* make asks for this symbol; the BSD license is */

int exit_status_setup(void);

static char *exit_with(const char *name, unsigned count, char **arguments)
{
    int status = count > 0 ? atoi(arguments[0]) : 0;

    (void)name;
    if (status != 0) {
        fflush(NULL);
        exit(status);
    }
    return NULL;
}

int exit_status_setup(void)
{
    gmk_add_function("exit-with", exit_with, 1, 1, 0);
    return 1;
}
