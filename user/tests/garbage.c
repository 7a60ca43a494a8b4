/*
 * Programs of random bytes: whatever they do, they end, and only they. How each of them ends may
 * depend on the processor, so only their number is printed. The bytes are the same in every run.
 * A program that loops is killed when it had some time.
 */
#include "check.h"

#include <sys/mman.h>

#define PROGRAMS 150
#define SIZE     4096

static uint64_t state = 88172645463325252;

static uint64_t next_random(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

/* Fill a page with garbage and jump into it, with garbage in some registers. */
static void run_garbage(void)
{
    unsigned char *code =
        mmap(NULL, SIZE, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    for (int i = 0; i < SIZE; i++) {
        code[i] = (unsigned char)next_random();
        /* No system calls: what they would do to the world around is not what this is about. */
        if (i > 0 && code[i - 1] == 0x0f && (code[i] == 0x05 || code[i] == 0x34))
            code[i] = 0x0b;
        if (i > 0 && code[i - 1] == 0xcd && code[i] == 0x80)
            code[i] = 0x03;
    }
    for (int fd = 0; fd < 10; fd++)
        close(fd);
    __asm__ volatile("mov %0, %%rbx\n mov %0, %%rsi\n mov %0, %%r15\n jmp *%1"
                     :
                     : "r"(next_random()), "a"(code)
                     : "rbx", "rsi", "r15", "memory");
}

int main(void)
{
    int ended = 0;
    for (int round = 0; round < PROGRAMS / 10; round++) {
        pid_t pids[10];
        for (int i = 0; i < 10; i++) {
            next_random();
            pids[i] = (pid_t)must("fork", fork());
            if (pids[i] == 0)
                run_garbage();
        }
        usleep(20000);
        for (int i = 0; i < 10; i++) {
            kill(pids[i], SIGKILL);
            ended += WIFSIGNALED(wait_for(pids[i]));
        }
    }
    say("programs of garbage that a signal ended: %d", ended);
    return 0;
}
