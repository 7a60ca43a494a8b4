/* unit: kern/tty.c kern/tty_line.c kern/tty_control.c kern/file.c kern/poll.c kern/process_group.c kern/test/fake_files.c kern/test/check.c */
/*
 * The terminal: what is typed, echoed, read and written, as Linux's line discipline has it.
 */
#include "kern/test/check.h"

#include "kern/abi/errno.h"
#include "kern/abi/fcntl.h"
#include "kern/file.h"
#include "kern/machine.h"
#include "kern/poll.h"
#include "kern/syscall.h"
#include "kern/test/fake_files.h"
#include "kern/tty.h"

static struct file *terminal;
static char buffer[8192];

static bool type_bytes(const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if (!console_input((uint8_t)text[i]))
            return false;
    return true;
}

#define TYPE(text) type_bytes(text, sizeof(text) - 1)

static bool echoed(const char *expected)
{
    const char *got = fake_console_take();

    if (strcmp(got, expected) == 0)
        return true;
    printf("echoed '%s', expected '%s'\n", got, expected);
    return false;
}

static ssize_t read_some(size_t size)
{
    off_t position = 0;

    memset(buffer, '#', sizeof(buffer));
    return terminal->ops->read(terminal, buffer, size, &position);
}

/* Whether a read gives exactly `expected`. */
static bool reads(const char *expected)
{
    ssize_t length = read_some(sizeof(buffer));

    if (length == (ssize_t)strlen(expected) && memcmp(buffer, expected, strlen(expected)) == 0)
        return true;
    printf("read %zd '%.*s', expected '%s'\n", length, (int)max(length, (ssize_t)0), buffer,
           expected);
    return false;
}

static int64_t control(uint32_t command, const void *argument, size_t size)
{
    memcpy(fake_user, argument, size);
    return terminal->ops->ioctl(terminal, command, user_address(fake_user));
}

static void set_modes(uint32_t local, uint8_t minimum, uint8_t time)
{
    struct kernel_termios termios = console_tty.termios;

    termios.c_lflag = local;
    termios.c_cc[VMIN] = minimum;
    termios.c_cc[VTIME] = time;
    CHECK(control(TCSETS, &termios, sizeof(termios)) == 0);
}

static void start(bool is_stream)
{
    struct file *file;

    if (terminal != NULL)
        file_release(terminal);
    memset(&console_tty, 0, sizeof(console_tty));
    wait_queue_init(&console_tty.readers);
    console_tty.lock.name = "tty";
    fake_console_is_stream = is_stream;
    fake_console_take();
    tty_init();
    CHECK(file_create(&vnode_file_ops, O_RDWR, NULL, NULL, &file) == 0);
    tty_open(file);
    terminal = file;
}

/* --- Canonical mode -------------------------------------------------------------------------- */

static void test_lines(void)
{
    start(false);
    CHECK(TYPE("hello\r") && echoed("hello\r\n") && reads("hello\n"));
    CHECK(TYPE("one\ntwo\n") && reads("one\n") && reads("two\n"));
    CHECK(TYPE("abcdef\n") && read_some(4) == 4 && memcmp(buffer, "abcd", 4) == 0);
    CHECK(reads("ef\n"));
    CHECK(TYPE("abc\n") && read_some(3) == 3 && reads("\n"));
    CHECK(TYPE("\x04") && read_some(10) == 0);
    CHECK(TYPE("abc\x04") && reads("abc"));
    CHECK(TYPE("abc\x04") && read_some(3) == 3);
    CHECK(TYPE("x\n") && reads("x\n"));
    CHECK(read_some(0) == 0);
    terminal->flags |= O_NONBLOCK;
    CHECK(TYPE("partial") && read_some(10) == -EAGAIN);
    CHECK(TYPE("\n") && reads("partial\n"));
}

static void test_editing(void)
{
    start(false);
    CHECK(TYPE("ab\x7f") && echoed("ab\b \b") && TYPE("c\n") && reads("ac\n"));
    CHECK(TYPE("\x7f\x7f") && echoed("c\r\n"));
    CHECK(TYPE("ab\x15") && echoed("ab\b \b\b \b") && TYPE("z\n") && reads("z\n"));
    fake_console_take();
    CHECK(TYPE("foo bar  \x17") && echoed("foo bar  \b \b\b \b\b \b\b \b\b \b"));
    CHECK(TYPE("\n") && reads("foo \n"));
    fake_console_take();
    CHECK(TYPE("a\tb\x7f\x7f") && echoed("a\tb\b \b\b \b\b \b\b \b\b \b\b \b\b \b\b \b"));
    CHECK(TYPE("\n") && reads("a\n"));
    fake_console_take();
    CHECK(TYPE("\x01\x7f") && echoed("^A\b \b\b \b"));
    CHECK(TYPE("\xc3\xa4\x7f") && echoed("\xc3\xa4\b \b") && TYPE("\n") && reads("\n"));
    fake_console_take();
    CHECK(TYPE("\x16\x03") && echoed("^\b^C") && TYPE("\n") && reads("\x03\n"));
    fake_console_take();
    CHECK(TYPE("ab\x12") && echoed("ab^R\r\nab") && TYPE("\n") && reads("ab\n"));
}

