/*
 * Large files: every level of indirection, holes between the pieces, and truncation back.
 * A pattern that depends on the position tells a block in the wrong place.
 */
#include "check.h"

#include <sys/stat.h>

#define BLOCK 1024

static unsigned char buffer[BLOCK];

static void fill(unsigned long block)
{
    for (unsigned i = 0; i < BLOCK; i++)
        buffer[i] = (unsigned char)(block * 37 + i * 11 + (block >> 8));
}

static bool is_filled(unsigned long block)
{
    for (unsigned i = 0; i < BLOCK; i++) {
        if (buffer[i] != (unsigned char)(block * 37 + i * 11 + (block >> 8)))
            return false;
    }
    return true;
}

static bool is_zero(void)
{
    for (unsigned i = 0; i < BLOCK; i++) {
        if (buffer[i] != 0)
            return false;
    }
    return true;
}

/* Blocks around the borders between the levels, for blocks of 1 KiB and of 4 KiB. */
static const unsigned long borders[] = {
    0,     11,    12,    47,    48,    267,    268,    269,     4143,    4144,    4145,
    65803, 65804, 65805, 66059, 66060, 131339, 131340, 1000000, 2000000, 4198447, 4198448,
};

#define BORDERS (sizeof(borders) / sizeof(borders[0]))

static void sparse(void)
{
    int good = 0, zeros = 0;
    struct stat status;
    int fd = (int)must("open", open("sparse", O_RDWR | O_CREAT, 0644));
    for (size_t i = BORDERS; i-- > 0;) {
        fill(borders[i]);
        must("pwrite", pwrite(fd, buffer, BLOCK, (off_t)borders[i] * BLOCK));
    }
    for (size_t i = 0; i < BORDERS; i++) {
        must("pread", pread(fd, buffer, BLOCK, (off_t)borders[i] * BLOCK));
        good += is_filled(borders[i]);
        bool hole = i + 1 < BORDERS && borders[i + 1] > borders[i] + 8;
        if (hole) {
            must("pread", pread(fd, buffer, BLOCK, (off_t)(borders[i] + 7) * BLOCK));
            zeros += is_zero();
        }
    }
    must("fstat", fstat(fd, &status));
    say("sparse: size %ld, %d blocks of %zu right, %d holes empty", (long)status.st_size, good,
        BORDERS, zeros);
    say("it takes less than a megabyte of the disk: %d", status.st_blocks < 2048);
    show("cut at the second level", ftruncate(fd, 66000L * BLOCK));
    must("pread", pread(fd, buffer, BLOCK, 65805L * BLOCK));
    say("before the cut: %d", is_filled(65805));
    show("longer again", ftruncate(fd, 4198449L * BLOCK));
    must("pread", pread(fd, buffer, BLOCK, 4198448L * BLOCK));
    say("behind the cut: zero %d", is_zero());
    show("cut at the first level", ftruncate(fd, 12L * BLOCK));
    must("pread", pread(fd, buffer, BLOCK, 11L * BLOCK));
    say("the last direct block: %d", is_filled(11));
    show("cut to nothing", ftruncate(fd, 0));
    must("fstat", fstat(fd, &status));
    say("blocks: %ld", (long)status.st_blocks);
    close(fd);
}

static void dense(void)
{
    int wrong = 0;
    int fd = (int)must("open", open("dense", O_RDWR | O_CREAT, 0644));
    for (unsigned long block = 0; block < 3000; block++) {
        fill(block);
        must("write", write(fd, buffer, BLOCK));
    }
    lseek(fd, 0, SEEK_SET);
    for (unsigned long block = 0; block < 3000; block++) {
        must("read", read(fd, buffer, BLOCK));
        wrong += !is_filled(block);
    }
    say("3 MB written: %d blocks wrong", wrong);
    for (unsigned long block = 0; block < 3000; block += 3) {
        fill(block + 1);
        must("pwrite", pwrite(fd, buffer, BLOCK, (off_t)block * BLOCK));
    }
    wrong = 0;
    for (unsigned long block = 0; block < 3000; block++) {
        must("pread", pread(fd, buffer, BLOCK, (off_t)block * BLOCK));
        wrong += !is_filled(block % 3 == 0 ? block + 1 : block);
    }
    say("every third written anew: %d blocks wrong", wrong);
    close(fd);
    show("unlink", unlink("dense"));
}

int main(void)
{
    sparse();
    dense();
    show("size with an odd length", truncate("sparse", 3000000001L));
    struct stat status;
    must("stat", stat("sparse", &status));
    say("size %ld", (long)status.st_size);
    int fd = (int)must("open", open("sparse", O_RDWR));
    show("lseek to the end", lseek(fd, 0, SEEK_END));
    show("append", write(fd, "end", 3));
    show("read it", pread(fd, buffer, 10, 3000000000L));
    say("it is %.3s", buffer + 1);
    show("unlink", unlink("sparse"));
    show("the open file lives", pread(fd, buffer, 10, 3000000002L));
    return 0;
}
