/*
 * Signals and threads: masks and pending signals of each thread, signals to the process, faults,
 * stopping and continuing, alternate stacks (sigaltstack(2)).
 */
#include "threads.h"

#include <setjmp.h>
#include <ucontext.h>

static volatile uint32_t handled, handler_tid, order, answers;
static volatile int handler_code, handler_signal;
static volatile bool sender_is_self;

static void handle(int signal, siginfo_t *info, void *context)
{
    (void)context;
    handler_tid = (uint32_t)raw(SYS_gettid);
    handler_signal = signal;
    handler_code = info->si_code;
    sender_is_self = info->si_pid == raw(SYS_getpid);
    __atomic_fetch_add(&handled, 1, __ATOMIC_SEQ_CST);
    futex_wake(&handled, INT32_MAX);
}

static void install(int signal, int more_flags)
{
    struct sigaction action = {.sa_sigaction = handle, .sa_flags = SA_SIGINFO | more_flags};

    must("sigaction", sigaction(signal, &action, NULL));
}

static uint64_t bit(int signal)
{
    return 1UL << (signal - 1);
}

static void mask(int how, uint64_t set)
{
    raw(SYS_rt_sigprocmask, how, &set, NULL, sizeof(set));
}

static uint64_t pending(void)
{
    uint64_t set = 0;

    raw(SYS_rt_sigpending, &set, sizeof(set));
    return set;
}

/* --- Whose signal it is ------------------------------------------------------------------------
 */

enum { ORDER_UNBLOCK = 1, ORDER_LOOK, ORDER_KILL, ORDER_END };

/* Start with the given mask and do what `order` says, one order after the other. */
static int obey(void *argument)
{
    uint32_t last = 0;

    mask(SIG_SETMASK, (uint64_t)argument);
    announce(&answers, 1);
    for (;;) {
        wait_while(&order, last);
        last = order;
        if (last == ORDER_UNBLOCK)
            mask(SIG_SETMASK, 0);
        if (last == ORDER_KILL)
            raw(SYS_kill, raw(SYS_getpid), SIGUSR1);
        if (last == ORDER_END)
            return 0;
        announce(&answers, answers + 1 + (last == ORDER_LOOK && pending() != 0 ? 100 : 0));
    }
}

static void start(struct thread *thread, uint64_t blocked)
{
    handled = handler_tid = answers = order = 0;
    thread_start(thread, obey, (void *)blocked);
    wait_while(&answers, 0);
}

/* Give an order, and return what is added to `answers` when it is done. */
static uint32_t give(uint32_t next)
{
    uint32_t before = answers;

    announce(&order, next);
    if (next != ORDER_END)
        wait_while(&answers, before);
    return answers - before;
}

static void end(struct thread *thread)
{
    give(ORDER_END);
    thread_join(thread);
}

static const char *who(const struct thread *thread)
{
    return handler_tid == 0 ? "nobody" : handler_tid == thread->tid ? "the thread" : "main";
}

static void receivers(void)
{
    uint64_t usr1 = bit(SIGUSR1);
    struct thread thread;

    install(SIGUSR1, 0);
    start(&thread, usr1);
    kill(getpid(), SIGUSR1);
    wait_while(&handled, 0);
    say("to a process whose thread blocks it: %s, code %d, from us %d", who(&thread),
        handler_code == SI_USER, sender_is_self);
    end(&thread);

    start(&thread, 0);
    give(ORDER_KILL);
    wait_while(&handled, 0);
    say("sent by the thread, which does not block it: %s", who(&thread));
    end(&thread);

    mask(SIG_SETMASK, usr1);
    start(&thread, 0);
    kill(getpid(), SIGUSR1);
    wait_while(&handled, 0);
    say("whose main thread blocks it: %s", who(&thread));
    end(&thread);

    start(&thread, usr1);
    kill(getpid(), SIGUSR1);
    say("which both block: pending %d and %d", pending() == usr1, give(ORDER_LOOK) == 101);
    give(ORDER_UNBLOCK);
    say("the thread unblocks it: %s, pending %d", who(&thread), pending() != 0);
    end(&thread);

    start(&thread, usr1);
    long result = raw(SYS_tgkill, getpid(), thread.tid, SIGUSR1);
    say("to the thread: %s, pending %d and %d", raw_name(result), pending() != 0,
        give(ORDER_LOOK) == 101);
    mask(SIG_SETMASK, 0);
    say("main unblocks it: %s", who(&thread));
    give(ORDER_UNBLOCK);
    say("the thread unblocks it: %s, code %d, from us %d", who(&thread), handler_code == SI_TKILL,
        sender_is_self);
    end(&thread);

    mask(SIG_SETMASK, usr1);
    raw(SYS_tkill, gettid(), SIGUSR1);
    start(&thread, usr1);
    say("a new thread inherits what is blocked, not what is pending: %d",
        give(ORDER_LOOK) == 1 && pending() == usr1);
    end(&thread);
    mask(SIG_SETMASK, 0);
    say("main had one: %u", handled);
}

