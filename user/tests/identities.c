/*
 * User and group ids. Without an argument: what root sees and may do in any world. With the
 * argument `other`: permissions of other users, which needs a host with all user ids.
 */
#include "check.h"

#include <sys/stat.h>

static void ids(void)
{
    say("uid %d, euid %d, gid %d, egid %d", getuid(), geteuid(), getgid(), getegid());
}

static int as_other(void)
{
    must("setgid", setgid(1000));
    must("setuid", setuid(1000));
    ids();
    show("back to root", setuid(0));
    show("group 0", setgid(0));
    show("read 0600 of root", open("private", O_RDONLY));
    show_success("read 0644 of root", open("public", O_RDONLY));
    show("write 0644 of root", open("public", O_WRONLY));
    show_success("write 0666", open("shared", O_WRONLY));
    show("truncate 0644 of root", truncate("public", 0));
    show("access for writing", access("public", W_OK));
    show("access for reading", access("public", R_OK));
    show("chmod of root's", chmod("public", 0777));
    show("chown to itself", chown("public", 1000, 1000));
    show("create in 0755", open("new", O_WRONLY | O_CREAT, 0600));
    show("mkdir in 0755", mkdir("newer", 0755));
    show("unlink in 0755", unlink("public"));
    show("rename in 0755", rename("public", "x"));
    show("list 0700 of root", open("closed", O_RDONLY));
    show("through 0700 of root", open("closed/file", O_RDONLY));
    show_success("through 0711 of root", open("passage/file", O_RDONLY));
    show("list 0711 of root", open("passage", O_RDONLY));
    show_success("create in 0777", open("free/mine", O_WRONLY | O_CREAT, 0600));
    show("unlink root's in 0777", unlink("free/roots"));
    show("unlink root's in a sticky one", unlink("sticky/roots"));
    show_success("create in a sticky one", open("sticky/mine", O_WRONLY | O_CREAT, 0600));
    show("unlink one's own in a sticky one", unlink("sticky/mine"));
    show("execute 0644", execl("public", "public", NULL));
    show("execute 0744 of root", execl("roots_program", "x", NULL));
    show("mknod of a device", mknod("free/device", S_IFCHR | 0600, 0x103));
    show("a fifo is allowed", mkfifo("free/fifo", 0600));
    show("kill root's process", kill(getppid(), 0));
    show("file of group 1000, 0640", open("of_group", O_RDONLY) >= 0);
    show("file of its own, 0400, for writing", open("own", O_WRONLY));
    show("make it writable", chmod("own", 0600));
    show_success("then", open("own", O_WRONLY));
    show("own, group bits do not count for the owner", open("own_but_group", O_RDONLY));
    show("utimensat to a time of root's", utimensat(AT_FDCWD, "public", NULL, 0));
    return 0;
}

static void make(const char *path, mode_t mode, int owner, int group)
{
    write_file(path, "x");
    must("chmod", chmod(path, mode));
    must("chown", chown(path, (uid_t)owner, (gid_t)group));
}

static void others(void)
{
    umask(0);
    must("chmod", chmod(".", 0755));
    make("private", 0600, 0, 0);
    make("public", 0644, 0, 0);
    make("shared", 0666, 0, 0);
    make("of_group", 0640, 0, 1000);
    make("own", 0400, 1000, 1000);
    make("own_but_group", 0070, 1000, 1000);
    make("roots_program", 0744, 0, 0);
    must("mkdir", mkdir("closed", 0700));
    must("mkdir", mkdir("passage", 0711));
    must("mkdir", mkdir("free", 0777));
    must("mkdir", mkdir("sticky", 01777));
    make("closed/file", 0644, 0, 0);
    make("passage/file", 0644, 0, 0);
    make("free/roots", 0644, 0, 0);
    make("sticky/roots", 0644, 0, 0);
    show_child("as another user", as_other);
    struct stat status;
    must("stat", stat("free/mine", &status));
    say("made by it: uid %u, gid %u", status.st_uid, status.st_gid);
    must("chmod", chmod("shared", 06755));
    must("chown", chown("shared", 1000, 1000));
    must("stat", stat("shared", &status));
    say("chown takes setuid away: %o", status.st_mode);
    show("chown of one id only", chown("shared", (uid_t)-1, 5));
    must("stat", stat("shared", &status));
    say("uid %u, gid %u", status.st_uid, status.st_gid);
}

int main(int argc, char **argv)
{
    ids();
    show("setuid to itself", setuid(0));
    show("setgid to itself", setgid(0));
    write_file("none", "x");
    must("chmod", chmod("none", 0));
    show_success("root reads mode 0", open("none", O_RDONLY));
    show("access says so", access("none", R_OK | W_OK));
    show("but cannot execute it", access("none", X_OK));
    show("chown to itself", chown("none", 0, 0));
    show("chown of nothing", chown("nothing", 0, 0));
    show("access with a wrong mode", access("none", 8));
    if (argc > 1 && strcmp(argv[1], "other") == 0)
        others();
    return 0;
}
