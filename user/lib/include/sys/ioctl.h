/* Device control: ioctl(2). */
#pragma once

#include "kern/abi/termios.h"

int ioctl(int fd, unsigned long command, ...);
