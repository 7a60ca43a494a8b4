/*
 * Threads: clone(2) as pthread_create() uses it; what threads share, how they and their process
 * end, exec, fork and wait in one of several, and processes that share memory.
 */
#include "threads.h"

#include <sys/ioctl.h>
#include <sys/stat.h>

#define THREADS 4
#define ROUNDS  2000

static volatile uint32_t mutex, ready;
static volatile long counter;

/* Wait until `count` threads have said that they are there. */
static void wait_for_ready(uint32_t count)
{
    uint32_t now;

    while ((now = __atomic_load_n(&ready, __ATOMIC_SEQ_CST)) < count)
        wait_while(&ready, now);
}

static void say_ready(void)
{
    __atomic_fetch_add(&ready, 1, __ATOMIC_SEQ_CST);
    futex_wake(&ready, INT32_MAX);
}

/* --- Making them ------------------------------------------------------------------------------ */

static int count_up(void *argument)
{
    for (int i = 0; i < ROUNDS; i++) {
        lock(&mutex);
        counter++;
        unlock(&mutex);
    }
    return (int)(long)argument + 10;
}

static void counting(void)
{
    struct thread threads[THREADS];

    for (long i = 0; i < THREADS; i++)
        thread_start(&threads[i], count_up, (void *)i);
    for (int i = 0; i < THREADS; i++)
        say("thread %d ended with %d", i, thread_join(&threads[i]));
    say("together they counted %ld", counter);
}

static int remember_ids(void *argument)
{
    long *ids = argument;

    ids[0] = raw(SYS_getpid);
    ids[1] = raw(SYS_gettid);
    ids[2] = raw(SYS_getppid);
    return 0;
}

static void ids(void)
{
    long first[3], second[3];
    struct thread threads[2];
    long tid = thread_start_with(&threads[0], THREAD_FLAGS, remember_ids, first);

    thread_join(&threads[0]);
    thread_start(&threads[1], remember_ids, second);
    thread_join(&threads[1]);
    say("main: the thread id is the pid %d", gettid() == getpid());
    say("one process %d, one parent %d", first[0] == getpid() && second[0] == getpid(),
        first[2] == getppid() && second[2] == getppid());
    say("own thread ids %d, what clone returned %d",
        first[1] != getpid() && second[1] != getpid() && first[1] != second[1], first[1] == tid);
}

static volatile uint32_t child_tid, other_tid;

static int look_at_child_tid(void *argument)
{
    (void)argument;
    long address = raw(SYS_set_tid_address, &other_tid);

    other_tid = 5;
    return child_tid == (uint32_t)raw(SYS_gettid) && address == raw(SYS_gettid);
}

static void read_thread_pointer(struct thread *self)
{
    long value;

    __asm__ volatile("mov %%fs:8, %0" : "=r"(value));
    self->result = (int)value;
    raw(SYS_exit, 0);
}

