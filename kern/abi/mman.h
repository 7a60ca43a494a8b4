/* Memory protection and mapping flags, as on Linux x86-64 (mmap(2)). */
#pragma once

#define PROT_NONE  0x0
#define PROT_READ  0x1
#define PROT_WRITE 0x2
#define PROT_EXEC  0x4

#define MAP_SHARED          0x01
#define MAP_PRIVATE         0x02
#define MAP_TYPE            0x0f
#define MAP_FIXED           0x10
#define MAP_ANONYMOUS       0x20
#define MAP_GROWSDOWN       0x00100
#define MAP_DENYWRITE       0x00800
#define MAP_EXECUTABLE      0x01000
#define MAP_LOCKED          0x02000
#define MAP_NORESERVE       0x04000
#define MAP_POPULATE        0x08000
#define MAP_STACK           0x20000
#define MAP_FIXED_NOREPLACE 0x100000

#define MREMAP_MAYMOVE 1
#define MREMAP_FIXED   2
