/*
 * Kernel messages. A message is formatted on the stack and written under the log lock, so that
 * lines of different CPUs do not mix. In a panic the lock is not taken: whoever holds it has been
 * stopped (kern/panic.c).
 */
#include "kern/print.h"

#include "kern/machine.h"
#include "kern/spinlock.h"
#include "kern/string.h"

#define LINE_SIZE 512

static struct spinlock log_lock = SPINLOCK_INITIALIZER("log", LOCK_LOG);

static char last_message[LINE_SIZE]; /* before a panic; under log_lock */

void kprintf(const char *fmt, ...)
{
    char line[LINE_SIZE];
    va_list arguments;
    int length;

    va_start(arguments, fmt);
    length = format_v(line, sizeof(line), fmt, arguments);
    va_end(arguments);
    length = min(length, (int)sizeof(line) - 1);

    bool is_locked = !is_panicking();
    if (is_locked) {
        spin_lock(&log_lock);
        string_copy(last_message, line, sizeof(last_message));
    }
    machine_log_write(line, (size_t)length);
    if (is_panicking() && !machine_log_is_console())
        machine_console_write(line, (size_t)length);
    if (is_locked)
        spin_unlock(&log_lock);
}

void log_print_last(void)
{
    if (last_message[0] != '\0')
        kprintf("last message: %s", last_message);
}
