/* Signals through another libc: handlers, masks, raise, abort, siglongjmp. */
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static volatile sig_atomic_t count;
static sigjmp_buf back;

static void handler(int signal)
{
    count += signal == SIGUSR1;
}

static void jump(int signal)
{
    (void)signal;
    siglongjmp(back, 1);
}

static void show(const char *what, pid_t pid)
{
    int status;
    waitpid(pid, &status, 0);
    printf("%s: %s %d\n", what, WIFSIGNALED(status) ? "signal" : "exit",
           WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
}

int main(void)
{
    struct sigaction action = {.sa_handler = handler};
    sigset_t mask, old;
    setvbuf(stdout, NULL, _IONBF, 0);
    sigaction(SIGUSR1, &action, NULL);
    raise(SIGUSR1);
    printf("raised: %d\n", count);
    sigemptyset(&mask);
    sigaddset(&mask, SIGUSR1);
    sigprocmask(SIG_BLOCK, &mask, &old);
    raise(SIGUSR1);
    printf("blocked: %d\n", count);
    sigprocmask(SIG_SETMASK, &old, NULL);
    printf("unblocked: %d\n", count);
    pid_t pid = fork();
    if (pid == 0)
        abort();
    show("abort", pid);
    pid = fork();
    if (pid == 0) {
        sigfillset(&mask);
        sigprocmask(SIG_SETMASK, &mask, NULL);
        signal(SIGABRT, SIG_IGN);
        abort();
    }
    show("abort, blocked and ignored", pid);
    pid = fork();
    if (pid == 0)
        *(volatile int *)8 = 1;
    show("fault", pid);
    signal(SIGSEGV, jump);
    for (volatile int i = 0; i < 3; i++) {
        if (sigsetjmp(back, 1) == 0)
            *(volatile int *)8 = 1;
        else
            printf("jumped out of a fault\n");
    }
    return 0;
}
