/*
 * The console on standard input and output, the log, and the channels for results and trace.
 *
 * Output is written at once, whoever calls. If the reader is slow the CPU waits for it; nothing
 * is lost but what is written after the reader has gone.
 *
 * Input is read by a service thread, a block at a time, and handed to CPU 0 by an interrupt. The
 * thread reads on only when the tty has taken the block, so that a stream has its own flow
 * control. The block belongs to whose turn it is:
 *
 *      reader: read, taken = 0, is_full = 1, INTERRUPT_CONSOLE  -->  CPU 0: console_input() for
 *      waits until is_full == 0                                 <--  each byte; is_full = 0
 *
 * A terminal is put into raw mode, as the tty of the kernel does all that a terminal does, and is
 * restored at the end. SIGKILL leaves no time for that; so a process of its own, the keeper, waits
 * on a pipe. A byte says that the terminal has been restored; the pipe's end without one, that the
 * vkernel is gone and the keeper has to do it.
 */
#include "arch/vkernel/seeded.h"
#include "arch/vkernel/vkernel.h"
#include "arch/vkernel/vmspace/linux.h"
#include "kern/cpu.h"
#include "kern/machine.h"
#include "kern/print.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <termios.h>
#include <unistd.h>

static bool is_terminal;     /* standard input is one */
static struct termios saved; /* its settings before */
static volatile uint32_t is_raw;
static int keeper_fd = -1; /* the pipe to the keeper */

static int log_fd = -1;     /* -1: nowhere */
static int results_fd = -1; /* -1: nowhere */
static int trace_fd = -1;   /* -1: nowhere */

/* Whose turn it is: see above. */
static struct {
    volatile uint32_t is_full;
    bool is_end;          /* the stream has ended after these bytes */
    size_t length, taken; /* bytes */
    unsigned char bytes[4096];
} input;

/* --- Output -------------------------------------------------------------------------------- */

/* Write all of it, waiting where the other side is slow; gives up when it has gone. */
static void write_all(int fd, const char *data, size_t length)
{
    while (length > 0) {
        long n = host_call(SYS_write, fd, data, length);

        if (n >= 0) {
            data += n;
            length -= (size_t)n;
        } else if (n == -EAGAIN) {
            struct pollfd poll = {fd, POLLOUT, 0};

            host_call(SYS_poll, &poll, 1, -1);
        } else if (n != -EINTR) {
            return;
        }
    }
}

void machine_console_write(const char *text, size_t length)
{
    write_all(STDOUT_FILENO, text, length);
}

/* Lines to a terminal in raw mode need a return as well. */
static void write_lines(int fd, const char *text, size_t length)
{
    const char *end;

    while (is_raw && (end = memchr(text, '\n', length)) != NULL) {
        write_all(fd, text, (size_t)(end - text));
        write_all(fd, "\r\n", 2);
        length -= (size_t)(end + 1 - text);
        text = end + 1;
    }
    write_all(fd, text, length);
}

void machine_log_write(const char *text, size_t length)
{
    if (log_fd >= 0 && log_fd != STDERR_FILENO)
        write_all(log_fd, text, length);
    if (log_fd == STDERR_FILENO || is_panicking())
        write_lines(STDERR_FILENO, text, length);
}

/* A panic is written to standard error here, wherever the log goes: it need not be repeated. */
bool machine_log_is_console(void)
{
    return log_fd == STDERR_FILENO || is_panicking();
}

void machine_results_write(const void *data, size_t length)
{
    if (results_fd >= 0)
        write_all(results_fd, data, length);
}

void machine_trace_write(const void *data, size_t length)
{
    if (trace_fd >= 0)
        write_all(trace_fd, data, length);
}

/* --- The terminal -------------------------------------------------------------------------- */

bool machine_console_is_stream(void)
{
    return !is_terminal;
}

bool machine_console_size(uint16_t *rows, uint16_t *columns)
{
    struct winsize size;

    if (host_call(SYS_ioctl, STDIN_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_row == 0)
        return false;
    *rows = size.ws_row;
    *columns = size.ws_col;
    return true;
}

/*
 * The keeper's life. It has the terminal and the pipe, and nothing else of the vkernel's: not the
 * disks' locks. In a session of its own, with all signals blocked, it outlives what is sent to
 * the group of the vkernel.
 */
static void keep_terminal(int pipe_end)
{
    sigset_t all;
    char byte;

    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, NULL);
    prctl(PR_SET_NAME, "duet-keeper");
    setsid();
    dup2(pipe_end, STDOUT_FILENO);
    host_call(SYS_close_range, STDERR_FILENO, ~0U, 0);
    if (read(STDOUT_FILENO, &byte, 1) == 0)
        tcsetattr(STDIN_FILENO, TCSANOW, &saved);
    _exit(0);
}

/* Without a keeper, only the terminal's settings after SIGKILL are lost. */
static void start_keeper(void)
{
    int ends[2];

    if (pipe2(ends, O_CLOEXEC) != 0)
        return;
    if (fork() == 0)
        keep_terminal(ends[0]);
    close(ends[0]);
    keeper_fd = ends[1];
}

static void make_raw(void)
{
    struct termios raw;

    if (tcgetattr(STDIN_FILENO, &saved) != 0)
        return;
    start_keeper();
    raw = saved;
    cfmakeraw(&raw);
    if (tcsetattr(STDIN_FILENO, TCSANOW, &raw) == 0)
        is_raw = 1;
}

