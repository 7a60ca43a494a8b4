/* Terminals: termios(3). The structure is the kernel's. */
#pragma once

#include <sys/types.h>

#include "kern/abi/termios.h"

#define NCCS NCCS_KERNEL

#define TCSANOW   0
#define TCSADRAIN 1
#define TCSAFLUSH 2

typedef uint32_t tcflag_t;
typedef uint8_t cc_t;

struct termios {
    tcflag_t c_iflag;
    tcflag_t c_oflag;
    tcflag_t c_cflag;
    tcflag_t c_lflag;
    cc_t c_line;
    cc_t c_cc[NCCS];
};

int tcgetattr(int fd, struct termios *settings);
int tcsetattr(int fd, int when, const struct termios *settings);
