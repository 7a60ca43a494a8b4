/*
 * The line discipline: what happens between the keys and read(2), and between write(2) and the
 * screen.
 *
 * In canonical mode (ICANON) typed bytes collect in the line being edited, where erase (^H,
 * DEL), word erase (^W) and kill (^U) apply, until a newline or ^D commits the line to the
 * readers. In raw mode each byte is committed at once. Signals (^C ^\ ^Z), CR-to-NL and echo work
 * in both, each under its flag.
 *
 *        read               committed          head
 *         |  complete lines     |  being edited  |
 *      ---+---------------------+----------------+---  the ring, TTY_INPUT_SIZE entries
 *
 * A committed line ends with an entry marked TTY_END; ^D commits with an entry of its own, marked
 * TTY_EOF too, which readers never see: a line that consists of it alone is the end of the file.
 *
 * The ring always keeps room for one entry that ends a line. When it is otherwise full while no
 * line is complete, more bytes are dropped, or nothing could ever be read again; when readers can
 * make room, the byte is refused and the machine offers it again (flow control).
 *
 * To erase a tab or ^X from the screen the line is measured again from the column where it
 * began, so the cursor's column is followed through all output.
 */
#include "kern/abi/errno.h"
#include "kern/abi/signal.h"
#include "kern/machine.h"
#include "kern/tty.h"

#define DISABLED 0 /* a control character that is never typed: _POSIX_VDISABLE */
#define TAB_STOP 8

static bool has(const struct tty *tty, uint32_t local_flag)
{
    return (tty->termios.c_lflag & local_flag) != 0;
}

static bool is_control_character(const struct tty *tty, unsigned which, uint8_t byte)
{
    return byte != DISABLED && tty->termios.c_cc[which] == byte;
}

static uint16_t *entry(struct tty *tty, size_t n)
{
    return &tty->input[n % TTY_INPUT_SIZE];
}

void tty_line_reset(struct tty *tty)
{
    tty->termios = (struct kernel_termios){
        .c_iflag = ICRNL | IUTF8,
        .c_oflag = OPOST | ONLCR,
        .c_cflag = B38400 | CS8 | CREAD,
        .c_lflag = ISIG | ICANON | ECHO | ECHOE | ECHOK | ECHOCTL | ECHOKE | IEXTEN,
        .c_cc = {[VINTR] = 3,    /* ^C */
                 [VQUIT] = 28,   /* ^\ */
                 [VERASE] = 127, /* DEL */
                 [VKILL] = 21,   /* ^U */
                 [VEOF] = 4,     /* ^D */
                 [VMIN] = 1,
                 [VSTART] = 17,   /* ^Q */
                 [VSTOP] = 19,    /* ^S */
                 [VSUSP] = 26,    /* ^Z */
                 [VREPRINT] = 18, /* ^R */
                 [VDISCARD] = 15, /* ^O */
                 [VWERASE] = 23,  /* ^W */
                 [VLNEXT] = 22},  /* ^V */
    };
}

/* --- Output ---------------------------------------------------------------------------------- */

/* The second and later bytes of a UTF-8 character take no place on the screen. */
static bool is_continuation(const struct tty *tty, uint8_t byte)
{
    return (tty->termios.c_iflag & IUTF8) != 0 && (byte & 0xc0) == 0x80;
}

/* The column after `byte` was sent to the screen in column `column`. */
static unsigned next_column(const struct tty *tty, unsigned column, uint8_t byte)
{
    switch (byte) {
    case '\r':
        return 0;
    case '\b':
        return column > 0 ? column - 1 : 0;
    case '\t':
        return (column / TAB_STOP + 1) * TAB_STOP;
    default:
        return byte < ' ' || byte == 127 || is_continuation(tty, byte) ? column : column + 1;
    }
}

/* Add what one byte of output becomes: at most 2 bytes. */
static size_t process_byte(struct tty *tty, uint8_t byte, char *out)
{
    size_t length = 0;

    if ((tty->termios.c_oflag & OPOST) != 0) {
        if (byte == '\n' && (tty->termios.c_oflag & ONLCR) != 0) {
            out[length++] = '\r';
            tty->column = 0;
        }
        if (byte == '\r' && (tty->termios.c_oflag & OCRNL) != 0)
            byte = '\n';
        tty->column = next_column(tty, tty->column, byte);
    }
    out[length++] = (char)byte;
    return length;
}

size_t tty_line_output(struct tty *tty, const char *text, size_t length, char *out, size_t out_size,
                       size_t *out_length)
{
    size_t used = 0, filled = 0;

    while (used < length && filled + 2 <= out_size)
        filled += process_byte(tty, (uint8_t)text[used++], out + filled);
    *out_length = filled;
    return used;
}

/* --- Echo ------------------------------------------------------------------------------------ */

