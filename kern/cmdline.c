/*
 * The kernel's command line. It is searched where the machine keeps it; nothing is copied but
 * the value asked for.
 */
#include "kern/cmdline.h"

#include "kern/machine.h"
#include "kern/string.h"

static const char *skip_spaces(const char *s)
{
    while (*s == ' ' || *s == '\n' || *s == '\t')
        s++;
    return s;
}

static size_t word_length(const char *s)
{
    size_t n = 0;

    while (s[n] != '\0' && s[n] != ' ' && s[n] != '\n' && s[n] != '\t')
        n++;
    return n;
}

static bool is_separator(const char *word, size_t length)
{
    return length == 2 && word[0] == '-' && word[1] == '-';
}

const char *cmdline_find(const char *key)
{
    size_t key_length = strlen(key);
    const char *word = skip_spaces(machine_command_line());

    for (size_t length; (length = word_length(word)) > 0; word = skip_spaces(word + length)) {
        if (is_separator(word, length))
            return NULL;
        if (length < key_length || strncmp(word, key, key_length) != 0)
            continue;
        if (length == key_length)
            return word + length;
        if (word[key_length] == '=')
            return word + key_length + 1;
    }
    return NULL;
}

bool cmdline_get(const char *key, char *value, size_t size)
{
    const char *found = cmdline_find(key);

    if (found == NULL)
        return false;
    string_copy(value, found, min(size, word_length(found) + 1));
    return true;
}

const char *cmdline_parse_number(const char *s, uint64_t *number)
{
    const char *start = s;

    *number = 0;
    for (; *s >= '0' && *s <= '9'; s++) {
        if (*number > (UINT64_MAX - 9) / 10)
            return NULL;
        *number = *number * 10 + (uint64_t)(*s - '0');
    }
    return s > start ? s : NULL;
}

bool cmdline_get_number(const char *key, uint64_t *number)
{
    const char *end = cmdline_find(key);

    end = end != NULL ? cmdline_parse_number(end, number) : NULL;
    return end != NULL && word_length(end) == 0;
}

const char *cmdline_command(void)
{
    const char *word = skip_spaces(machine_command_line());

    for (size_t length; (length = word_length(word)) > 0; word = skip_spaces(word + length)) {
        if (is_separator(word, length))
            return skip_spaces(word + length);
    }
    return NULL;
}
