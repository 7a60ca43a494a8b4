/*
 * Parameter expansion: $x, $@, ${x:-word}, ${#x}, ${x%pattern} and their kin.
 */
#include "expand.h"
#include "pattern.h"
#include "shell.h"
#include "variable.h"

#include <stdio.h>
#include <string.h>

static bool parameter_is_list(const char *name)
{
    return (name[0] == '@' || name[0] == '*') && name[1] == '\0';
}

/* The character between the parameters in "$*": the first of IFS, or none. */
static const char *parameter_separator(void)
{
    static char separator[2];
    const char *ifs = variable_get("IFS");
    separator[0] = ifs == NULL ? ' ' : ifs[0];
    return separator;
}

/* $@ and $*: quoted, the first keeps the parameters apart and the second joins them. */
static void parameter_add_list(struct expansion *expansion, bool keep_apart, bool quoted)
{
    char mark = quoted ? MARK_QUOTED : MARK_RESULT;
    if (shell.parameter_count == 0 && quoted && !keep_apart)
        expansion_mark(expansion, MARK_EMPTY);
    for (size_t i = 0; i < shell.parameter_count; i++) {
        if (i > 0 && (keep_apart || !quoted))
            expansion_mark(expansion, MARK_BREAK);
        else if (i > 0 && *parameter_separator() != '\0')
            expansion_add(expansion, parameter_separator(), mark);
        expansion_add(expansion, shell.parameters[i], mark);
    }
}

/* ${x#pattern} and the other three: the value without the part that matches. */
static const char *parameter_trim(const struct part *part, const char *value)
{
    const char *pattern = expand_pattern(part->argument);
    size_t length = strlen(value);
    bool suffix = part->operation >= PARAMETER_SUFFIX;
    bool longest =
        part->operation == PARAMETER_LONGEST_PREFIX || part->operation == PARAMETER_LONGEST_SUFFIX;
    for (size_t i = 0; i <= length; i++) {
        size_t matched = longest ? length - i : i;
        const char *start = suffix ? value + length - matched : value;
        if (!pattern_matches_length(pattern, start, matched))
            continue;
        if (!suffix)
            return value + matched;
        return arena_copy(shell.temporary, value, length - matched);
    }
    return value;
}

/* ${x?message} */
static void parameter_error(const struct part *part)
{
    const char *message = expand_word(part->argument);
    if (shell.flow != FLOW_NEXT)
        return;
    if (*message == '\0')
        message = part->empty_is_unset ? "parameter not set or null" : "parameter not set";
    shell_abort("%s: %s", part->text, message);
}

/* ${x=word}. Returns the new value, or NULL after an error. */
static const char *parameter_assign(const struct part *part)
{
    if (!variable_is_name(part->text)) {
        shell_abort("%s: bad variable name", part->text);
        return NULL;
    }
    const char *value = expand_word(part->argument);
    if (shell.flow != FLOW_NEXT || !variable_set(part->text, value))
        return NULL;
    return variable_get(part->text);
}

/* The value, or what stands in for it, was decided: add it. */
static void parameter_add_value(struct expansion *expansion, const struct part *part,
                                const char *value)
{
    if (parameter_is_list(part->text) && part->operation <= PARAMETER_ALTERNATIVE) {
        parameter_add_list(expansion, part->text[0] == '@', part->quoted);
        return;
    }
    if (part->operation >= PARAMETER_PREFIX)
        value = parameter_trim(part, value);
    expansion_add(expansion, value, part->quoted ? MARK_QUOTED : MARK_RESULT);
}

/* The parameter's value as one string; $@ and $* are joined. NULL when it is not set. */
static const char *parameter_value(const char *name)
{
    if (!parameter_is_list(name))
        return parameter_get(name);
    if (shell.parameter_count == 0)
        return NULL;
    struct expansion joined = {0};
    parameter_add_list(&joined, false, true);
    const char *value = expansion_string(&joined);
    expansion_free(&joined);
    return value;
}

/* The parameter is not set (or empty, where that counts). */
static void parameter_expand_unset(struct expansion *expansion, const struct part *part)
{
    const char *value;
    switch (part->operation) {
    case PARAMETER_DEFAULT:
        expansion_add_word(expansion, part->argument, MARK_RESULT);
        if (part->quoted && part->argument->parts == NULL)
            expansion_mark(expansion, MARK_EMPTY);
        break;
    case PARAMETER_ASSIGN:
        value = parameter_assign(part);
        if (value != NULL)
            expansion_add(expansion, value, part->quoted ? MARK_QUOTED : MARK_RESULT);
        break;
    case PARAMETER_ERROR:
        parameter_error(part);
        break;
    default:
        if (shell.unset_is_error && part->operation != PARAMETER_ALTERNATIVE &&
            !parameter_is_list(part->text))
            shell_abort("%s: parameter not set", part->text);
        else
            parameter_add_value(expansion, part, "");
    }
}

void parameter_expand(struct expansion *expansion, const struct part *part)
{
    const char *value = parameter_value(part->text);
    bool is_set = value != NULL && !(part->empty_is_unset && *value == '\0');
    if (part->operation == PARAMETER_LENGTH) {
        char number[24];
        if (value == NULL && shell.unset_is_error && !parameter_is_list(part->text)) {
            shell_abort("%s: parameter not set", part->text);
            return;
        }
        snprintf(number, sizeof(number), "%zu", value != NULL ? strlen(value) : 0);
        expansion_add(expansion, number, part->quoted ? MARK_QUOTED : MARK_RESULT);
    } else if (!is_set) {
        parameter_expand_unset(expansion, part);
    } else if (part->operation == PARAMETER_ALTERNATIVE) {
        expansion_add_word(expansion, part->argument, MARK_RESULT);
        if (part->quoted && part->argument->parts == NULL)
            expansion_mark(expansion, MARK_EMPTY);
    } else {
        parameter_add_value(expansion, part, value);
    }
}