static void send(struct tty *tty, const char *text, size_t length)
{
    char out[64];
    size_t used, filled;

    for (; length > 0; text += used, length -= used) {
        used = tty_line_output(tty, text, length, out, sizeof(out), &filled);
        machine_console_write(out, filled);
    }
}

/* How a byte is echoed: itself, or ^X. Returns the length, at most 2. */
static size_t echo_form(const struct tty *tty, uint8_t byte, char form[2])
{
    if ((byte < ' ' || byte == 127) && byte != '\t' && byte != '\n' && has(tty, ECHOCTL)) {
        form[0] = '^';
        form[1] = (char)(byte ^ 0x40);
        return 2;
    }
    form[0] = (char)byte;
    return 1;
}

static void echo(struct tty *tty, uint8_t byte)
{
    char form[2];

    if (has(tty, ECHO))
        send(tty, form, echo_form(tty, byte, form));
    else if (byte == '\n' && has(tty, ICANON) && has(tty, ECHONL))
        send(tty, "\n", 1);
}

/* The column where the cursor is after the line being edited, up to entry `end`. */
static unsigned edit_column(struct tty *tty, size_t end)
{
    unsigned column = tty->edit_column;
    char form[2];

    for (size_t n = tty->committed; n < end; n++) {
        size_t length = echo_form(tty, (uint8_t)*entry(tty, n), form);

        for (size_t i = 0; i < length; i++)
            column = next_column(tty, column, (uint8_t)form[i]);
    }
    return column;
}

/* --- Editing --------------------------------------------------------------------------------- */

/* Cut the line being edited back to `end`, on the screen too. */
static void cut_line(struct tty *tty, size_t end)
{
    unsigned from = edit_column(tty, tty->head), to = edit_column(tty, end);

    tty->head = end;
    if (!has(tty, ECHO))
        return;
    for (; from > to; from--)
        send(tty, "\b \b", 3);
}

static void erase_character(struct tty *tty)
{
    size_t end = tty->head;

    if (end == tty->committed)
        return;
    do
        end--;
    while (end > tty->committed && is_continuation(tty, (uint8_t)*entry(tty, end)));
    if (has(tty, ECHOE)) {
        cut_line(tty, end);
    } else {
        tty->head = end;
        echo(tty, tty->termios.c_cc[VERASE]);
    }
}

static bool is_word_byte(uint8_t byte)
{
    return (byte >= '0' && byte <= '9') || (byte >= 'a' && byte <= 'z') ||
           (byte >= 'A' && byte <= 'Z') || byte == '_' || byte >= 0x80;
}

static void erase_word(struct tty *tty)
{
    size_t end = tty->head;

    while (end > tty->committed && !is_word_byte((uint8_t)*entry(tty, end - 1)))
        end--;
    while (end > tty->committed && is_word_byte((uint8_t)*entry(tty, end - 1)))
        end--;
    cut_line(tty, end);
}

static void erase_line(struct tty *tty)
{
    if (has(tty, ECHOKE) && has(tty, ECHOE)) {
        cut_line(tty, tty->committed);
        return;
    }
    tty->head = tty->committed;
    echo(tty, tty->termios.c_cc[VKILL]);
    if (has(tty, ECHOK))
        echo(tty, '\n');
}

/* Show the line being edited once more (^R). */
static void reprint_line(struct tty *tty)
{
    echo(tty, tty->termios.c_cc[VREPRINT]);
    echo(tty, '\n');
    tty->edit_column = tty->column;
    for (size_t n = tty->committed; n < tty->head; n++)
        echo(tty, (uint8_t)*entry(tty, n));
}

/* --- Input ----------------------------------------------------------------------------------- */

/* Add an entry, for which there is room, and commit if it ends a line or there are no lines. */
static void queue(struct tty *tty, uint16_t value)
{
    *entry(tty, tty->head++) = value;
    if ((value & TTY_END) != 0)
        tty->lines++;
    if ((value & TTY_END) != 0 || !has(tty, ICANON)) {
        tty->committed = tty->head;
        wait_wake_all(&tty->readers);
    }
}

static bool is_full(const struct tty *tty)
{
    return tty->head - tty->read >= TTY_INPUT_SIZE - 1;
}

/* Queue a byte that is no control character. False: refused. */
static bool input_plain(struct tty *tty, uint8_t byte)
{
    if (is_full(tty))
        return !tty_line_is_ready(tty); /* nobody can make room: it is dropped */
    if (tty->head == tty->committed)
        tty->edit_column = tty->column;
    echo(tty, byte);
    queue(tty, byte);
    return true;
}

static bool input_line_end(struct tty *tty, uint16_t value)
{
    if (tty->head - tty->read >= TTY_INPUT_SIZE)
        return false;
    if ((value & TTY_EOF) == 0)
        echo(tty, (uint8_t)value);
    queue(tty, value | TTY_END);
    return true;
}