static void flags(void)
{
    static long area[2] = {0, 77};
    static struct thread thread;
    unsigned long only_set = THREAD_FLAGS & ~(CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID);

    child_tid = 1;
    char *stack = (char *)mmap(NULL, THREAD_STACK, PROT_READ | PROT_WRITE,
                               MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    thread.run = look_at_child_tid;
    struct thread **top = (struct thread **)(stack + THREAD_STACK) - 1;
    *top = &thread;
    other_tid = 1;
    long tid =
        thread_clone(only_set | CLONE_CHILD_SETTID, top, NULL, &child_tid, NULL, thread_main);
    while (other_tid != 0) /* which set_tid_address() made the place to clear */
        futex(&other_tid, FUTEX_WAIT, other_tid, NULL, NULL, 0);
    say("CLONE_CHILD_SETTID and set_tid_address: %d, left alone: %d", thread.result,
        child_tid == (uint32_t)tid);

    *top = &thread;
    thread.tid = 1;
    thread_clone(THREAD_FLAGS | CLONE_SETTLS, top, &thread.tid, &thread.tid, area,
                 read_thread_pointer);
    say("CLONE_SETTLS: %d", thread_join(&thread));

    say("a thread with signals of its own: %s",
        raw_name(raw(SYS_clone, CLONE_VM | CLONE_THREAD, stack)));
    say("a thread with memory of its own: %s",
        raw_name(raw(SYS_clone, CLONE_SIGHAND | CLONE_THREAD, stack)));
    say("common signals, memory of its own: %s", raw_name(raw(SYS_clone, CLONE_SIGHAND, stack)));
    say("a thread pointer that is no address: %s",
        raw_name(raw(SYS_clone, CLONE_SETTLS | SIGCHLD, 0, 0, 0, 1UL << 63)));
    say("clone3: %s", raw_name(raw(435, 0, 0)));
    raw(SYS_munmap, stack, THREAD_STACK);
}

/* --- Ends ------------------------------------------------------------------------------------- */

static int exit_group_now(void *argument)
{
    wait_for_ready(2);
    raw(SYS_exit_group, argument);
    return 0;
}

_Noreturn static int compute(void *argument)
{
    (void)argument;
    say_ready();
    for (;;)
        counter++;
}

_Noreturn static int sleep_in_pause(void *argument)
{
    (void)argument;
    say_ready();
    for (;;)
        raw(SYS_pause);
}

static int crash(void *argument)
{
    wait_for_ready(2);
    *(volatile int *)argument = 0;
    return 0;
}

/* A process with a thread that computes, one that sleeps, and one that does something. */
static int with_others(int (*run)(void *), void *argument)
{
    struct thread threads[3];

    thread_start(&threads[0], compute, NULL);
    thread_start(&threads[1], sleep_in_pause, NULL);
    if (run != NULL)
        thread_start(&threads[2], run, argument);
    sleep_in_pause(NULL);
}

static int end_by_exit_group(void)
{
    return with_others(exit_group_now, (void *)7);
}

static int end_by_fault(void)
{
    return with_others(crash, NULL);
}

static int end_by_abort(void)
{
    struct thread thread;

    thread_start(&thread, sleep_in_pause, NULL);
    wait_for_ready(1);
    raw(SYS_kill, getpid(), SIGABRT);
    return 1;
}

static volatile uint32_t leader_tid = 1;

static int outlive_leader(void *argument)
{
    while (leader_tid != 0)
        futex(&leader_tid, FUTEX_WAIT, leader_tid, NULL, NULL, 0);
    say("the leader is gone, the process is not: %d", raw(SYS_kill, getpid(), 0) == 0);
    if (argument != NULL)
        raw(SYS_exit_group, argument);
    return 5;
}

static int leave_first(void *argument)
{
    struct thread thread;

    raw(SYS_set_tid_address, &leader_tid);
    thread_start(&thread, outlive_leader, argument);
    raw(SYS_exit, 5); /* which of two statuses counts depends on the version of Linux */
    return 1;
}

static int leader_leaves(void)
{
    return leave_first(NULL);
}

static int leader_leaves_and_exit_group(void)
{
    return leave_first((void *)9);
}

static int main_returns(void)
{
    struct thread thread;

    thread_start(&thread, sleep_in_pause, NULL);
    wait_for_ready(1);
    return 4;
}

static void kill_from_outside(int signal)
{
    int pipe_ends[2];
    char byte;

    must("pipe", pipe(pipe_ends));
    pid_t pid = (pid_t)must("fork", fork());
    if (pid == 0) {
        struct thread threads[2];

        thread_start(&threads[0], compute, NULL);
        thread_start(&threads[1], sleep_in_pause, NULL);
        wait_for_ready(2);
        must("write", write(pipe_ends[1], "x", 1));
        sleep_in_pause(NULL);
    }
    must("read", read(pipe_ends[0], &byte, 1));
    must("kill", kill(pid, signal));
    show_status("killed", wait_for(pid));
    close(pipe_ends[0]);
    close(pipe_ends[1]);
}

static void ends(void)
{
    show_child("exit_group in a thread", end_by_exit_group);
    show_child("a fault in a thread", end_by_fault);
    show_child("SIGABRT to the process", end_by_abort);
    show_child("the leader leaves first", leader_leaves);
    show_child("and exit_group", leader_leaves_and_exit_group);
    show_child("main returns", main_returns);
    kill_from_outside(SIGTERM);
    kill_from_outside(SIGKILL);
}

/* --- exec, fork, vfork, wait ------------------------------------------------------------------ */

static char own_path[64];

static int exec_in_thread(void *argument)
{
    char pid[16];
    char *const good[] = {own_path, "executed", pid, NULL};
    char *const environment[] = {NULL};

    (void)argument;
    wait_for_ready(2);
    snprintf(pid, sizeof(pid), "%ld", raw(SYS_getpid));
    say("an exec that fails: %s", raw_name(raw(SYS_execve, "/nowhere", good, environment)));
    say("exec failed: %s", raw_name(raw(SYS_execve, own_path, good, environment)));
    raw(SYS_exit_group, 1); /* of the others one computes for ever */
    return 1;
}

static int exec_with_others(void)
{
    return with_others(exec_in_thread, NULL);
}

static int executed(const char *pid)
{
    say("after exec: the same pid %d, the thread id is the pid %d", getpid() == atoi(pid),
        gettid() == getpid());
    return 6;
}

static int fork_in_thread(void *argument)
{
    (void)argument;
    long pid = raw(SYS_fork);
    if (pid == 0) {
        bool is_leader = raw(SYS_getpid) == raw(SYS_gettid);
        long before = counter;

        for (int i = 0; i < 20; i++)
            raw(SYS_sched_yield);
        raw(SYS_exit_group, is_leader && counter == before ? 8 : 1);
    }
    return (int)pid;
}

static int wait_in_thread(void *argument)
{
    int status = -1;
    long pid = raw(SYS_wait4, (long)argument, &status, 0, NULL);

    return pid < 0 ? (int)pid : WEXITSTATUS(status);
}

static void vfork_child(struct thread *self)
{
    counter = 99;
    raw(SYS_exit_group, self->result);
}

static int vfork_in_thread(void *argument)
{
    static struct thread child = {.result = 2};
    char *stack = argument;
    struct thread **top = (struct thread **)(stack + THREAD_STACK) - 1;

    *top = &child;
    long pid = thread_clone(CLONE_VM | CLONE_VFORK | SIGCHLD, top, NULL, NULL, NULL, vfork_child);
    return counter == 99 ? wait_in_thread((void *)pid) : -1;
}

static void families(void)
{
    struct thread computing, threads[3];
    int results[3], sum = 0, failures = 0;

    show_child("exec in a thread", exec_with_others);
    pid_t pid = (pid_t)must("fork", fork());
    if (pid == 0) {
        thread_start(&computing, compute, NULL);
        thread_start(&threads[0], fork_in_thread, NULL);
        pid = thread_join(&threads[0]);
        show_status("a child of a thread", wait_for(pid));
        _exit(0);
    }
    show_status("its process", wait_for(pid));

    for (int i = 1; i <= 2; i++) {
        if ((pid = (pid_t)must("fork", fork())) == 0)
            _exit(i);
    }
    for (int i = 0; i < 3; i++)
        thread_start(&threads[i], wait_in_thread, (void *)-1L);
    for (int i = 0; i < 3; i++) {
        results[i] = thread_join(&threads[i]);
        failures += results[i] == -ECHILD;
        sum += results[i] > 0 ? results[i] : 0;
    }
    say("three threads wait for two children: %d got none, the statuses add up to %d", failures,
        sum);

    char *stack =
        mmap(NULL, THREAD_STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    thread_start(&threads[0], vfork_in_thread, stack);
    say("vfork in a thread: %d", thread_join(&threads[0]));
    munmap(stack, THREAD_STACK);
}

/* --- What is shared ----------------------------------------------------------------------------
 */

static int change_everything(void *argument)
{
    int *descriptor = argument;

    *descriptor = (int)raw(SYS_open, "shared", O_RDWR | O_CREAT, 0666);
    raw(SYS_write, *descriptor, "text", 4);
    raw(SYS_mkdir, "folder", 0777);
    raw(SYS_chdir, "folder");
    return (int)raw(SYS_umask, 077);
}

#define LARGE 100000 /* more than a pipe holds */

static int write_pipe(void *argument)
{
    static const char data[LARGE];

    return (int)raw(SYS_write, *(int *)argument, data, sizeof(data));
}

static void sharing(void)
{
    struct thread thread;
    int descriptor = -1, ends[2], writing, present, total = 0;
    char name[64], buffer[4096];

    thread_start(&thread, change_everything, &descriptor);
    say("the old umask: %o", (unsigned)thread_join(&thread));
    say("the new one: %o", (unsigned)umask(022));
    say("the offset in a file of the thread: %ld", (long)lseek(descriptor, 0, SEEK_CUR));
    close(descriptor);
    getcwd(name, sizeof(name));
    say("the directory: %s", name);
    chdir("..");

    must("pipe", pipe(ends));
    writing = ends[1];
    thread_start(&thread, write_pipe, &writing);
    do
        must("ioctl", ioctl(ends[0], FIONREAD, &present));
    while (present < 65536); /* the pipe is full, and the thread inside the call */
    show("close the end that a thread writes to", close(writing));
    while ((present = (int)read(ends[0], buffer, sizeof(buffer))) > 0)
        total += present;
    say("read %d bytes up to the end", total);
    say("the thread has written %d", thread_join(&thread));
    close(ends[0]);
}

/* --- A process that shares memory ---------------------------------------------------------------
 */

static int live_in_common_memory(void *argument)
{
    int *descriptor = argument;

    counter = raw(SYS_getpid) == raw(SYS_gettid) ? 1234 : 0;
    raw(SYS_close, *descriptor);
    *descriptor = (int)raw(SYS_getpid);
    return 11;
}

static void common_memory(void)
{
    struct thread child;
    int fd = (int)must("open", open("shared", O_RDONLY)), descriptor = fd;
    long pid = thread_start_with(&child, CLONE_VM | CLONE_CHILD_CLEARTID | SIGCHLD,
                                 live_in_common_memory, &descriptor);

    show_status("a process in our memory", wait_for((pid_t)pid));
    say("it wrote %ld, and its own pid %d; its id is cleared %d", counter, descriptor == pid,
        child.tid == 0);
    say("our file is open: %d", fcntl(fd, F_GETFD) == 0);
    thread_join(&child);
    pid = thread_start_with(&child, CLONE_VM | CLONE_FILES | SIGCHLD, live_in_common_memory, &fd);
    descriptor = fd;
    show_status("one that shares files, too", wait_for((pid_t)pid));
    say("our file is closed: %s", fcntl(descriptor, F_GETFD) < 0 ? error_name(errno) : "no");
}

int main(int argc, char **argv)
{
    snprintf(own_path, sizeof(own_path), "%s", argv[0]);
    if (argc == 3)
        return executed(argv[2]);
    counting();
    ids();
    flags();
    ends();
    families();
    sharing();
    common_memory();
    return 0;
}
