/*
 * The devices that every machine has.
 */
#include "check.h"

#include <sys/stat.h>

int main(void)
{
    static char buffer[10000];
    struct stat status;
    int fd = (int)must("open", open("/dev/null", O_RDWR));
    show("write to null", write(fd, buffer, sizeof(buffer)));
    show("read from null", read(fd, buffer, sizeof(buffer)));
    must("fstat", fstat(fd, &status));
    say("null: mode %o, device %lu %lu", status.st_mode & S_IFMT,
        (unsigned long)status.st_rdev >> 8, (unsigned long)status.st_rdev & 0xff);
    close(fd);
    fd = (int)must("open", open("/dev/zero", O_RDWR));
    memset(buffer, 'x', sizeof(buffer));
    show("read from zero", read(fd, buffer, 5000));
    int zeros = 0;
    for (size_t i = 0; i < sizeof(buffer); i++)
        zeros += buffer[i] == 0;
    say("zeros: %d", zeros);
    show("write to zero", write(fd, buffer, 5000));
    close(fd);
    fd = (int)must("open", open("/dev/random", O_RDONLY));
    char more[64] = "";
    show("read from random", read(fd, buffer, 64));
    show("and again", read(fd, more, 64));
    say("differs: %d", memcmp(buffer, more, 64) != 0);
    close(fd);
    show_success("urandom", open("/dev/urandom", O_RDONLY));
    show("a device that is none", open("/dev/none", O_RDONLY));
    show("isatty of null", isatty(open("/dev/null", O_RDONLY)));
    write_file("append", "");
    show("truncating null", open("/dev/null", O_WRONLY | O_TRUNC | O_CREAT, 0600) >= 0);
    show("a directory below null", open("/dev/null/x", O_RDONLY));
    return 0;
}
