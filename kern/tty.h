/*
 * The terminal: the console as a file, with line editing. kern/tty.c has the theory of the file's
 * side, kern/tty_line.c that of the line discipline.
 */
#pragma once

#include "kern/abi/termios.h"
#include "kern/spinlock.h"
#include "kern/types.h"
#include "kern/wait.h"

struct file;

#define TTY_INPUT_SIZE 4096

/* (l) this->lock, (i) immutable once in use */
struct tty {
    struct spinlock lock;
    struct wait_queue readers;     /* with (l) */
    struct kernel_termios termios; /* (l) */
    struct winsize size;           /* (l) as set; rows 0: ask the machine */
    pid_t session, group;          /* (l) whose terminal it is, and its foreground group; or 0 */

    /* Bytes read <= n < committed can be read, committed <= n < head is the line being edited. */
    uint16_t input[TTY_INPUT_SIZE]; /* (l) a byte, and TTY_END or TTY_EOF; slot n % SIZE */
    size_t read, committed, head;   /* (l) counters that only grow */
    size_t lines;                   /* (l) entries marked TTY_END in read <= n < committed */
    bool is_literal;                /* (l) the next byte is taken as it is */
    bool at_eof;                    /* (l) the console has ended for good */
    bool has_refused;               /* (l) the machine waits for machine_console_resume() */

    unsigned column;      /* (l) of the cursor */
    unsigned edit_column; /* (l) of the cursor when the line being edited began */
    bool is_stream;       /* (i) no terminal: bytes pass unchanged */
};

#define TTY_END 0x100 /* ends a line */
#define TTY_EOF 0x200 /* with TTY_END: ends it without being a part of it (^D) */

extern struct tty console_tty;

/* Prepare the console; before the machine may call console_input(). */
void tty_init(void);

/* Open the console: give `file` its operations. Any device that is the console. */
void tty_open(struct file *file);

/* Whether the current process's session has the console as its controlling terminal. */
bool tty_is_controlling(void);

/* --- Between kern/tty.c and kern/tty_control.c ----------------------------------------------- */

/* Release tty->lock and let the machine go on, if it waits for room and there is some. */
void tty_unlock_and_resume(struct tty *tty);

/*
 * The current process wants to read (SIGTTIN) or change (SIGTTOU) the terminal. Returns 0 if it
 * may, -ERESTARTSYS after that signal was sent to its background group, or -EIO.
 */
int tty_check_foreground(struct tty *tty, int signal) must_check;

/* ioctl(2) on a file of the terminal. */
int64_t tty_ioctl(struct file *file, uint32_t command, uaddr_t argument);

/* --- The line discipline, kern/tty_line.c: tty->lock is held --------------------------------- */

/* The settings of a new terminal. */
void tty_line_reset(struct tty *tty);

/*
 * A byte was typed: edit, echo, queue it. *signal is set to the one that it asks for, or 0.
 * False: there is no room for it now.
 */
bool tty_line_input(struct tty *tty, uint8_t byte, int *signal) must_check;

/* New settings; what was typed before stays. */
void tty_line_set(struct tty *tty, const struct kernel_termios *termios);

/* Drop all input. */
void tty_line_flush(struct tty *tty);

/* How many bytes a read could return now. */
size_t tty_line_available(const struct tty *tty);

/* Whether a canonical read would return now: there is a line, or the end. */
bool tty_line_is_ready(const struct tty *tty);

/* Take at most `size` bytes: up to the end of the line, or in raw mode what is there. */
size_t tty_line_take(struct tty *tty, char *buffer, size_t size);

/*
 * Process output: turn some of `text` into what the terminal gets, in `out`, which has room for
 * `out_size` bytes. Returns how many bytes of `text` were used; *out_length is set.
 */
size_t tty_line_output(struct tty *tty, const char *text, size_t length, char *out, size_t out_size,
                       size_t *out_length);
