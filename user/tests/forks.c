/*
 * fork, vfork and clone: what the child shares, what it has of its own, and its exit status.
 */
#include "check.h"

#include <sys/syscall.h>

#define CLONE_VM             0x00000100
#define CLONE_VFORK          0x00004000
#define CLONE_PARENT_SETTID  0x00100000
#define CLONE_CHILD_CLEARTID 0x00200000
#define CLONE_CHILD_SETTID   0x01000000

static volatile int shared = 1;
static int in_data = 5;

static void statuses(void)
{
    static const int codes[] = {0, 1, 7, 127, 128, 255, 256, 511, -1};
    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        pid_t pid = (pid_t)must("fork", fork());
        if (pid == 0)
            _exit(codes[i]);
        char what[32];
        snprintf(what, sizeof(what), "_exit(%d)", codes[i]);
        show_status(what, wait_for(pid));
    }
}

static void copies(void)
{
    int on_stack = 6, *on_heap = malloc(sizeof(int));
    *on_heap = 7;
    pid_t parent = getpid(), pid = (pid_t)must("fork", fork());
    if (pid == 0) {
        say("child: data %d, stack %d, heap %d", in_data, on_stack, *on_heap);
        in_data = on_stack = *on_heap = 9;
        say("child: getppid is the parent %d, getpid is new %d", getppid() == parent,
            getpid() != parent);
        _exit(0);
    }
    show_status("child", wait_for(pid));
    say("parent: data %d, stack %d, heap %d", in_data, on_stack, *on_heap);
}

static void offsets(void)
{
    char buffer[4] = "";
    write_file("offset", "abcdefghi");
    int fd = (int)must("open", open("offset", O_RDONLY));
    pid_t pid = (pid_t)must("fork", fork());
    if (pid == 0) {
        must("read", read(fd, buffer, 3));
        close(fd);
        _exit(0);
    }
    wait_for(pid);
    must("read", read(fd, buffer, 3));
    say("after the child read three: %.3s", buffer);
    close(fd);
}

/* The parent sleeps until the child of vfork is gone, and sees what it did. */
static void vforks(void)
{
    shared = 1;
    pid_t pid = vfork();
    if (pid == 0) {
        shared = 2;
        _exit(4);
    }
    say("after vfork: shared %d", shared);
    show_status("vfork", wait_for(pid));
    pid = vfork();
    if (pid == 0) {
        execl("/bin/false", "false", NULL);
        _exit(127);
    }
    show_status("vfork and exec", wait_for(pid));
}

/* A child on a stack of its own in the parent's memory, as posix_spawn makes it. */
static pid_t clone_with_stack(unsigned long flags, char *top, int (*function)(void))
{
    long result;
    register void *child_tid __asm__("r10") = NULL;
    register long tls __asm__("r8") = 0;
    __asm__ volatile("syscall\n\t"
                     "test %%eax, %%eax\n\t"
                     "jnz 1f\n\t"
                     "xor %%ebp, %%ebp\n\t"
                     "call *%[function]\n\t"
                     "mov %%eax, %%edi\n\t"
                     "mov $60, %%eax\n\t"
                     "syscall\n"
                     "1:"
                     : "=a"(result)
                     : "a"(SYS_clone), "D"(flags), "S"(top), "d"(0L), "r"(child_tid),
                       "r"(tls), [function] "r"(function)
                     : "rcx", "r11", "memory");
    return (pid_t)result;
}

static int set_shared(void)
{
    shared = 3;
    return 6;
}

static void clones(void)
{
    static char stack[16384] __attribute__((aligned(16)));
    int tid = 0, child_tid = 0;
    pid_t pid =
        clone_with_stack(CLONE_VM | CLONE_VFORK | SIGCHLD, stack + sizeof(stack), set_shared);
    say("after clone(VM|VFORK): shared %d", shared);
    show_status("clone(VM|VFORK)", wait_for(pid));
    pid = (pid_t)syscall(SYS_clone, CLONE_PARENT_SETTID | CLONE_CHILD_SETTID | SIGCHLD, 0, &tid,
                         &child_tid, 0);
    if (pid == 0)
        _exit(child_tid == getpid() ? 8 : 9);
    say("parent tid is the pid: %d, child tid here %d", tid == pid, child_tid);
    show_status("clone(SETTID)", wait_for(pid));
    pid = (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
    if (pid == 0)
        _exit(10);
    show_status("clone as fork", wait_for(pid));
}

static void many(void)
{
    unsigned long sum = 0;
    for (int round = 0; round < 10; round++) {
        pid_t pids[20];
        for (int i = 0; i < 20; i++) {
            pids[i] = (pid_t)must("fork", fork());
            if (pids[i] == 0)
                _exit(i);
        }
        for (int i = 0; i < 20; i++)
            sum += (unsigned long)WEXITSTATUS(wait_for(pids[i]));
    }
    say("sum of 200 statuses: %lu", sum);
}

/* Each generation makes the next one and adds one to its status. */
static int generation(int depth)
{
    if (depth == 0)
        return 0;
    pid_t pid = fork();
    if (pid == 0)
        _exit(generation(depth - 1));
    return pid < 0 ? 255 : WEXITSTATUS(wait_for(pid)) + 1;
}

int main(void)
{
    statuses();
    copies();
    offsets();
    vforks();
    clones();
    many();
    say("generations: %d", generation(50));
    return 0;
}
