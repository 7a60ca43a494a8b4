/*
 * Regular expressions, matched in time proportional to the length of text times pattern
 * (Ken Thompson, 1968).
 *
 * An expression is compiled into a program for a machine with many threads. A thread stands at
 * an instruction: SET takes a character of its set and goes on to the next instruction; SPLIT
 * becomes two threads; JUMP, LINE_START and the like take no character. All threads see the same
 * character of the text at the same time, and two at one instruction are one: so there are never
 * more than instructions, and nothing ever goes back in the text.
 *
 *      a*b|c      0 SPLIT 1, 6     1 SPLIT 2, 4    2 SET a     3 JUMP 1
 *                 4 SET b          5 JUMP 7        6 SET c     7 MATCH
 *
 * compile.c makes the programs.
 */
#include "pattern.h"
#include "program.h"

#include <ctype.h>
#include <string.h>

static bool is_word_character(char c)
{
    return isalnum((unsigned char)c) || c == '_';
}

struct match {
    const struct pattern *pattern;
    const char *text;
    size_t length;
    unsigned step;
};

static bool condition_holds(const struct match *match, enum operation operation, size_t position)
{
    bool word_before = position > 0 && is_word_character(match->text[position - 1]);
    bool word_after = position < match->length && is_word_character(match->text[position]);

    switch (operation) {
    case LINE_START:
        return position == 0;
    case LINE_END:
        return position == match->length;
    case WORD_START:
        return !word_before && word_after;
    case WORD_END:
        return word_before && !word_after;
    default:
        return word_before != word_after;
    }
}

/*
 * Put a thread at instruction `start` and follow all that takes no character, at `position` of
 * the text. Threads that wait for a character join the list. Returns whether MATCH was reached.
 */
static bool add_thread(struct match *match, int *list, int *count, int start, size_t position)
{
    const struct pattern *pattern = match->pattern;
    int *stack = pattern->stack, depth = 0;
    bool is_match = false;

    stack[depth++] = start;
    while (depth > 0) {
        int at = stack[--depth];
        const struct instruction *instruction = &pattern->program[at];
        if (pattern->seen[at] == match->step)
            continue;
        pattern->seen[at] = match->step;
        switch (instruction->operation) {
        case MATCH:
            is_match = true;
            break;
        case SET:
            list[(*count)++] = at;
            break;
        case SPLIT:
            stack[depth++] = at + instruction->second;
            stack[depth++] = at + instruction->first;
            break;
        case JUMP:
            stack[depth++] = at + instruction->first;
            break;
        default:
            if (condition_holds(match, instruction->operation, position))
                stack[depth++] = at + 1;
        }
    }
    return is_match;
}

/* A match may have to be a whole word or line. */
static bool is_acceptable(const struct match *match, size_t from, size_t to)
{
    if (match->pattern->whole_lines)
        return from == 0 && to == match->length;
    if (!match->pattern->whole_words)
        return true;
    return (from == 0 || !is_word_character(match->text[from - 1])) &&
           (to == match->length || !is_word_character(match->text[to]));
}

/* The longest acceptable match that begins at `from`. */
static bool match_at(struct match *match, size_t from, size_t *to)
{
    const struct pattern *pattern = match->pattern;
    int *threads = pattern->threads, *next = pattern->next_threads;
    int count = 0;
    bool is_found = false;

    match->step++;
    bool is_match = add_thread(match, threads, &count, 0, from);
    for (size_t position = from;; position++) {
        if (is_match && is_acceptable(match, from, position)) {
            is_found = true;
            *to = position;
        }
        if (count == 0 || position == match->length)
            return is_found;
        int next_count = 0;
        is_match = false;
        match->step++;
        for (int i = 0; i < count; i++) {
            if (set_has(&pattern->program[threads[i]], (unsigned char)match->text[position]) &&
                add_thread(match, next, &next_count, threads[i] + 1, position + 1))
                is_match = true;
        }
        int *swap = threads;
        threads = next;
        next = swap;
        count = next_count;
    }
}

bool pattern_match(const struct pattern *pattern, const char *text, size_t length, size_t start,
                   size_t *from, size_t *to)
{
    struct match match = {.pattern = pattern, .text = text, .length = length};
    const struct instruction *first = &pattern->program[0];

    memset(pattern->seen, 0, (size_t)pattern->count * sizeof(unsigned));
    for (*from = start; *from <= length; ++*from) {
        /* Most places fail at the first character. */
        if (first->operation == SET &&
            (*from == length || !set_has(first, (unsigned char)text[*from])))
            continue;
        if (first->operation == LINE_START && *from > 0)
            return false;
        if (match_at(&match, *from, to))
            return true;
    }
    return false;
}
