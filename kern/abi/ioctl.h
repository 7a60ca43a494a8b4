/* Requests of ioctl(2) on block devices, as on Linux x86-64; terminals': kern/abi/termios.h. */
#pragma once

#define BLKSSZGET    0x1268
#define BLKGETSIZE64 0x80081272
