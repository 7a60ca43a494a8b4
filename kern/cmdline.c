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

bool cmdline_get(const char *key, char *value, size_t size)
{
    size_t key_length = strlen(key);
    const char *word = skip_spaces(machine_command_line());

    for (size_t length; (length = word_length(word)) > 0; word = skip_spaces(word + length)) {
        if (is_separator(word, length))
            return false;
        if (length < key_length || strncmp(word, key, key_length) != 0)
            continue;
        if (length == key_length) {
            string_copy(value, "", size);
            return true;
        }
        if (word[key_length] == '=') {
            string_copy(value, word + key_length + 1, min(size, length - key_length));
            return true;
        }
    }
    return false;
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