static void errors(void)
{
    struct thread thread;

    start(&thread, 0);
    say("tgkill nothing: %s", raw_name(raw(SYS_tgkill, getpid(), thread.tid, 0)));
    say("the wrong process: %s", raw_name(raw(SYS_tgkill, getppid(), thread.tid, SIGUSR1)));
    say("no thread: %s", raw_name(raw(SYS_tgkill, getpid(), 1 << 29, SIGUSR1)));
    say("bad ids: %s %s", raw_name(raw(SYS_tgkill, 0, thread.tid, SIGUSR1)),
        raw_name(raw(SYS_tgkill, getpid(), -1, SIGUSR1)));
    say("a bad signal: %s %s", raw_name(raw(SYS_tgkill, getpid(), thread.tid, 65)),
        raw_name(raw(SYS_tkill, thread.tid, -1)));
    say("tkill: %s", raw_name(raw(SYS_tkill, thread.tid, 0)));
    uint32_t tid = thread.tid;
    end(&thread);
    /* Joining waits for clear_child_tid, which comes a moment before the thread has gone. */
    while (raw(SYS_tkill, tid, 0) == 0)
        sched_yield();
    say("to one that has ended: %s", raw_name(raw(SYS_tkill, tid, 0)));
}

/* Everyone sleeps in pause(); as many signals as there are threads wake them all. */
#define SLEEPERS 3

static int sleep_once(void *argument)
{
    volatile uint32_t *done = argument;

    raw(SYS_pause);
    __atomic_fetch_add(done, 1, __ATOMIC_SEQ_CST);
    mask(SIG_SETMASK, ~0UL);
    return 0;
}

static void everyone(void)
{
    struct thread threads[SLEEPERS];
    volatile uint32_t done = 0;

    mask(SIG_SETMASK, bit(SIGUSR1));
    mask(SIG_UNBLOCK, bit(SIGUSR1));
    for (int i = 0; i < SLEEPERS; i++)
        thread_start(&threads[i], sleep_once, (void *)&done);
    mask(SIG_SETMASK, bit(SIGUSR1));
    while (done < SLEEPERS) {
        kill(getpid(), SIGUSR1);
        sched_yield();
    }
    for (int i = 0; i < SLEEPERS; i++)
        thread_join(&threads[i]);
    mask(SIG_SETMASK, 0);
    say("all sleepers have had a signal");
}

/* --- Faults ------------------------------------------------------------------------------------
 */

static jmp_buf back;

static void jump_back(int signal, siginfo_t *info, void *context)
{
    (void)context;
    handle(signal, info, context);
    longjmp(back, signal);
}

static int fault(void *argument)
{
    if (setjmp(back) == 0)
        *(volatile int *)argument = 1;
    return handler_tid == (uint32_t)raw(SYS_gettid);
}

static int fault_blocked(void *argument)
{
    mask(SIG_BLOCK, bit(SIGSEGV));
    *(volatile int *)argument = 1;
    return 0;
}

static int fault_in_thread(void)
{
    struct thread thread;

    thread_start(&thread, fault_blocked, NULL);
    return thread_join(&thread);
}

static int write_to_broken_pipe(void *argument)
{
    (void)argument;
    int ends[2];

    raw(SYS_pipe, ends);
    raw(SYS_close, ends[0]);
    long result = raw(SYS_write, ends[1], "x", 1);
    raw(SYS_close, ends[1]);
    return (int)result;
}

static void faults(void)
{
    struct sigaction action = {.sa_sigaction = jump_back, .sa_flags = SA_SIGINFO | SA_NODEFER};
    struct thread thread;

    sigaction(SIGSEGV, &action, NULL);
    thread_start(&thread, fault, NULL);
    int result = thread_join(&thread);
    say("a fault is handled by the thread: %d, code %d", result, handler_code);
    show_child("one that is blocked", fault_in_thread);

    install(SIGPIPE, 0);
    handled = 0;
    thread_start(&thread, write_to_broken_pipe, NULL);
    uint32_t tid = thread.tid;
    result = thread_join(&thread);
    say("SIGPIPE: %s, to the thread %d, code %d", raw_name(result), handler_tid == tid,
        handler_code);
}

/* --- Stopping and continuing --------------------------------------------------------------------
 */

static int count(void *argument)
{
    volatile uint32_t *counter = argument;

    for (;;) {
        __atomic_fetch_add(counter, 1, __ATOMIC_SEQ_CST);
        raw(SYS_sched_yield);
    }
    return 0;
}

static void wait_for_progress(volatile uint32_t *counters)
{
    for (int i = 0; i < 3; i++) {
        for (uint32_t before = counters[i]; counters[i] == before;)
            sched_yield();
    }
}