/* Which signal the byte asks for, or 0. */
static int input_signal(const struct tty *tty, uint8_t byte)
{
    if (!has(tty, ISIG))
        return 0;
    if (is_control_character(tty, VINTR, byte))
        return SIGINT;
    if (is_control_character(tty, VQUIT, byte))
        return SIGQUIT;
    return is_control_character(tty, VSUSP, byte) ? SIGTSTP : 0;
}

/* Act on an editing character; false: the byte is none. */
static bool edit(struct tty *tty, uint8_t byte)
{
    bool is_extended = has(tty, IEXTEN);

    if (is_control_character(tty, VERASE, byte))
        erase_character(tty);
    else if (is_control_character(tty, VKILL, byte))
        erase_line(tty);
    else if (is_extended && is_control_character(tty, VWERASE, byte))
        erase_word(tty);
    else if (is_extended && is_control_character(tty, VREPRINT, byte))
        reprint_line(tty);
    else
        return false;
    return true;
}

static bool input_canonical(struct tty *tty, uint8_t byte)
{
    if (edit(tty, byte))
        return true;
    if (is_control_character(tty, VEOF, byte))
        return input_line_end(tty, TTY_EOF);
    if (byte == '\n' || is_control_character(tty, VEOL, byte) ||
        is_control_character(tty, VEOL2, byte))
        return input_line_end(tty, byte);
    return input_plain(tty, byte);
}

/* ICRNL and its relatives; false: the byte is ignored. */
static bool translate(const struct tty *tty, uint8_t *byte)
{
    uint32_t flags = tty->termios.c_iflag;

    if ((flags & ISTRIP) != 0)
        *byte &= 0x7f;
    if (*byte == '\r') {
        if ((flags & IGNCR) != 0)
            return false;
        if ((flags & ICRNL) != 0)
            *byte = '\n';
    } else if (*byte == '\n' && (flags & INLCR) != 0) {
        *byte = '\r';
    }
    return true;
}

bool tty_line_input(struct tty *tty, uint8_t byte, int *signal)
{
    *signal = 0;
    if (tty->is_literal) {
        if (!input_plain(tty, byte))
            return false;
        tty->is_literal = false;
        return true;
    }
    *signal = input_signal(tty, byte);
    if (*signal != 0) {
        if (!has(tty, NOFLSH))
            tty_line_flush(tty);
        echo(tty, byte);
        return true;
    }
    if (!translate(tty, &byte))
        return true;
    if (has(tty, IEXTEN) && has(tty, ICANON) && is_control_character(tty, VLNEXT, byte)) {
        tty->is_literal = true;
        if (has(tty, ECHO) && has(tty, ECHOCTL))
            send(tty, "^\b", 2);
        return true;
    }
    return has(tty, ICANON) ? input_canonical(tty, byte) : input_plain(tty, byte);
}

void tty_line_flush(struct tty *tty)
{
    tty->read = tty->committed = tty->head;
    tty->lines = 0;
    tty->is_literal = false;
}

void tty_line_set(struct tty *tty, const struct kernel_termios *termios)
{
    bool was_canonical = has(tty, ICANON);

    tty->termios = *termios;
    if (has(tty, ICANON) == was_canonical)
        return;
    /* What was typed raw is a line for canonical readers, and what was edited is data for raw. */
    if (!was_canonical && tty->head > tty->read) {
        uint16_t *last = entry(tty, tty->head - 1);

        if ((*last & TTY_END) == 0)
            tty->lines++;
        *last |= TTY_END;
    }
    tty->committed = tty->head;
    wait_wake_all(&tty->readers);
}

/* --- Reading --------------------------------------------------------------------------------- */

size_t tty_line_available(const struct tty *tty)
{
    size_t count = 0;

    for (size_t n = tty->read; n < tty->committed; n++)
        if ((tty->input[n % TTY_INPUT_SIZE] & TTY_EOF) == 0)
            count++;
    return count;
}

bool tty_line_is_ready(const struct tty *tty)
{
    if (tty->at_eof)
        return true;
    return has(tty, ICANON) ? tty->lines > 0 : tty->committed > tty->read;
}

size_t tty_line_take(struct tty *tty, char *buffer, size_t size)
{
    bool is_canonical = has(tty, ICANON);
    size_t done = 0;

    while (tty->read < tty->committed) {
        uint16_t value = *entry(tty, tty->read);

        if (done == size && (value & TTY_EOF) == 0)
            break;
        tty->read++;
        if ((value & TTY_END) != 0)
            tty->lines--;
        if ((value & TTY_EOF) == 0)
            buffer[done++] = (char)value;
        if ((value & TTY_END) != 0 && is_canonical)
            break;
    }
    return done;
}
