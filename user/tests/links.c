/*
 * Hard links and symbolic links.
 */
#include "check.h"

#include <sys/stat.h>

static void hard(void)
{
    struct stat a, b;
    write_file("file", "text");
    must("mkdir", mkdir("directory", 0755));
    show("link", link("file", "other"));
    must("stat", stat("file", &a));
    must("stat", stat("other", &b));
    say("the same inode: %d, links %lu", a.st_ino == b.st_ino, (unsigned long)a.st_nlink);
    show("link over an old name", link("file", "other"));
    show("link to nothing", link("none", "x"));
    show("link of a directory", link("directory", "x"));
    show("link in nothing", link("file", "none/x"));
    show("link over a directory", link("file", "directory"));
    show("link below a file", link("file", "other/x"));
    show("link into a directory", link("file", "directory/third"));
    show("unlink the first", unlink("file"));
    show_file("other");
    must("stat", stat("other", &a));
    say("links %lu", (unsigned long)a.st_nlink);
    write_file("other", "new text");
    show_file("directory/third");
    must("unlink", unlink("other"));
    must("unlink", unlink("directory/third"));
    must("rmdir", rmdir("directory"));
}

static void symbolic(void)
{
    char buffer[64];
    struct stat status;
    write_file("target", "the target");
    show("symlink", symlink("target", "link"));
    show("symlink over an old name", symlink("x", "link"));
    show("empty target", symlink("", "empty"));
    show("symlink in nothing", symlink("x", "none/y"));
    show_file("link");
    long n = show("readlink", readlink("link", buffer, sizeof(buffer)));
    say("it says %.*s", (int)n, buffer);
    show("readlink cut short", readlink("link", buffer, 3));
    show("readlink of size 0", readlink("link", buffer, 0));
    show("readlink of a file", readlink("target", buffer, 10));
    show("readlink of nothing", readlink("none", buffer, 10));
    must("lstat", lstat("link", &status));
    say("lstat: mode %o, size %ld", status.st_mode, (long)status.st_size);
    must("stat", stat("link", &status));
    say("stat: mode %o, size %ld", status.st_mode, (long)status.st_size);
    show("O_NOFOLLOW", open("link", O_RDONLY | O_NOFOLLOW));
    show("O_CREAT|O_EXCL", open("link", O_RDONLY | O_CREAT | O_EXCL, 0600));
    show("dangling", symlink("later", "dangling"));
    show("open", open("dangling", O_RDONLY));
    show("stat", stat("dangling", &status));
    show_success("O_CREAT makes the target", open("dangling", O_WRONLY | O_CREAT, 0600));
    show("stat", stat("later", &status));
    show("unlink removes the link", unlink("link"));
    show("the target stays", access("target", F_OK));
    show("link to a symbolic link", link("dangling", "hard"));
    must("lstat", lstat("hard", &status));
    say("is a link itself: %d, links %lu", S_ISLNK(status.st_mode), (unsigned long)status.st_nlink);
}

static void paths(void)
{
    char name[16], target[16];
    must("mkdir", mkdir("d", 0755));
    must("mkdir", mkdir("d/e", 0755));
    write_file("d/e/f", "deep");
    must("symlink", symlink("d", "to_d"));
    must("symlink", symlink("../to_d/e", "d/round"));
    show_file("to_d/e/f");
    show_file("to_d/round/f");
    show_file("d/round/../e/f");
    show_file("to_d/../target");
    show("mkdir through a link", mkdir("to_d/new", 0755));
    show("rmdir through a link", rmdir("to_d/new"));
    show("rmdir of a link", rmdir("to_d"));
    show("rmdir of a link with a slash", rmdir("to_d/"));
    show("chdir through a link", chdir("to_d/round"));
    show_file("f");
    must("chdir", chdir("../.."));
    must("symlink", symlink("b", "a"));
    must("symlink", symlink("a", "b"));
    show("a circle", open("a", O_RDONLY));
    show("in the middle", open("a/x", O_RDONLY));
    must("symlink", symlink("self", "self"));
    show("itself", open("self", O_RDONLY));
    show("lstat of it", lstat("self", &(struct stat){0}));
    for (int i = 0; i < 45; i++) {
        snprintf(name, sizeof(name), "chain%d", i);
        snprintf(target, sizeof(target), i == 0 ? "target" : "chain%d", i - 1);
        must("symlink", symlink(target, name));
    }
    show("a chain of 40", open("chain39", O_RDONLY) >= 0);
    show("a chain of 41", open("chain40", O_RDONLY));
    char at[4096];
    snprintf(at, sizeof(at), "%s/target", getcwd((char[2048]){0}, 2048));
    must("symlink", symlink(at, "absolute"));
    show_file("absolute");
    static char big[4200];
    memset(big, 'x', sizeof(big) - 1);
    show("a target of 4199", symlink(big, "big"));
    big[1000] = '\0';
    show("a target of 1000", symlink(big, "big"));
    show("its length", readlink("big", big, sizeof(big)));
    struct stat status;
    must("lstat", lstat("big", &status));
    say("its size: %ld", (long)status.st_size);
    show("following it", open("big", O_RDONLY));
    big[59] = '\0';
    show("a target of 59", symlink(big, "inside"));
    show("its length", readlink("inside", big, sizeof(big)));
    big[59] = 'x', big[60] = '\0';
    show("a target of 60", symlink(big, "outside"));
    show("its length", readlink("outside", big, sizeof(big)));
}

int main(void)
{
    hard();
    symbolic();
    paths();
    return 0;
}
