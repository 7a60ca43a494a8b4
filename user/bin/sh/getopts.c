/*
 * getopts: the options of a script, one a call (POSIX XCU, getopts).
 *
 * $OPTIND is the parameter that is looked at; within a group like -abc the place is kept here,
 * and forgotten when the script sets OPTIND back.
 */
#include "builtin.h"
#include "shell.h"
#include "variable.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static size_t getopts_offset; /* in the group, behind its dash; 0: begin a new parameter */
static long getopts_index;    /* $OPTIND as this left it */

static void getopts_set_index(long index)
{
    char number[24];
    snprintf(number, sizeof(number), "%ld", index);
    variable_set("OPTIND", number);
    getopts_index = index;
}

/* An option that is not in `specification`, or lacks its argument. */
static void getopts_complain(const char *specification, const char *name, char option,
                             bool is_unknown)
{
    char letter[2] = {option, '\0'};
    bool silent = specification[0] == ':';
    variable_set(name, silent && !is_unknown ? ":" : "?");
    variable_set("OPTARG", silent ? letter : NULL);
    if (!silent)
        shell_error("%s", is_unknown ? "Illegal option" : "No arg for option");
}

int builtin_getopts(int argc, char **argv)
{
    if (argc < 3) {
        shell_error("usage: getopts optstring name [arg...]");
        return 2;
    }
    char **parameters = argc > 3 ? argv + 3 : shell.parameters;
    long count = argc > 3 ? argc - 3 : (long)shell.parameter_count;
    const char *specification = argv[1], *name = argv[2], *optind = variable_get("OPTIND");
    long index = optind != NULL ? strtol(optind, NULL, 10) : 1;
    if (index != getopts_index || index < 1)
        getopts_offset = 0;
    if (index < 1)
        index = 1;
    const char *word = index <= count ? parameters[index - 1] : "";
    if (getopts_offset >= strlen(word))
        getopts_offset = 0;
    if (getopts_offset == 0) {
        bool is_end = strcmp(word, "--") == 0;
        if (word[0] != '-' || word[1] == '\0' || is_end) {
            getopts_set_index(index + is_end);
            variable_set(name, "?");
            return 1;
        }
        getopts_offset = 1;
    }
    char option = word[getopts_offset++];
    const char *found = option != ':' ? strchr(specification, option) : NULL;
    const char *rest = word + getopts_offset;
    bool takes_argument = found != NULL && found[1] == ':';
    if (*rest == '\0' || takes_argument) {
        index++;
        getopts_offset = 0;
    }
    if (takes_argument && *rest == '\0')
        rest = index <= count ? parameters[index++ - 1] : NULL;
    getopts_set_index(index);
    if (found == NULL || rest == NULL) {
        getopts_complain(specification, name, option, found == NULL);
        return 0;
    }
    char letter[2] = {option, '\0'};
    variable_set("OPTARG", takes_argument ? rest : NULL);
    return !variable_set(name, letter);
}