static void test_signals(void)
{
    start(false);
    console_tty.group = 33;
    fake_signal = 0;
    CHECK(TYPE("rm -rf\x03") && fake_signal == SIGINT && fake_signal_group == 33);
    CHECK(echoed("rm -rf^C") && TYPE("x\n") && reads("x\n"));
    CHECK(TYPE("\x1c") && fake_signal == SIGQUIT);
    CHECK(TYPE("\x1a") && fake_signal == SIGTSTP);
    fake_signal = 0;
    set_modes(ICANON, 1, 0);
    CHECK(TYPE("\x03\n") && fake_signal == 0 && reads("\x03\n"));
}

static int sleep_until_line(void)
{
    CHECK(TYPE("later\n"));
    return 0;
}

static int sleep_until_raw(void)
{
    set_modes(0, 1, 0);
    CHECK(TYPE("r"));
    return 0;
}

static int sleep_interrupted(void)
{
    return -EINTR;
}

static void test_sleeping(void)
{
    start(false);
    fake_sleep = sleep_until_line;
    CHECK(reads("later\n"));
    fake_sleep = sleep_interrupted;
    CHECK(read_some(10) == -ERESTARTSYS);
    fake_sleep = sleep_until_raw;
    CHECK(reads("r"));
    fake_sleep = NULL;
}

/* --- Raw mode -------------------------------------------------------------------------------- */

static int sleep_timed_out(void)
{
    return -ETIMEDOUT;
}

static int sleep_until_byte(void)
{
    CHECK(TYPE("b"));
    return 0;
}

static void test_raw(void)
{
    start(false);
    CHECK(TYPE("edit"));
    set_modes(0, 1, 0);
    CHECK(reads("edit"));
    fake_console_take();
    CHECK(TYPE("\x7f\x04\r") && echoed("") && reads("\x7f\x04\n"));
    set_modes(0, 0, 0);
    CHECK(read_some(10) == 0 && TYPE("ab") && reads("ab"));
    set_modes(0, 3, 0);
    CHECK(TYPE("ab"));
    fake_sleep = sleep_until_byte;
    CHECK(reads("abb"));
    CHECK(TYPE("ab") && read_some(1) == 1 && read_some(2) == 2);
    fake_sleep = sleep_timed_out;
    set_modes(0, 0, 5);
    CHECK(read_some(10) == 0 && fake_deadline == fake_clock + 500 * NSEC_PER_MSEC);
    set_modes(0, 3, 5);
    CHECK(TYPE("ab") && reads("ab") && fake_deadline != NSEC_NEVER);
    fake_sleep = NULL;
    CHECK(TYPE("raw"));
    set_modes(ICANON, 1, 0);
    CHECK(reads("raw"));
}

/* --- The ring -------------------------------------------------------------------------------- */

static void test_full(void)
{
    size_t typed = 0;

    start(false);
    for (; typed < 3 * TTY_INPUT_SIZE; typed++)
        CHECK(TYPE("x"));
    CHECK(TYPE("\n") && read_some(sizeof(buffer)) == TTY_INPUT_SIZE);
    typed = 0;
    while (TYPE("line\n"))
        typed++;
    CHECK(typed >= TTY_INPUT_SIZE / 5 - 1 && !TYPE("x"));
    fake_console_resumes = 0;
    CHECK(read_some(4) == 4 && fake_console_resumes == 1);
    CHECK(read_some(4) == 1 && fake_console_resumes == 1);
    CHECK(TYPE("x"));
    CHECK(control(TCFLSH, "", 0) != 0);
    CHECK(terminal->ops->ioctl(terminal, TCFLSH, TCIFLUSH) == 0);
    terminal->flags |= O_NONBLOCK;
    CHECK(read_some(10) == -EAGAIN);
}

/* --- Output and ioctls ----------------------------------------------------------------------- */

static void test_output(void)
{
    struct kernel_termios termios;
    off_t position = 0;

    start(false);
    CHECK(terminal->ops->write(terminal, "a\nb\n", 4, &position) == 4 && echoed("a\r\nb\r\n"));
    memset(buffer, '\n', 3000);
    CHECK(terminal->ops->write(terminal, buffer, 3000, &position) == 3000);
    CHECK(strlen(fake_console_take()) == 6000);
    termios = console_tty.termios;
    termios.c_oflag = 0;
    CHECK(control(TCSETSF, &termios, sizeof(termios)) == 0);
    CHECK(terminal->ops->write(terminal, "a\n", 2, &position) == 2 && echoed("a\n"));
}

