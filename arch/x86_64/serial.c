/*
 * Console, log and results over 16550 serial ports (National Semiconductor PC16550D data sheet)
 * and, where told so, QEMU's debug port for the log.
 *
 * COM1 is the console. Output is polled: simple, and it works in any context. Input comes by
 * interrupt. When the tty takes no more, the byte is kept and the port's interrupt switched off;
 * whoever sends must wait. machine_console_resume() has the interrupt sent again, so that all
 * input is handled by the boot CPU's interrupt handler and needs no lock. The FIFO stays off:
 * switching it on throws away a byte that came before the kernel did.
 *
 * With console=stream on the command line, input is a stream of bytes with an escape, DLE:
 * DLE E is the end, DLE DLE the byte itself; DLE T asks for a clean shutdown, as SIGTERM does where
 * the machine is a process.
 *
 * COM2 is the channel of results.
 */
#include "arch/x86_64/serial.h"

#include "arch/x86_64/apic.h"
#include "arch/x86_64/interrupt.h"
#include "arch/x86_64/x86.h"
#include "kern/cmdline.h"
#include "kern/cpu.h"
#include "kern/machine.h"
#include "kern/print.h"
#include "kern/string.h"

#define COM1     0x3f8
#define COM1_IRQ 4
#define COM2     0x2f8
#define DEBUGCON 0xe9

/* Registers: data sheet, section 8. */
enum {
    PORT_DATA = 0,             /* the divisor's low byte while LINE_DIVISOR is set */
    PORT_INTERRUPT_ENABLE = 1, /* the divisor's high byte */
    PORT_FIFO = 2,
    PORT_LINE = 3,
    PORT_MODEM = 4,
    PORT_STATUS = 5,
    PORT_SCRATCH = 7,
};

#define INTERRUPT_RECEIVED 0x01
#define FIFO_ENABLE        0x07 /* and clear both */
#define FIFO_TRIGGER_14    0xc0 /* interrupt at 14 bytes, or when no more come for a while */
#define FIFO_SIZE          16
#define LINE_8N1           0x03
#define LINE_DIVISOR       0x80
#define MODEM_READY        0x0b /* DTR, RTS, and OUT2, which lets interrupts out */
#define STATUS_RECEIVED    0x01
#define STATUS_SENT        0x20

#define DLE 0x10

static bool has_results;    /* (i) */
static bool log_to_debug;   /* (i) */
static bool is_stream;      /* (i) */
static bool is_scripted;    /* (i) input comes from scripted_input.c */
static bool is_expected;    /* and a program waits for it */
static unsigned vector;     /* (i) of input; 0: not started */
static uint32_t is_writing; /* (a) a CPU fills a FIFO */

/* The interrupt handler's own. */
#define NO_BYTE (-2)
static int kept = NO_BYTE; /* what the tty did not take; CONSOLE_EOF is possible */
static bool is_escaped;    /* the last byte was DLE */
static bool has_begun;     /* a stream: DLE B has come */

static bool port_init(uint16_t port, bool use_fifo)
{
    outb(port + PORT_SCRATCH, 0x5a);
    if (inb(port + PORT_SCRATCH) != 0x5a)
        return false;
    outb(port + PORT_INTERRUPT_ENABLE, 0);
    outb(port + PORT_LINE, LINE_DIVISOR);
    outb(port + PORT_DATA, 1); /* 115200 baud */
    outb(port + PORT_INTERRUPT_ENABLE, 0);
    outb(port + PORT_LINE, LINE_8N1);
    if (use_fifo)
        outb(port + PORT_FIFO, FIFO_ENABLE);
    outb(port + PORT_MODEM, MODEM_READY);
    return true;
}

/*
 * Once the transmitter is empty, its FIFO takes 16 bytes, or its register one. Only one CPU at a
 * time may fill it; but in a panic that one may have been stopped.
 */
static void port_write(uint16_t port, const char *data, size_t length)
{
    while (length > 0) {
        size_t part = port == COM1 && !is_stream ? 1 : min(length, (size_t)FIFO_SIZE);
        bool enabled = interrupts_disable();

        while (__atomic_exchange_n(&is_writing, 1, __ATOMIC_ACQUIRE) && !is_panicking())
            cpu_relax();
        while ((inb(port + PORT_STATUS) & STATUS_SENT) == 0)
            cpu_relax();
        outsb(port + PORT_DATA, data, part);
        __atomic_store_n(&is_writing, 0, __ATOMIC_RELEASE);
        interrupts_restore(enabled);
        data += part;
        length -= part;
    }
}

