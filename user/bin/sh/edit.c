/*
 * The line editor.
 *
 * While a line is edited the terminal is in raw mode: no echo, no signals, a byte as soon as it
 * is typed. Each key changes the line or the cursor, and then the line is drawn anew, unless a
 * character was only added at its end. The line takes one row: when it is longer than the
 * terminal is wide, the part around the cursor is shown. Nothing but carriage return, "erase to
 * the end of the line" and "cursor right" is asked of the terminal, which all of them understand.
 *
 * Positions are bytes; a UTF-8 character counts as one column, and the cursor never stands inside
 * of one.
 */
#include "edit.h"
#include "shell.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#define CONTROL(letter) ((letter)&0x1f)

/* Keys that are escape sequences. */
enum key {
    KEY_UP = 256,
    KEY_DOWN,
    KEY_RIGHT,
    KEY_LEFT,
    KEY_HOME,
    KEY_END,
    KEY_DELETE,
    KEY_WORD_LEFT,
    KEY_WORD_RIGHT,
    KEY_UNKNOWN,
    KEY_NONE, /* the end of the file */
};

struct editor {
    const char *prompt;
    struct text *line;
    size_t cursor;
    unsigned columns;
    unsigned history;     /* the entry that is shown; 0 is the new line */
    struct text new_line; /* what was typed before going into the history */
};

static struct text edit_killed; /* by ^K ^U ^W, for ^Y */

static void edit_write(const char *string)
{
    shell_write(STDERR_FILENO, string, strlen(string));
}

static bool is_continuation(char c)
{
    return ((unsigned char)c & 0xc0) == 0x80;
}

/* The number of columns that some bytes take. */
static unsigned edit_width(const char *bytes, size_t length)
{
    unsigned width = 0;
    for (size_t i = 0; i < length; i++)
        width += !is_continuation(bytes[i]);
    return width;
}

static size_t edit_after(const struct editor *editor, size_t at)
{
    const struct text *line = editor->line;
    if (at < line->length)
        at++;
    while (at < line->length && is_continuation(line->bytes[at]))
        at++;
    return at;
}

static size_t edit_before(const struct editor *editor, size_t at)
{
    if (at > 0)
        at--;
    while (at > 0 && is_continuation(editor->line->bytes[at]))
        at--;
    return at;
}

static void edit_draw(const struct editor *editor)
{
    const char *bytes = text_string(editor->line), *newline = strrchr(editor->prompt, '\n');
    const char *prompt = newline != NULL ? newline + 1 : editor->prompt;
    unsigned prompt_width = edit_width(prompt, strlen(prompt));
    unsigned room = editor->columns > prompt_width + 8 ? editor->columns - prompt_width - 1 : 8;
    size_t start = 0, end = editor->line->length;
    char move[24];
    while (edit_width(bytes + start, editor->cursor - start) >= room)
        start = edit_after(editor, start);
    while (edit_width(bytes + start, end - start) > room)
        end = edit_before(editor, end);
    struct text screen = {0};
    text_add_string(&screen, "\r");
    text_add_string(&screen, prompt);
    text_add_bytes(&screen, bytes + start, end - start);
    text_add_string(&screen, "\033[K\r");
    unsigned column = prompt_width + edit_width(bytes + start, editor->cursor - start);
    snprintf(move, sizeof(move), "\033[%uC", column);
    if (column > 0)
        text_add_string(&screen, move);
    edit_write(text_string(&screen));
    text_free(&screen);
}

/* One byte from the terminal, or KEY_NONE. */
static int edit_byte(void)
{
    unsigned char c;
    ssize_t n;
    do {
        n = read(STDIN_FILENO, &c, 1);
    } while (n < 0 && errno == EINTR);
    return n == 1 ? c : KEY_NONE;
}

/* What follows an escape character. */
static int edit_escape(void)
{
    int c = edit_byte(), number = 0;
    if (c == 'b' || c == 'f')
        return c == 'b' ? KEY_WORD_LEFT : KEY_WORD_RIGHT;
    if (c != '[' && c != 'O')
        return c == KEY_NONE ? KEY_NONE : KEY_UNKNOWN;
    c = edit_byte();
    while ((c >= '0' && c <= '9') || c == ';') {
        number = c == ';' ? number : number * 10 + (c - '0');
        c = edit_byte();
    }
    switch (c) {
    case 'A':
        return KEY_UP;
    case 'B':
        return KEY_DOWN;
    case 'C':
        return number > 1 ? KEY_WORD_RIGHT : KEY_RIGHT;
    case 'D':
        return number > 1 ? KEY_WORD_LEFT : KEY_LEFT;
    case 'H':
        return KEY_HOME;
    case 'F':
        return KEY_END;
    case '~':
        return number == 3                  ? KEY_DELETE
               : number == 1 || number == 7 ? KEY_HOME
               : number == 4 || number == 8 ? KEY_END
                                            : KEY_UNKNOWN;
    default:
        return KEY_UNKNOWN;
    }
}

