/* Thread-local variables, errno among them, in a process and its child. */
#include <errno.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

static __thread int initialised = 42;
static __thread int zero;
static __thread char buffer[5000];

int main(void)
{
    int status;
    printf("%d %d %d\n", initialised, zero, buffer[4999]);
    fflush(stdout);
    initialised++;
    zero += 5;
    pid_t pid = fork();
    if (pid == 0) {
        initialised++;
        printf("child %d %d\n", initialised, zero);
        fflush(stdout);
        errno = 7;
        _exit(errno);
    }
    errno = 0;
    waitpid(pid, &status, 0);
    printf("parent %d %d, errno %d, child's %d\n", initialised, zero, errno, WEXITSTATUS(status));
    close(-1);
    printf("after a bad close: %d\n", errno == EBADF);
    return 0;
}
