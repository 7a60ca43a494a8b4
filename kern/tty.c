/*
 * The console terminal as a file: reading, writing, ioctl(2), and the session that it belongs to.
 *
 * Bytes come from the machine through console_input(), in an interrupt handler, and go through
 * the line discipline (kern/tty_line.c) into the input ring, from which tty_read() takes them.
 * A byte that finds the ring full is refused; when there is room again the machine is told to
 * offer it once more.
 *
 * When the machine's console is a stream (a pipe or a file), none of this applies: bytes pass
 * unchanged, there is a real end of file, and terminal ioctls answer ENOTTY.
 *
 * The terminal belongs to one session (TIOCSCTTY) and has one foreground process group, which
 * gets the signals of ^C, ^\ and ^Z. Other groups may read and write all the same.
 *
 * Locks: tty->lock. Signals are sent and the machine is resumed after it was released: the
 * process tree's lock comes before it.
 */
#include "kern/tty.h"

#include "kern/abi/errno.h"
#include "kern/abi/fcntl.h"
#include "kern/clock.h"
#include "kern/file.h"
#include "kern/machine.h"
#include "kern/poll.h"
#include "kern/process.h"
#include "kern/signal.h"
#include "kern/syscall.h"
#include "kern/uaccess.h"

struct tty console_tty = {
    .lock = SPINLOCK_INITIALIZER("tty", LOCK_TTY),
    .readers = WAIT_QUEUE_INITIALIZER(console_tty.readers),
};

void tty_init(void)
{
    tty_line_reset(&console_tty);
    console_tty.is_stream = machine_console_is_stream();
    if (console_tty.is_stream)
        console_tty.termios.c_lflag = 0;
}

/* Release the lock and let the machine go on, if it waits for room and there is some. */
static void unlock_and_resume(struct tty *tty)
{
    bool resume = tty->has_refused && tty->head - tty->read < TTY_INPUT_SIZE - 1;

    if (resume)
        tty->has_refused = false;
    spin_unlock(&tty->lock);
    if (resume)
        machine_console_resume();
}

/* --- Input from the machine ------------------------------------------------------------------ */

static bool stream_input(struct tty *tty, uint8_t byte)
{
    if (tty->head - tty->read == TTY_INPUT_SIZE)
        return false;
    tty->input[tty->head++ % TTY_INPUT_SIZE] = byte;
    tty->committed = tty->head;
    wait_wake_all(&tty->readers);
    return true;
}

static void end_of_input(struct tty *tty)
{
    tty->at_eof = true;
    wait_wake_all(&tty->readers);
}

bool console_input(int byte)
{
    struct tty *tty = &console_tty;
    bool accepted = true;
    pid_t group;
    int signal = 0;

    spin_lock(&tty->lock);
    if (byte == CONSOLE_EOF)
        end_of_input(tty);
    else if (tty->is_stream)
        accepted = stream_input(tty, (uint8_t)byte);
    else
        accepted = tty_line_input(tty, (uint8_t)byte, &signal);
    tty->has_refused = !accepted;
    group = tty->group;
    poll_notify();
    spin_unlock(&tty->lock);
    if (signal != 0 && group != 0)
        (void)signal_send_group(group, signal);
    return accepted;
}

/* --- Reading --------------------------------------------------------------------------------- */

static bool is_canonical(const struct tty *tty)
{
    return (tty->termios.c_lflag & ICANON) != 0;
}

/* Sleep until input comes: 0, -ETIMEDOUT, -EAGAIN or -ERESTARTSYS. */
static int wait_for_input(struct tty *tty, nsec_t deadline, bool nonblocking)
{
    int error;

    if (nonblocking)
        return -EAGAIN;
    error = wait_sleep_until(&tty->readers, &tty->lock, deadline, true);
    return error == -EINTR ? -ERESTARTSYS : error;
}

/* The time that c_cc[VTIME] gives, in tenths of a second, from now on. */
static nsec_t input_deadline(const struct tty *tty)
{
    uint8_t tenths = tty->termios.c_cc[VTIME];

    return tenths == 0 ? NSEC_NEVER : clock_monotonic() + tenths * 100 * NSEC_PER_MSEC;
}

/*
 * Wait until a raw read of `size` bytes may return: VMIN bytes are there; or VTIME is over since
 * the last byte, the first included only if VMIN is 0 (termios(3)).
 */
static int wait_raw(struct tty *tty, size_t size, bool nonblocking)
{
    size_t minimum = min((size_t)tty->termios.c_cc[VMIN], size), seen = 0, count;
    nsec_t deadline = minimum == 0 ? input_deadline(tty) : NSEC_NEVER;
    int error;

    if (minimum == 0 && deadline == NSEC_NEVER)
        return 0;
    minimum = max(minimum, (size_t)1);
    while (!tty->at_eof && !is_canonical(tty)) {
        count = tty->committed - tty->read;
        if (count >= minimum)
            return 0;
        if (count > seen)
            deadline = input_deadline(tty);
        seen = count;
        error = wait_for_input(tty, deadline, nonblocking);
        if (error == -ETIMEDOUT)
            return 0;
        if (error != 0)
            return count > 0 ? 0 : error;
    }
    return 0;
}

