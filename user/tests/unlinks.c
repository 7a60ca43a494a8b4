/*
 * A file that is open lives on when its last name is gone.
 */
#include "check.h"

#include <sys/stat.h>

int main(void)
{
    char buffer[32] = "";
    struct stat status;
    int fd = (int)must("open", open("file", O_RDWR | O_CREAT, 0644));
    must("write", write(fd, "before", 6));
    show("unlink", unlink("file"));
    show("the name is gone", open("file", O_RDONLY));
    show("write", write(fd, " after", 6));
    show("read", pread(fd, buffer, 20, 0));
    say("%s", buffer);
    must("fstat", fstat(fd, &status));
    say("links %lu, size %ld", (unsigned long)status.st_nlink, (long)status.st_size);
    write_file("file", "another");
    show("read the old one", pread(fd, buffer, 6, 0));
    say("%.6s", buffer);
    show("truncate the old one", ftruncate(fd, 3));
    show_file("file");

    pid_t pid = (pid_t)must("fork", fork());
    if (pid == 0) {
        must("pread", pread(fd, buffer, 3, 0));
        _exit(memcmp(buffer, "bef", 3) == 0 ? 0 : 1);
    }
    close(fd);
    show_status("a child that has it open", wait_for(pid));

    /* Many names, many openings, in every order. */
    int sum = 0;
    for (int i = 0; i < 50; i++) {
        char name[16];
        snprintf(name, sizeof(name), "t%d", i);
        fd = (int)must("open", open(name, O_RDWR | O_CREAT, 0644));
        must("write", write(fd, &i, sizeof(i)));
        if (i % 2)
            unlink(name);
        int copy = dup(fd), value = -1;
        close(fd);
        must("pread", pread(copy, &value, sizeof(value), 0));
        sum += value;
        close(copy);
        if (i % 2 == 0)
            unlink(name);
    }
    say("sum %d", sum);
    show("all gone", access("t10", F_OK));

    /* The space comes back: more than the disk holds passes through it. */
    static char block[65536];
    for (int i = 0; i < 100; i++) {
        fd = (int)must("open", open("temporary", O_RDWR | O_CREAT, 0644));
        unlink("temporary");
        for (int n = 0; n < 16; n++) {
            if (write(fd, block, sizeof(block)) != (ssize_t)sizeof(block)) {
                say("round %d: %s", i, error_name(errno));
                return 1;
            }
        }
        close(fd);
    }
    say("100 MB went through a file without a name");
    return 0;
}
