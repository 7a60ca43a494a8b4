/*
 * The terminal's control: its settings, and the session and group that it belongs to.
 *
 * A session leader makes the terminal its session's (TIOCSCTTY). One process group of the session
 * is in the foreground (TIOCSPGRP): it gets the signals of ^C, ^\ and ^Z. A process of another
 * group of the session that reads, or changes the settings, is stopped by SIGTTIN or SIGTTOU, so
 * that a shell can bring it to the foreground; where nobody could do that (the group is
 * orphaned: no member's parent is in the session but outside the group), it gets EIO.
 *
 * Locks: process_tree_lock, then tty->lock.
 */
#include "kern/abi/errno.h"
#include "kern/file.h"
#include "kern/machine.h"
#include "kern/poll.h"
#include "kern/process.h"
#include "kern/signal.h"
#include "kern/syscall.h"
#include "kern/thread.h"
#include "kern/tty.h"
#include "kern/uaccess.h"

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
    int error = copyin(&group, argument, sizeof(group));

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
    return copyout(argument, &value, sizeof(value));
}

/* --- Foreground and background --------------------------------------------------------------- */

static bool is_ignored_or_blocked(struct process *process, int signal)
{
    bool result;

    spin_lock(&process->lock);
    result = (thread_self()->signals.blocked & signal_bit(signal)) != 0 ||
             process->signals.actions[signal - 1].handler == SIG_IGN;
    spin_unlock(&process->lock);
    return result;
}

int tty_check_foreground(struct tty *tty, int signal)
{
    struct process *process = process_self();
    bool is_background, orphaned = false;

    spin_lock(&process_tree_lock);
    spin_lock(&tty->lock);
    is_background = tty->session != 0 && tty->session == process->session && tty->group != 0 &&
                    tty->group != process->group;
    spin_unlock(&tty->lock);
    if (is_background)
        orphaned = process_group_is_orphaned(process->group);
    spin_unlock(&process_tree_lock);
    if (!is_background)
        return 0;
    if (is_ignored_or_blocked(process, signal))
        return signal == SIGTTIN ? -EIO : 0;
    if (orphaned || signal_send_group(process->group, signal) != 0)
        return -EIO;
    return -ERESTARTSYS;
}

/* --- ioctl ----------------------------------------------------------------------------------- */

static int64_t get_termios(struct tty *tty, uaddr_t argument)
{
    struct kernel_termios termios;

    spin_lock(&tty->lock);
    termios = tty->termios;
    spin_unlock(&tty->lock);
    return copyout(argument, &termios, sizeof(termios));
}

static int64_t set_termios(struct tty *tty, uaddr_t argument, bool flush)
{
    struct kernel_termios termios;
    int error = copyin(&termios, argument, sizeof(termios));

    if (error != 0)
        return error;
    spin_lock(&tty->lock);
    if (flush)
        tty_line_flush(tty);
    tty_line_set(tty, &termios);
    poll_notify();
    tty_unlock_and_resume(tty);
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
    return copyout(argument, &size, sizeof(size));
}

static int64_t set_size(struct tty *tty, uaddr_t argument)
{
    struct winsize size;
    pid_t group;
    int error = copyin(&size, argument, sizeof(size));

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
    tty_unlock_and_resume(tty);
    return 0;
}

static int64_t count_input(struct tty *tty, uaddr_t argument)
{
    int32_t count;

    spin_lock(&tty->lock);
    count = (int32_t)tty_line_available(tty);
    spin_unlock(&tty->lock);
    return copyout(argument, &count, sizeof(count));
}

/* Requests that a background process may not make. */
static bool is_change(uint32_t command)
{
    return command == TCSETS || command == TCSETSW || command == TCSETSF || command == TCSBRK ||
           command == TCFLSH || command == TIOCSPGRP;
}

static int64_t terminal_ioctl(struct tty *tty, uint32_t command, uaddr_t argument)
{
    static const int32_t nothing = 0;
    int error = is_change(command) ? tty_check_foreground(tty, SIGTTOU) : 0;

    if (error != 0)
        return error;
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
        return copyout(argument, &nothing, sizeof(nothing));
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

int64_t tty_ioctl(struct file *file, uint32_t command, uaddr_t argument)
{
    struct tty *tty = file->data;

    if (command == FIONREAD)
        return count_input(tty, argument);
    return tty->is_stream ? -ENOTTY : terminal_ioctl(tty, command, argument);
}
