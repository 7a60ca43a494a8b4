/*
 * rename in all its cases.
 */
#include "check.h"

#include <sys/stat.h>

static unsigned long links(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0 ? (unsigned long)status.st_nlink : 0;
}

static void start(void)
{
    system("rm -rf f g d e full l");
    write_file("f", "f");
    write_file("g", "g");
    must("mkdir", mkdir("d", 0755));
    must("mkdir", mkdir("e", 0755));
    must("mkdir", mkdir("full", 0755));
    write_file("full/x", "x");
    must("symlink", symlink("f", "l"));
}

static void try(const char *what, const char *from, const char *to)
{
    start();
    show(what, rename(from, to));
}

static void files(void)
{
    try("file to a new name", "f", "n");
    show_file("n");
    show("the old one", access("f", F_OK));
    unlink("n");
    try("file over a file", "f", "g");
    show_file("g");
    say("links %lu", links("g"));
    try("file to itself", "f", "f");
    try("file to ./ itself", "f", "./f");
    try("file into a directory", "f", "d/f");
    show_file("d/f");
    try("file over a directory", "f", "d");
    try("file over a full directory", "f", "full");
    try("nothing", "none", "n");
    try("file into nothing", "f", "none/f");
    try("file below a file", "f", "g/f");
    try("file with a slash", "f/", "n");
    try("file to a name with a slash", "f", "n/");
    try("empty from", "", "n");
    try("empty to", "f", "");
    start();
    must("link", link("f", "h"));
    show("file to another link of it", rename("f", "h"));
    say("both are there: %d %d", access("f", F_OK), access("h", F_OK));
    unlink("h");
    start();
    int fd = (int)must("open", open("g", O_RDONLY));
    char c = 0;
    show("over an open file", rename("f", "g"));
    show("which can still be read", read(fd, &c, 1));
    say("%c", c);
    close(fd);
}

static void directories(void)
{
    try("directory to a new name", "d", "n");
    say("links of n: %lu", links("n"));
    rmdir("n");
    unsigned long before;
    start();
    before = links(".");
    show("directory into a directory", rename("d", "e/d"));
    say("links: e %lu, here one less: %d", links("e"), links(".") + 1 == before);
    struct stat up, e;
    must("stat", stat("e/d/..", &up));
    must("stat", stat("e", &e));
    say("its .. is the new parent: %d", up.st_ino == e.st_ino);
    try("directory over an empty one", "full", "d");
    show_file("d/x");
    try("directory over a full one", "d", "full");
    try("directory over a file", "d", "f");
    try("directory over a link", "d", "l");
    try("directory below itself", "d", "d/n");
    try("directory deep below itself", "full", "full/../full/n");
    try("directory to itself", "d", "d");
    try("directory with a slash", "d/", "n/");
    rmdir("n");
    try("over its own parent", "full/x", "full");
    start();
    must("mkdir", mkdir("full/sub", 0755));
    show("directory over its parent", rename("full/sub", "full"));
    show("parent over its child", rename("full", "full/sub"));
    try("dot", ".", "n");
    try("dot dot", "..", "n");
    try("to dot", "d", ".");
    try("the root", "/", "n");
    start();
    int fd = (int)must("open", open("d", O_RDONLY));
    show("over an open directory", rename("e", "d"));
    show("nothing can be made in the old one", openat(fd, "new", O_CREAT | O_WRONLY, 0600));
    close(fd);
    start();
    must("chdir", chdir("full"));
    show("the working directory", rename("../full", "../n"));
    char path[256];
    say("getcwd: %s", strrchr(getcwd(path, sizeof(path)), '/'));
    must("chdir", chdir(".."));
    system("rm -r n");
}

static void symbolic(void)
{
    char buffer[8];
    try("a link", "l", "n");
    show("is still a link", readlink("n", buffer, sizeof(buffer)));
    unlink("n");
    try("file over a link", "g", "l");
    show("it is no link any more", readlink("l", buffer, sizeof(buffer)));
    show_file("f");
    try("link over its target", "l", "f");
    show("a link to itself", access("f", F_OK));
}

/* Two processes rename in opposite directions: no deadlock, and nothing lost. */
static void storm(void)
{
    start();
    must("mkdir", mkdir("p", 0755));
    must("mkdir", mkdir("q", 0755));
    must("mkdir", mkdir("p/s", 0755));
    must("mkdir", mkdir("q/t", 0755));
    pid_t pids[4];
    for (int i = 0; i < 4; i++) {
        pids[i] = (pid_t)must("fork", fork());
        if (pids[i] != 0)
            continue;
        for (int n = 0; n < 200; n++) {
            if (i == 0)
                rename("p/s", "q/s");
            else if (i == 1)
                rename("q/s", "p/s");
            else if (i == 2)
                rename("q/t", "p/t");
            else
                rename("p/t", "q/t");
        }
        _exit(0);
    }
    for (int i = 0; i < 4; i++)
        wait_for(pids[i]);
    int s = access("p/s", F_OK) + access("q/s", F_OK),
        t = access("p/t", F_OK) + access("q/t", F_OK);
    say("after the storm: s is in one place %d, t is in one place %d", s == -1, t == -1);
    say("links add up: %lu", links("p") + links("q"));
    system("rm -r p q");
}

int main(void)
{
    files();
    directories();
    symbolic();
    storm();
    return 0;
}