static int edit_key(void)
{
    int c = edit_byte();
    return c == '\033' ? edit_escape() : c;
}

static void edit_remove(struct editor *editor, size_t from, size_t to, bool keep)
{
    if (keep && from < to) {
        text_clear(&edit_killed);
        text_add_bytes(&edit_killed, editor->line->bytes + from, to - from);
    }
    text_remove(editor->line, from, to - from);
    editor->cursor = from;
}

static void edit_insert(struct editor *editor, const char *bytes, size_t length)
{
    text_insert(editor->line, editor->cursor, bytes, length);
    editor->cursor += length;
}

/* Insert a typed character. Draws as little as it can. */
static void edit_type(struct editor *editor, char c)
{
    bool at_end = editor->cursor == editor->line->length;
    edit_insert(editor, &c, 1);
    unsigned width = edit_width(text_string(editor->line), editor->line->length);
    unsigned prompt_width = edit_width(editor->prompt, strlen(editor->prompt));
    if (at_end && prompt_width + width + 1 < editor->columns)
        shell_write(STDERR_FILENO, &c, 1);
    else
        edit_draw(editor);
}

static bool in_word(const struct editor *editor, size_t at)
{
    return strchr(" \t/", editor->line->bytes[at]) == NULL;
}

static size_t edit_word_left(const struct editor *editor)
{
    size_t at = editor->cursor;
    while (at > 0 && !in_word(editor, at - 1))
        at--;
    while (at > 0 && in_word(editor, at - 1))
        at--;
    return at;
}

static size_t edit_word_right(const struct editor *editor)
{
    size_t at = editor->cursor;
    while (at < editor->line->length && !in_word(editor, at))
        at++;
    while (at < editor->line->length && in_word(editor, at))
        at++;
    return at;
}

/* Show another line of the history; 0 is the one that was being typed. */
static void edit_go_to_history(struct editor *editor, unsigned back)
{
    const char *entry = back == 0 ? text_string(&editor->new_line) : history_get(back);
    if (entry == NULL)
        return;
    if (editor->history == 0 && back != 0) {
        text_clear(&editor->new_line);
        text_add_string(&editor->new_line, text_string(editor->line));
    }
    editor->history = back;
    text_clear(editor->line);
    text_add_string(editor->line, entry);
    editor->cursor = editor->line->length;
}

static void edit_complete(struct editor *editor)
{
    struct text insertion = {0}, listing = {0};
    struct arena_mark mark = arena_mark(shell.temporary);
    complete_word(text_string(editor->line), editor->cursor, &insertion, &listing);
    arena_rewind(shell.temporary, mark);
    if (insertion.length > 0) {
        edit_insert(editor, insertion.bytes, insertion.length);
    } else if (listing.length > 0) {
        edit_write("\n");
        edit_write(listing.bytes);
    }
    text_free(&insertion);
    text_free(&listing);
}

/* ^R: search the history while the text is typed. Returns the key that ended it. */
static int edit_search(struct editor *editor)
{
    struct text wanted = {0};
    unsigned found = 0;
    int key;
    for (;;) {
        edit_write("\r(search) ");
        edit_write(text_string(&wanted));
        edit_write(": ");
        edit_write(found != 0 ? history_get(found) : "");
        edit_write("\033[K");
        key = edit_key();
        unsigned from = found != 0 ? found : 1;
        if (key == CONTROL('R'))
            from = found + 1;
        else if (key == 127 || key == CONTROL('H'))
            text_remove(&wanted, wanted.length - (wanted.length > 0), wanted.length > 0);
        else if (key >= ' ' && key < 256)
            text_add(&wanted, (char)key);
        else
            break;
        unsigned next = history_search(text_string(&wanted), from);
        found = next != 0 ? next : found;
    }
    text_free(&wanted);
    if (found != 0 && key != CONTROL('G'))
        edit_go_to_history(editor, found);
    edit_draw(editor);
    return key == CONTROL('G') ? KEY_UNKNOWN : key;
}