static int wait_canonical(struct tty *tty, bool nonblocking)
{
    int error = 0;

    while (error == 0 && is_canonical(tty) && !tty_line_is_ready(tty))
        error = wait_for_input(tty, NSEC_NEVER, nonblocking);
    return error;
}

/* Wait until a read may return; another program may change the mode meanwhile. */
static int wait_until_readable(struct tty *tty, size_t size, bool nonblocking)
{
    bool canonical;
    int error;

    do {
        canonical = is_canonical(tty);
        error = canonical ? wait_canonical(tty, nonblocking) : wait_raw(tty, size, nonblocking);
    } while (error == 0 && canonical != is_canonical(tty));
    return error;
}

static ssize_t tty_read(struct file *file, void *buffer, size_t size, off_t *position)
{
    struct tty *tty = file->data;
    bool nonblocking = (file->flags & O_NONBLOCK) != 0;
    ssize_t result;

    (void)position;
    if (size == 0)
        return 0;
    spin_lock(&tty->lock);
    result = wait_until_readable(tty, size, nonblocking);
    if (result == 0)
        result = (ssize_t)tty_line_take(tty, buffer, size);
    unlock_and_resume(tty);
    return result;
}

/* --- Writing --------------------------------------------------------------------------------- */

static ssize_t tty_write(struct file *file, const void *buffer, size_t size, off_t *position)
{
    struct tty *tty = file->data;
    const char *text = buffer;
    char out[512];
    size_t used, length;

    (void)position;
    if (tty->is_stream) {
        machine_console_write(text, size);
        return (ssize_t)size;
    }
    for (size_t done = 0; done < size; done += used) {
        spin_lock(&tty->lock);
        used = tty_line_output(tty, text + done, size - done, out, sizeof out, &length);
        spin_unlock(&tty->lock);
        machine_console_write(out, length);
    }
    return (ssize_t)size;
}

/* --- Sessions -------------------------------------------------------------------------------- */

bool tty_is_controlling(void)
{
    struct process *process = process_self();
    bool result;

    spin_lock(&process_tree_lock);
    spin_lock(&console_tty.lock);
    result = console_tty.session != 0 && console_tty.session == process->session;
    spin_unlock(&console_tty.lock);
    spin_unlock(&process_tree_lock);
    return result;
}

/*
 * Make this the terminal of the current process's session, which the process leads. A session
 * whose leader is gone has lost it; `steal` takes it from a living one. Both locks are held.
 */
static int take_terminal(struct tty *tty, const struct process *process, bool steal)
{
    if (tty->session == process->session)
        return 0;
    if (process->session != process->pid)
        return -EPERM;
    if (tty->session != 0 && !steal && process_find(tty->session) != NULL)
        return -EPERM;
    tty->session = process->session;
    tty->group = process->group;
    return 0;
}

static int64_t set_controlling(struct tty *tty, bool steal)
{
    struct process *process = process_self();
    int error;

    spin_lock(&process_tree_lock);
    spin_lock(&tty->lock);
    error = take_terminal(tty, process, steal && process->euid == 0);
    spin_unlock(&tty->lock);
    spin_unlock(&process_tree_lock);
    return error;
}

/* TIOCNOTTY: the session leader gives the terminal up. */
static int64_t give_up_controlling(struct tty *tty)
{
    struct process *process = process_self();
    int64_t result = -ENOTTY;
    pid_t group = 0;

    spin_lock(&process_tree_lock);
    spin_lock(&tty->lock);
    if (tty->session != 0 && tty->session == process->session) {
        result = 0;
        if (process->session == process->pid) {
            group = tty->group;
            tty->session = tty->group = 0;
        }
    }
    spin_unlock(&tty->lock);
    spin_unlock(&process_tree_lock);
    if (group != 0) {
        (void)signal_send_group(group, SIGHUP);
        (void)signal_send_group(group, SIGCONT);
    }
    return result;
}

/* What TIOCSPGRP may choose: a group with a member in the process's session. */
static int check_group(pid_t group, pid_t session)
{
    int error = -ESRCH;

    list_for_each (&process_list, process, struct process, all_link) {
        if (process->group == group) {
            if (process->session == session)
                return 0;
            error = -EPERM;
        }
    }
    return error;
}

static int64_t set_group(struct tty *tty, uaddr_t argument)
{
    struct process *process = process_self();
    int32_t group;
    int error = copyin(&group, argument, sizeof group);

    if (error != 0)
        return error;
    if (!tty_is_controlling())
        return -ENOTTY;
    if (group < 0)
        return -EINVAL;
    spin_lock(&process_tree_lock);
    error = check_group(group, process->session);
    if (error == 0) {
        spin_lock(&tty->lock);
        tty->group = group;
        spin_unlock(&tty->lock);
    }
    spin_unlock(&process_tree_lock);
    return error;
}