void console_restore(void)
{
    if (__atomic_exchange_n(&is_raw, 0, __ATOMIC_SEQ_CST) == 0)
        return;
    tcsetattr(STDIN_FILENO, TCSANOW, &saved);
    if (keeper_fd >= 0)
        host_call(SYS_write, keeper_fd, "", 1);
}

/* --- Input --------------------------------------------------------------------------------- */

static void *read_input(void *unused)
{
    (void)unused;
    while (!input.is_end) {
        ssize_t n = read(STDIN_FILENO, input.bytes, sizeof(input.bytes));

        if (n < 0 && errno == EAGAIN) {
            struct pollfd wait = {STDIN_FILENO, POLLIN, 0};

            poll(&wait, 1, -1);
            continue;
        }
        if (n < 0 && errno == EINTR)
            continue;
        input.length = n > 0 ? (size_t)n : 0;
        input.taken = 0;
        input.is_end = n <= 0;
        if (input.is_end && is_terminal) /* it has gone: not all who lose theirs are told */
            kill(getpid(), SIGHUP);
        __atomic_store_n(&input.is_full, 1, __ATOMIC_RELEASE);
        interrupt_raise(&cpus[0], INTERRUPT_CONSOLE);
        while (__atomic_load_n(&input.is_full, __ATOMIC_ACQUIRE))
            host_futex_wait(&input.is_full, 1, NULL);
    }
    return NULL;
}

void console_interrupt(void)
{
    if (!__atomic_load_n(&input.is_full, __ATOMIC_ACQUIRE))
        return;
    while (input.taken < input.length) {
        if (!console_input(input.bytes[input.taken]))
            return; /* machine_console_resume() will come */
        input.taken++;
    }
    if (input.is_end && !console_input(CONSOLE_EOF))
        return;
    __atomic_store_n(&input.is_full, 0, __ATOMIC_RELEASE);
    host_futex_wake(&input.is_full, 1);
}

void machine_console_resume(void)
{
    interrupt_raise(&cpus[0], INTERRUPT_CONSOLE);
}

void console_start_input(void)
{
    if (!is_seeded)
        service_thread_start(read_input, NULL);
}

/* --- Input of a seeded run ----------------------------------------------------------------- */

static bool is_expected; /* a program waits for input */
static bool is_ending;   /* someone asked for the end: time goes on without input, too */

void machine_console_expect(void)
{
    is_expected = true;
}

void console_expect_end(void)
{
    is_ending = true;
}

/* Whether a read would not have to wait. `may_sleep`: wait until that is so, or SIGUSR1 comes. */
static bool is_readable(bool may_sleep)
{
    struct pollfd wait = {STDIN_FILENO, POLLIN, 0};
    struct host_timespec no_time = {0, 0};
    /* Blocked meanwhile: the others are for other threads, or would end this process. */
    uint64_t signals = ~(1UL << (SIGUSR1 - 1));

    return host_call(SYS_ppoll, &wait, 1, may_sleep ? NULL : &no_time, &signals, sizeof(signals)) >
           0;
}

/* Read a byte, waiting for it; false at the end of the input. */
static bool read_byte(unsigned char *byte)
{
    long n;

    while ((n = host_call(SYS_read, STDIN_FILENO, byte, 1)) == -EAGAIN || n == -EINTR)
        (void)is_readable(true);
    return n == 1;
}

/*
 * A stream is read by lines, however its bytes arrive, and waited for even if something else
 * will happen: so a run does not depend on when its input was written. What people type comes when
 * it comes.
 */
bool console_take_input(bool may_sleep)
{
    bool wait = may_sleep || (!is_terminal && !is_ending);

    if ((!is_expected && !is_terminal) || input.is_full || input.is_end || !is_readable(wait))
        return false;
    is_expected = false;
    input.length = input.taken = 0;
    do {
        input.is_end = !read_byte(&input.bytes[input.length]);
        input.length += !input.is_end;
    } while (!input.is_end && !is_terminal && input.length < sizeof(input.bytes) &&
             input.bytes[input.length - 1] != '\n');
    input.is_full = 1;
    interrupt_raise(&cpus[0], INTERRUPT_CONSOLE);
    return true;
}

/* --- Start --------------------------------------------------------------------------------- */

/* Open a channel: `fd:N` is a descriptor that we inherited. */
static int open_channel(const char *name, int flags)
{
    int fd;

    if (strncmp(name, "fd:", 3) == 0) {
        char *end;
        long number = strtol(name + 3, &end, 10);

        if (end == name + 3 || *end != '\0' || number < 0 || fcntl((int)number, F_GETFD) < 0)
            die(2, 0, "%s: no such descriptor", name);
        return (int)number;
    }
    fd = open(name, O_WRONLY | O_CREAT | O_CLOEXEC | flags, 0666);
    if (fd < 0)
        die(1, errno, "%s", name);
    return fd;
}

void console_init(void)
{
    is_terminal = isatty(STDIN_FILENO);
    if (options.log != NULL)
        log_fd = open_channel(options.log, O_TRUNC | O_APPEND);
    else if (options.command == NULL)
        log_fd = STDERR_FILENO;
    if (options.results != NULL)
        results_fd = open_channel(options.results, O_TRUNC);
    if (options.trace != NULL)
        trace_fd = open_channel(options.trace, O_TRUNC);
    if (is_terminal)
        make_raw();
}