/* Keys that move the cursor. Returns false for others. */
static bool edit_move(struct editor *editor, int key)
{
    if (key == CONTROL('A') || key == KEY_HOME)
        editor->cursor = 0;
    else if (key == CONTROL('E') || key == KEY_END)
        editor->cursor = editor->line->length;
    else if (key == CONTROL('B') || key == KEY_LEFT)
        editor->cursor = edit_before(editor, editor->cursor);
    else if (key == CONTROL('F') || key == KEY_RIGHT)
        editor->cursor = edit_after(editor, editor->cursor);
    else if (key == KEY_WORD_LEFT)
        editor->cursor = edit_word_left(editor);
    else if (key == KEY_WORD_RIGHT)
        editor->cursor = edit_word_right(editor);
    else if (key == CONTROL('P') || key == KEY_UP)
        edit_go_to_history(editor, editor->history + 1);
    else if ((key == CONTROL('N') || key == KEY_DOWN) && editor->history > 0)
        edit_go_to_history(editor, editor->history - 1);
    else
        return false;
    return true;
}

/* Keys that change the line. */
static void edit_change(struct editor *editor, int key)
{
    size_t cursor = editor->cursor;
    if (key == CONTROL('K'))
        edit_remove(editor, cursor, editor->line->length, true);
    else if (key == CONTROL('U'))
        edit_remove(editor, 0, cursor, true);
    else if (key == CONTROL('W'))
        edit_remove(editor, edit_word_left(editor), cursor, true);
    else if (key == CONTROL('Y'))
        edit_insert(editor, text_string(&edit_killed), edit_killed.length);
    else if (key == CONTROL('H') || key == 127)
        edit_remove(editor, edit_before(editor, cursor), cursor, false);
    else if (key == CONTROL('D') || key == KEY_DELETE)
        edit_remove(editor, cursor, edit_after(editor, cursor), false);
    else if (key == CONTROL('L'))
        edit_write("\033[H\033[2J");
    else if (key == '\t')
        edit_complete(editor);
}

static enum edit_result edit_loop(struct editor *editor)
{
    edit_write(editor->prompt);
    for (;;) {
        int key = edit_key();
        if (key == CONTROL('R'))
            key = edit_search(editor);
        if (key == '\r' || key == '\n')
            return EDIT_LINE;
        if (key == KEY_NONE || (key == CONTROL('D') && editor->line->length == 0))
            return EDIT_END;
        if (key == CONTROL('C'))
            return EDIT_INTERRUPTED;
        if (key >= ' ' && key < 256 && key != 127) {
            edit_type(editor, (char)key);
            continue;
        }
        if (!edit_move(editor, key))
            edit_change(editor, key);
        edit_draw(editor);
    }
}

/* A terminal that cannot be made raw: its own editing must do. */
static enum edit_result edit_read_cooked(const char *prompt, struct text *line)
{
    int c;
    edit_write(prompt);
    while ((c = edit_byte()) != KEY_NONE) {
        text_add(line, (char)c);
        if (c == '\n')
            return EDIT_LINE;
    }
    return line->length > 0 ? EDIT_LINE : EDIT_END;
}

enum edit_result edit_read_line(const char *prompt, struct text *line)
{
    struct termios cooked, raw;
    struct winsize size;
    if (tcgetattr(STDIN_FILENO, &cooked) < 0)
        return edit_read_cooked(prompt, line);
    raw = cooked;
    raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO | ISIG | IEXTEN);
    raw.c_iflag &= ~(tcflag_t)IXON;
    raw.c_cc[VMIN] = 1;
    raw.c_cc[VTIME] = 0;
    if (tcsetattr(STDIN_FILENO, TCSADRAIN, &raw) < 0)
        return edit_read_cooked(prompt, line);

    struct editor editor = {.prompt = prompt, .line = line, .columns = 80};
    if (ioctl(STDIN_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
        editor.columns = size.ws_col;
    enum edit_result result = edit_loop(&editor);
    edit_write(result == EDIT_INTERRUPTED ? "^C\n" : "\n");
    tcsetattr(STDIN_FILENO, TCSADRAIN, &cooked);
    text_free(&editor.new_line);
    if (result == EDIT_LINE) {
        history_add(text_string(line), line->length);
        text_add(line, '\n');
    }
    return result;
}
