/* Mount flags, as on Linux (mount(2), umount(2), statfs(2)). */
#pragma once

#define MS_RDONLY    0x1
#define MS_SILENT    0x8000
#define MS_RELATIME  0x200000
#define MS_MGC_VALUE 0xc0ed0000 /* old programs put it into the upper half */
#define MS_MGC_MASK  0xffff0000

#define UMOUNT_NOFOLLOW 8

#define ST_RDONLY   0x1
#define ST_VALID    0x20
#define ST_RELATIME 0x1000