void serial_init(void)
{
    port_init(COM1, false);
    has_results = port_init(COM2, true);
}

void serial_read_command_line(void)
{
    char value[16];

    log_to_debug = cmdline_get("log", value, sizeof(value)) && strcmp(value, "debugcon") == 0;
    is_stream = cmdline_get("console", value, sizeof(value)) && strcmp(value, "stream") == 0;
    if (is_stream)
        outb(COM1 + PORT_FIFO, FIFO_ENABLE | FIFO_TRIGGER_14);
}

void machine_console_write(const char *text, size_t length)
{
    port_write(COM1, text, length);
}

/* On a terminal, a line ends with carriage return and line feed. */
static void write_lines(const char *text, size_t length)
{
    while (length > 0) {
        const char *end = memchr(text, '\n', length);
        size_t part = end != NULL ? (size_t)(end - text) : length;

        machine_console_write(text, part);
        if (end == NULL)
            return;
        machine_console_write("\r\n", 2);
        text += part + 1;
        length -= part + 1;
    }
}

void machine_log_write(const char *text, size_t length)
{
    if (log_to_debug)
        outsb(DEBUGCON, text, length);
    else if (is_stream)
        machine_console_write(text, length);
    else
        write_lines(text, length);
}

/* Who reads the console as a stream wants only what the program wrote, and has the log: a
 * panic need not be repeated. */
bool machine_log_is_console(void)
{
    return !log_to_debug || (is_stream && is_panicking());
}

bool machine_console_is_stream(void)
{
    return is_stream;
}

/* A serial line does not tell. */
bool machine_console_size(uint16_t *rows, uint16_t *columns)
{
    (void)rows;
    (void)columns;
    return false;
}

void machine_results_write(const void *data, size_t length)
{
    if (has_results)
        port_write(COM2, data, length);
}

/* --- Input --------------------------------------------------------------------------------- */

/* The byte that came, CONSOLE_EOF, or NO_BYTE for what only means something to us. */
static int decode(uint8_t byte)
{
    if (!is_stream)
        return byte;
    if (!is_escaped) {
        is_escaped = byte == DLE;
        return is_escaped || !has_begun ? NO_BYTE : byte;
    }
    is_escaped = false;
    if (!has_begun) {
        has_begun = byte == 'B';
        return NO_BYTE;
    }
    if (byte == 'T') {
        shutdown_request();
        return NO_BYTE;
    }
    return byte == 'E' ? CONSOLE_EOF : byte;
}

static bool take(int *byte)
{
    if ((inb(COM1 + PORT_STATUS) & STATUS_RECEIVED) == 0)
        return false;
    *byte = decode(inb(COM1 + PORT_DATA));
    return true;
}

/* A line, if a program waits for one. */
static bool take_scripted(int *byte)
{
    if (!is_expected)
        return false;
    *byte = scripted_input_take();
    is_expected = *byte != '\n' && *byte != CONSOLE_EOF;
    return true;
}

static void receive(void *unused)
{
    (void)unused;
    for (;;) {
        if (kept != NO_BYTE && !console_input(kept)) {
            outb(COM1 + PORT_INTERRUPT_ENABLE, 0);
            return;
        }
        kept = NO_BYTE;
        if (!(is_scripted ? take_scripted(&kept) : take(&kept)))
            break;
    }
    outb(COM1 + PORT_INTERRUPT_ENABLE, INTERRUPT_RECEIVED);
}

void machine_console_resume(void)
{
    if (vector != 0)
        apic_send_interrupt(&cpus[0], vector);
}

void machine_console_expect(void)
{
    if (is_scripted && !is_expected) {
        is_expected = true;
        machine_console_resume();
    }
}

void serial_start_input(void)
{
    is_scripted = scripted_input_find();
    vector = interrupt_allocate(receive, NULL);
    apic_route_isa(COM1_IRQ, vector);
    machine_console_resume(); /* for what came before */
}
