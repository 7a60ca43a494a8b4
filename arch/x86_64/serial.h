/*
 * The serial ports: console and results channel; see serial.c.
 */
#pragma once

#include "kern/types.h"

/* Prepare the ports. The first thing at start, so that a panic can be read. */
void serial_init(void);

/* Look at the command line for what concerns console and log. */
void serial_read_command_line(void);

/* Take console input from now on. */
void serial_start_input(void);

/* scripted_input.c: is there input that was known before the start? Its next byte, or CONSOLE_EOF.
 */
bool scripted_input_find(void);
int scripted_input_take(void);