static int64_t get_session_value(struct tty *tty, bool want_group, uaddr_t argument)
{
    int32_t value;

    if (!tty_is_controlling())
        return -ENOTTY;
    spin_lock(&tty->lock);
    value = want_group ? tty->group : tty->session;
    spin_unlock(&tty->lock);
    return copyout(argument, &value, sizeof value);
}

/* --- ioctl ----------------------------------------------------------------------------------- */

static int64_t get_termios(struct tty *tty, uaddr_t argument)
{
    struct kernel_termios termios;

    spin_lock(&tty->lock);
    termios = tty->termios;
    spin_unlock(&tty->lock);
    return copyout(argument, &termios, sizeof termios);
}

static int64_t set_termios(struct tty *tty, uaddr_t argument, bool flush)
{
    struct kernel_termios termios;
    int error = copyin(&termios, argument, sizeof termios);

    if (error != 0)
        return error;
    spin_lock(&tty->lock);
    if (flush)
        tty_line_flush(tty);
    tty_line_set(tty, &termios);
    poll_notify();
    unlock_and_resume(tty);
    return 0;
}

static int64_t get_size(struct tty *tty, uaddr_t argument)
{
    struct winsize size;

    spin_lock(&tty->lock);
    size = tty->size;
    spin_unlock(&tty->lock);
    if (size.ws_row == 0 && size.ws_col == 0)
        (void)machine_console_size(&size.ws_row, &size.ws_col);
    return copyout(argument, &size, sizeof size);
}

static int64_t set_size(struct tty *tty, uaddr_t argument)
{
    struct winsize size;
    pid_t group;
    int error = copyin(&size, argument, sizeof size);

    if (error != 0)
        return error;
    spin_lock(&tty->lock);
    group = tty->group;
    if (size.ws_row == tty->size.ws_row && size.ws_col == tty->size.ws_col)
        group = 0;
    tty->size = size;
    spin_unlock(&tty->lock);
    if (group != 0)
        (void)signal_send_group(group, SIGWINCH);
    return 0;
}

static int64_t flush(struct tty *tty, uint64_t queue)
{
    if (queue > TCIOFLUSH)
        return -EINVAL;
    spin_lock(&tty->lock);
    if (queue != TCOFLUSH)
        tty_line_flush(tty);
    unlock_and_resume(tty);
    return 0;
}

static int64_t count_input(struct tty *tty, uaddr_t argument)
{
    int32_t count;

    spin_lock(&tty->lock);
    count = (int32_t)tty_line_available(tty);
    spin_unlock(&tty->lock);
    return copyout(argument, &count, sizeof count);
}

static int64_t terminal_ioctl(struct tty *tty, uint32_t command, uaddr_t argument)
{
    static const int32_t nothing = 0;

    switch (command) {
    case TCGETS:
        return get_termios(tty, argument);
    case TCSETS:
    case TCSETSW:
    case TCSETSF:
        return set_termios(tty, argument, command == TCSETSF);
    case TCSBRK:
        return 0; /* output is written at once: there is nothing to wait for */
    case TCFLSH:
        return flush(tty, argument);
    case TIOCOUTQ:
        return copyout(argument, &nothing, sizeof nothing);
    case TIOCSCTTY:
        return set_controlling(tty, argument == 1);
    case TIOCNOTTY:
        return give_up_controlling(tty);
    case TIOCGPGRP:
    case TIOCGSID:
        return get_session_value(tty, command == TIOCGPGRP, argument);
    case TIOCSPGRP:
        return set_group(tty, argument);
    case TIOCGWINSZ:
        return get_size(tty, argument);
    case TIOCSWINSZ:
        return set_size(tty, argument);
    default:
        return -ENOTTY;
    }
}

static int64_t tty_ioctl(struct file *file, uint32_t command, uaddr_t argument)
{
    struct tty *tty = file->data;

    if (command == FIONREAD)
        return count_input(tty, argument);
    return tty->is_stream ? -ENOTTY : terminal_ioctl(tty, command, argument);
}

/* --- The file -------------------------------------------------------------------------------- */

static unsigned tty_poll(struct file *file, unsigned events)
{
    struct tty *tty = file->data;
    unsigned ready = POLLOUT | POLLWRNORM;
    size_t wanted = 1;

    (void)events;
    spin_lock(&tty->lock);
    if (!tty->is_stream && !is_canonical(tty) && tty->termios.c_cc[VTIME] == 0)
        wanted = max(tty->termios.c_cc[VMIN], 1);
    if (tty_line_is_ready(tty) && (tty->at_eof || tty->committed - tty->read >= wanted))
        ready |= POLLIN | POLLRDNORM;
    spin_unlock(&tty->lock);
    return ready;
}

static const struct file_ops tty_ops = {
    .read = tty_read,
    .write = tty_write,
    .ioctl = tty_ioctl,
    .poll = tty_poll,
};

void tty_open(struct file *file)
{
    file->ops = &tty_ops;
    file->data = &console_tty;
}