static void stops(void)
{
    volatile uint32_t *counters =
        mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    int status;

    pid_t pid = (pid_t)must("fork", fork());
    if (pid == 0) {
        struct thread threads[2];

        for (int i = 0; i < 2; i++)
            thread_start(&threads[i], count, (void *)&counters[i]);
        counters[3] = threads[0].tid;
        count((void *)&counters[2]);
    }
    wait_for_progress(counters);
    for (int round = 0; round < 3; round++) {
        if (round == 1)
            raw(SYS_tgkill, pid, counters[3], SIGSTOP);
        else
            kill(pid, SIGSTOP);
        must("waitpid", waitpid(pid, &status, WUNTRACED));
        show_status("a process of three threads", status);
        uint32_t before = counters[0] + counters[1] + counters[2];
        for (int i = 0; i < 50; i++)
            sched_yield();
        say("all of them: %d", before == counters[0] + counters[1] + counters[2]);
        if (round == 2)
            break;
        kill(pid, SIGCONT);
        must("waitpid", waitpid(pid, &status, WCONTINUED));
        say("continued: %d", WIFCONTINUED(status));
        wait_for_progress(counters);
    }
    raw(SYS_tgkill, pid, counters[3], SIGKILL);
    show_status("SIGKILL to one of them", wait_for(pid));
    munmap((void *)counters, 4096);
}

/* --- Alternate stacks ---------------------------------------------------------------------------
 */

#define STACK_SIZE 32768

static char stack[STACK_SIZE];

static long set_stack(void *base, int flags, size_t size, stack_t *old)
{
    stack_t new = {.ss_sp = base, .ss_flags = flags, .ss_size = size};

    return raw(SYS_sigaltstack, base != NULL || flags != 0 ? &new : NULL, old);
}

static void show_stack(const char *what)
{
    stack_t now;
    char here;
    long result = raw(SYS_sigaltstack, NULL, &now);

    say("%s: %s, flags %d, size %zu, ours %d; we are on it %d", what, raw_name(result),
        now.ss_flags, now.ss_size, now.ss_sp == stack,
        &here >= stack && &here < stack + STACK_SIZE);
}

static void look_from_handler(int signal, siginfo_t *info, void *context)
{
    const ucontext_t *saved = context;

    (void)info;
    show_stack(signal == SIGUSR1 ? "in a handler" : "in a handler without SA_ONSTACK");
    say("saved: flags %d, size %zu", saved->uc_stack.ss_flags, saved->uc_stack.ss_size);
    if (signal == SIGUSR1) {
        say("change it there: %s", raw_name(set_stack(stack, 0, STACK_SIZE, NULL)));
        raise(SIGUSR2); /* nested, on the same stack */
    }
}

/* Use up `pages` of the stack, which is all of it. */
static int recurse(volatile char *before, int pages)
{
    volatile char page[4096];

    page[0] = before[0];
    return pages == 0 ? 0 : recurse(page, pages - 1) + page[0];
}

#define ENDLESS 1000000

static int stack_of_thread(void *argument)
{
    stack_t now;

    (void)argument;
    raw(SYS_sigaltstack, NULL, &now);
    return now.ss_flags;
}

static int stack_of_child(void)
{
    show_stack("in a child");
    return 0;
}

static int handler_without_stack(void)
{
    volatile char first = 0;
    struct sigaction action = {.sa_sigaction = jump_back, .sa_flags = SA_SIGINFO};

    sigaction(SIGSEGV, &action, NULL);
    return recurse(&first, ENDLESS);
}

static void alternate_stacks(void)
{
    struct sigaction action = {.sa_sigaction = look_from_handler,
                               .sa_flags = SA_SIGINFO | SA_ONSTACK};
    volatile char first = 0;
    struct thread thread;

    show_stack("at first");
    say("too small: %s", raw_name(set_stack(stack, 0, MINSIGSTKSZ - 1, NULL)));
    say("bad flags: %s", raw_name(set_stack(stack, 7, STACK_SIZE, NULL)));
    say("bad pointers: %s %s", raw_name(raw(SYS_sigaltstack, 8, NULL)),
        raw_name(raw(SYS_sigaltstack, NULL, 8)));
    say("set: %s", raw_name(set_stack(stack, 0, STACK_SIZE, NULL)));
    show_stack("then");
    sigaction(SIGUSR1, &action, NULL);
    action.sa_flags = SA_SIGINFO;
    sigaction(SIGUSR2, &action, NULL);
    raise(SIGUSR1);
    raise(SIGUSR2);
    show_stack("after them");
    show_child("it is inherited", stack_of_child);
    thread_start(&thread, stack_of_thread, NULL);
    say("a new thread: flags %d", thread_join(&thread));

    action = (struct sigaction){.sa_sigaction = jump_back,
                                .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER};
    sigaction(SIGSEGV, &action, NULL);
    int signal = setjmp(back);
    if (signal == 0)
        recurse(&first, ENDLESS);
    say("the end of the stack: signal %d, back %d", signal, !signal);
    show_child("without an alternate stack", handler_without_stack);
    say("take it away: %s", raw_name(set_stack(NULL, SS_DISABLE, 0, NULL)));
    show_stack("at last");
}

static int after_exec(void)
{
    show_stack("after exec");
    return 0;
}

int main(int argc, char **argv)
{
    char *const again[] = {argv[0], "again", NULL}, *const environment[] = {NULL};

    if (argc == 2)
        return after_exec();
    receivers();
    errors();
    everyone();
    faults();
    stops();
    alternate_stacks();
    set_stack(stack, 0, STACK_SIZE, NULL);
    execve(argv[0], again, environment);
    return 1;
}
