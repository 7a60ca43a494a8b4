/*
 * execve: what the new program is given, and what it inherits.
 */
#include "check.h"

#include <sys/mman.h>
#include <sys/stat.h>

#include "kern/abi/elf.h"

static void show_arguments(int argc, char **argv, char **envp)
{
    say("argc %d", argc);
    for (int i = 0; argv[i] != NULL; i++)
        say("argv[%d] \"%s\"", i, argv[i]);
    for (int i = 0; envp[i] != NULL; i++)
        say("envp[%d] \"%s\"", i, envp[i]);
}

/* The vector behind the environment. */
static void show_vector(char **argv, char **envp)
{
    while (*envp != NULL)
        envp++;
    unsigned long *vector = (unsigned long *)(envp + 1), value[64] = {0};
    bool has[64] = {false};
    for (; vector[0] != AT_NULL; vector += 2) {
        if (vector[0] < 64) {
            value[vector[0]] = vector[1];
            has[vector[0]] = true;
        }
    }
    const struct elf64_header *header = (const struct elf64_header *)0x400000;
    say("AT_PAGESZ %lu", value[AT_PAGESZ]);
    say("AT_PHDR is the headers: %d", value[AT_PHDR] == 0x400000 + header->e_phoff);
    say("AT_PHENT %lu", value[AT_PHENT]);
    say("AT_PHNUM is the headers': %d", value[AT_PHNUM] == header->e_phnum);
    say("AT_ENTRY is the header's: %d", value[AT_ENTRY] == header->e_entry);
    say("AT_UID %lu, AT_EUID %lu, AT_GID %lu, AT_EGID %lu", value[AT_UID], value[AT_EUID],
        value[AT_GID], value[AT_EGID]);
    say("AT_SECURE: %d %lu", has[AT_SECURE], value[AT_SECURE]);
    unsigned char *random = (unsigned char *)value[AT_RANDOM], any = 0;
    for (int i = 0; i < 16 && random != NULL; i++)
        any |= random[i];
    say("AT_RANDOM points to bytes: %d", any != 0);
    const char *name = (const char *)value[AT_EXECFN];
    say("AT_EXECFN: %s", name != NULL ? strrchr(name, '/') : "none");
    say("argc lies on a multiple of 16: %d", ((unsigned long)argv - 8) % 16 == 0);
}

static void show_inherited(void)
{
    struct sigaction action;
    sigset_t mask;
    sigprocmask(SIG_BLOCK, NULL, &mask);
    say("SIGUSR1 blocked: %d, SIGUSR2 blocked: %d", sigismember(&mask, SIGUSR1),
        sigismember(&mask, SIGUSR2));
    sigaction(SIGTERM, NULL, &action);
    say("SIGTERM ignored still: %d", action.sa_handler == SIG_IGN);
    sigaction(SIGINT, NULL, &action);
    say("SIGINT handled no more: %d", action.sa_handler == SIG_DFL);
    sigset_t pending;
    sigpending(&pending);
    say("SIGUSR1 pending still: %d", sigismember(&pending, SIGUSR1));
    show("fcntl of 20", fcntl(20, F_GETFD));
    show("fcntl of 21, which closes on exec", fcntl(21, F_GETFD));
    char cwd[100];
    say("cwd ends in %s", strrchr(getcwd(cwd, sizeof(cwd)), '/'));
    say("umask %o", umask(0));
}

static void handler(int signal)
{
    (void)signal;
}

static int exec_self(void)
{
    char *argv[] = {"name of its own", "image", "", "two words", "tab\there", NULL};
    char *envp[] = {"A=1", "EMPTY=", "no equals sign", NULL};
    sigset_t mask;
    must("mkdir", mkdir("directory", 0777));
    must("chdir", chdir("directory"));
    umask(027);
    sigemptyset(&mask);
    sigaddset(&mask, SIGUSR1);
    sigprocmask(SIG_BLOCK, &mask, NULL);
    raise(SIGUSR1);
    signal(SIGTERM, SIG_IGN);
    signal(SIGINT, handler);
    must("dup2", dup2(1, 20));
    must("dup3", dup3(1, 21, O_CLOEXEC));
    must("execve", execve("/tests/execs", argv, envp));
    return 99;
}

static int exec_without_arguments(void)
{
    char *none[] = {NULL};
    say("empty envp");
    char *argv[] = {"execs", "environment", NULL};
    must("execve", execve("/tests/execs", argv, none));
    return 99;
}

static int exec_many_arguments(void)
{
    static char *argv[2002];
    argv[0] = "execs";
    argv[1] = "count";
    for (int i = 2; i < 2001; i++)
        argv[i] = "an argument of thirty-two bytes!";
    must("execve", execve("/tests/execs", argv, (char *[]){NULL}));
    return 99;
}

/* A program keeps its process: id, parent, children. */
static int exec_keeps_children(void)
{
    char pid[16], child[16];
    pid_t made = fork();
    if (made == 0)
        _exit(44);
    snprintf(pid, sizeof(pid), "%d", (int)getpid());
    snprintf(child, sizeof(child), "%d", (int)made);
    char *argv[] = {"execs", "family", pid, child, NULL};
    must("execve", execve("/tests/execs", argv, (char *[]){NULL}));
    return 99;
}

/* Old memory is gone: what was mapped faults. */
static int exec_drops_memory(void)
{
    char *address = mmap((void *)0x200000000000, 4096, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    *address = 1;
    char *argv[] = {"execs", "touch", NULL};
    must("execve", execve("/tests/execs", argv, (char *[]){NULL}));
    return 99;
}

int main(int argc, char **argv, char **envp)
{
    const char *mode = argc > 1 ? argv[1] : "";
    if (strcmp(mode, "image") == 0) {
        show_arguments(argc, argv, envp);
        show_vector(argv, envp);
        show_inherited();
        return 12;
    }
    if (strcmp(mode, "environment") == 0) {
        show_arguments(argc, argv, envp);
        return 13;
    }
    if (strcmp(mode, "count") == 0) {
        say("argc %d, last \"%s\"", argc, argv[argc - 1]);
        return 14;
    }
    if (strcmp(mode, "family") == 0) {
        say("the same process: %d", atoi(argv[2]) == getpid());
        show_status("child from before", wait_for(atoi(argv[3])));
        return 15;
    }
    if (strcmp(mode, "touch") == 0)
        return *(volatile char *)0x200000000000;
    show_child("exec", exec_self);
    show_child("exec with no environment", exec_without_arguments);
    show_child("exec with 2000 arguments", exec_many_arguments);
    show_child("exec of a parent", exec_keeps_children);
    show_child("exec drops memory", exec_drops_memory);
    return 0;
}
