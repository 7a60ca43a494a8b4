/*
 * Console input that was there before the machine started, for runs that are to be repeated: the
 * file `opt/duet/input` of QEMU's firmware configuration device ("QEMU Firmware Configuration
 * (fw_cfg) Device", QEMU documentation). A byte is read from it by an instruction; it is handed
 * to the tty, by lines, when a program waits for it. Without the file the console's input is the
 * serial line's.
 */
#include "arch/x86_64/serial.h"
#include "arch/x86_64/x86.h"
#include "kern/machine.h"
#include "kern/string.h"

#define PORT_SELECT 0x510
#define PORT_DATA   0x511

#define KEY_SIGNATURE 0x00
#define KEY_DIRECTORY 0x19

#define NAME_SIZE 56

static uint32_t bytes_left;
static bool is_there; /* (i) */

static uint32_t read_number(unsigned bytes)
{
    uint32_t number = 0;

    while (bytes-- > 0)
        number = number << 8 | inb(PORT_DATA);
    return number;
}

bool scripted_input_find(void)
{
    char name[NAME_SIZE];
    uint32_t count, size = 0, key = 0;

    outw(PORT_SELECT, KEY_SIGNATURE);
    if (read_number(4) != 0x51454d55) /* QEMU */
        return false;
    outw(PORT_SELECT, KEY_DIRECTORY);
    for (count = read_number(4); count > 0 && !is_there; count--) {
        size = read_number(4);
        key = read_number(2);
        read_number(2);
        for (unsigned i = 0; i < NAME_SIZE; i++)
            name[i] = (char)inb(PORT_DATA);
        is_there = strncmp(name, "opt/duet/input", NAME_SIZE) == 0;
    }
    if (is_there) {
        outw(PORT_SELECT, (uint16_t)key);
        bytes_left = size;
    }
    return is_there;
}

int scripted_input_take(void)
{
    if (bytes_left == 0)
        return CONSOLE_EOF;
    bytes_left--;
    return inb(PORT_DATA);
}
