/*
 * The console terminal as a file: input from the machine, reading, writing.
 *
 * Bytes come from the machine through console_input(), in an interrupt handler, and go through
 * the line discipline (kern/tty_line.c) into the input ring, from which tty_read() takes them.
 * A byte that finds the ring full is refused; when there is room again the machine is told to
 * offer it once more.
 *
 * When the machine's console is a stream (a pipe or a file), none of this applies: bytes pass
 * unchanged, there is a real end of file, and terminal ioctls answer ENOTTY.
 *
 * ioctl(2), and whose terminal it is: kern/tty_control.c.
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

void tty_unlock_and_resume(struct tty *tty)
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

    machine_console_expect();
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
    result = tty_check_foreground(tty, SIGTTIN);
    if (result != 0)
        return result;
    spin_lock(&tty->lock);
    result = wait_until_readable(tty, size, nonblocking);
    if (result == 0)
        result = (ssize_t)tty_line_take(tty, buffer, size);
    tty_unlock_and_resume(tty);
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
    if ((tty->termios.c_lflag & TOSTOP) != 0) {
        int error = tty_check_foreground(tty, SIGTTOU);

        if (error != 0)
            return error;
    }
    if (tty->is_stream) {
        machine_console_write(text, size);
        return (ssize_t)size;
    }
    for (size_t done = 0; done < size; done += used) {
        spin_lock(&tty->lock);
        used = tty_line_output(tty, text + done, size - done, out, sizeof(out), &length);
        spin_unlock(&tty->lock);
        machine_console_write(out, length);
    }
    return (ssize_t)size;
}

/* --- The file -------------------------------------------------------------------------------- */

static unsigned tty_poll(struct file *file, unsigned events)
{
    struct tty *tty = file->data;
    unsigned ready = POLLOUT | POLLWRNORM;
    size_t wanted = 1;

    spin_lock(&tty->lock);
    if (!tty->is_stream && !is_canonical(tty) && tty->termios.c_cc[VTIME] == 0)
        wanted = max(tty->termios.c_cc[VMIN], 1);
    if (tty_line_is_ready(tty) && (tty->at_eof || tty->committed - tty->read >= wanted))
        ready |= POLLIN | POLLRDNORM;
    else if ((events & POLLIN) != 0)
        machine_console_expect();
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