static void test_ioctls(void)
{
    int32_t value = 7;
    struct winsize size = {.ws_row = 50, .ws_col = 100};

    start(false);
    list_push_back(&process_list, &fake_process.all_link);
    CHECK(!tty_is_controlling() && control(TIOCGPGRP, &value, 4) == -ENOTTY);
    CHECK(control(TIOCSPGRP, &value, 4) == -ENOTTY);
    CHECK(terminal->ops->ioctl(terminal, TIOCSCTTY, 0) == 0 && tty_is_controlling());
    CHECK(control(TIOCGPGRP, &value, 4) == 0 && *(int32_t *)(void *)fake_user == 7);
    CHECK(control(TIOCSPGRP, &value, 4) == 0);
    value = 99;
    CHECK(control(TIOCSPGRP, &value, 4) == -ESRCH);
    value = -1;
    CHECK(control(TIOCSPGRP, &value, 4) == -EINVAL);
    fake_process.session = 5;
    CHECK(terminal->ops->ioctl(terminal, TIOCSCTTY, 0) == -EPERM);
    fake_process.session = 7;
    CHECK(control(TIOCGWINSZ, &value, 4) == 0 &&
          ((struct winsize *)(void *)fake_user)->ws_col == 80);
    fake_signal = 0;
    CHECK(control(TIOCSWINSZ, &size, sizeof(size)) == 0 && fake_signal == SIGWINCH);
    CHECK(control(TIOCGWINSZ, &value, 4) == 0 &&
          ((struct winsize *)(void *)fake_user)->ws_row == 50);
    CHECK(TYPE("abc\nde") && control(FIONREAD, &value, 4) == 0);
    CHECK(*(int32_t *)(void *)fake_user == 4);
    CHECK(terminal->ops->ioctl(terminal, TCGETS, 8) == -EFAULT);
    CHECK(terminal->ops->ioctl(terminal, 0x9999, 8) == -ENOTTY);
    CHECK(terminal->ops->ioctl(terminal, TIOCNOTTY, 0) == 0 && fake_signal == SIGCONT);
    CHECK(!tty_is_controlling());
    list_remove(&fake_process.all_link);
}

static void test_background(void)
{
    struct process parent = {.pid = 3, .group = 3, .session = 7};
    struct kernel_sigaction *actions = fake_process.signals.actions;

    start(false);
    list_push_back(&process_list, &fake_process.all_link);
    CHECK(terminal->ops->ioctl(terminal, TIOCSCTTY, 0) == 0 && TYPE("in\n"));
    console_tty.group = 3;
    CHECK(read_some(10) == -EIO); /* orphaned: there is no parent */
    fake_process.parent = &parent;
    CHECK(read_some(10) == -ERESTARTSYS && fake_signal == SIGTTIN && fake_signal_group == 7);
    CHECK(terminal->ops->ioctl(terminal, TCFLSH, 0) == -ERESTARTSYS && fake_signal == SIGTTOU);
    CHECK(terminal->ops->ioctl(terminal, TCGETS, user_address(fake_user)) == 0);
    actions[SIGTTIN - 1].handler = actions[SIGTTOU - 1].handler = SIG_IGN;
    CHECK(read_some(10) == -EIO);
    CHECK(terminal->ops->ioctl(terminal, TCFLSH, TCOFLUSH) == 0);
    actions[SIGTTIN - 1].handler = actions[SIGTTOU - 1].handler = SIG_DFL;
    parent.session = 3;
    CHECK(read_some(10) == -EIO);
    console_tty.group = 7;
    CHECK(reads("in\n"));
    fake_process.parent = NULL;
    list_remove(&fake_process.all_link);
}

static void test_poll(void)
{
    start(false);
    CHECK(terminal->ops->poll(terminal, POLLIN) == (POLLOUT | POLLWRNORM));
    CHECK(TYPE("ab") && (terminal->ops->poll(terminal, POLLIN) & POLLIN) == 0);
    CHECK(TYPE("\n") && (terminal->ops->poll(terminal, POLLIN) & POLLIN) != 0);
    set_modes(0, 5, 0);
    CHECK((terminal->ops->poll(terminal, POLLIN) & POLLIN) == 0);
}

static void test_stream(void)
{
    off_t position = 0;
    size_t typed = 0;

    start(true);
    CHECK(TYPE("a\r\x7f\x03\x04") && echoed("") && reads("a\r\x7f\x03\x04"));
    CHECK(terminal->ops->write(terminal, "x\n", 2, &position) == 2 && echoed("x\n"));
    CHECK(terminal->ops->ioctl(terminal, TCGETS, user_address(fake_user)) == -ENOTTY);
    CHECK(terminal->ops->ioctl(terminal, FIONREAD, user_address(fake_user)) == 0);
    while (TYPE("x"))
        typed++;
    CHECK(typed == TTY_INPUT_SIZE);
    fake_console_resumes = 0;
    CHECK(read_some(4000) == 4000 && fake_console_resumes == 1);
    CHECK(console_input(CONSOLE_EOF) && read_some(4000) == 96);
    CHECK(read_some(10) == 0 && read_some(10) == 0);
    CHECK((terminal->ops->poll(terminal, POLLIN) & POLLIN) != 0);
}

int main(void)
{
    test_lines();
    test_editing();
    test_signals();
    test_sleeping();
    test_raw();
    test_full();
    test_output();
    test_ioctls();
    test_background();
    test_poll();
    test_stream();
    file_release(terminal);
    CHECK(fake_held_locks == 0 && fake_allocations == 0);
    return check_report();
}
