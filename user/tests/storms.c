/*
 * Everything at once on all processors: processes that fork, exit, exec, write to pipes and files,
 * map and unmap. Only the totals are printed, and they must be exact.
 */
#include "check.h"

#include <sys/mman.h>
#include <sys/stat.h>

#define WORKERS 6

static int forks(int self)
{
    int sum = 0;
    for (int i = 0; i < 40; i++) {
        pid_t pid = fork();
        if (pid == 0)
            _exit((i + self) % 100);
        sum += pid > 0 ? WEXITSTATUS(wait_for(pid)) : 1000;
    }
    return sum;
}

static int pipes(int self)
{
    int sum = 0;
    for (int i = 0; i < 20; i++) {
        int ends[2], value = i * self, back = 0;
        must("pipe", pipe(ends));
        pid_t pid = fork();
        if (pid == 0)
            _exit(write(ends[1], &value, sizeof(value)) != sizeof(value));
        must("read", read(ends[0], &back, sizeof(back)));
        sum += back;
        close(ends[0]);
        close(ends[1]);
        wait_for(pid);
    }
    return sum;
}

static int memory(int self)
{
    int sum = 0;
    for (int i = 0; i < 50; i++) {
        size_t size = (size_t)(1 + i % 7) * 4096;
        int *words = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        for (size_t at = 0; at < size / sizeof(int); at += 512)
            words[at] = self;
        for (size_t at = 0; at < size / sizeof(int); at += 512)
            sum += words[at];
        munmap(words, size);
    }
    return sum;
}

static int files(int self)
{
    int sum = 0;
    char name[32];
    for (int i = 0; i < 20; i++) {
        int value = i + self, back = 0;
        snprintf(name, sizeof(name), "storm%d.%d", self, i);
        int fd = (int)must("open", open(name, O_RDWR | O_CREAT, 0644));
        must("write", write(fd, &value, sizeof(value)));
        must("pread", pread(fd, &back, sizeof(back), 0));
        close(fd);
        must("unlink", unlink(name));
        sum += back;
    }
    return sum;
}

static int execs(int self)
{
    int sum = 0;
    for (int i = 0; i < 10; i++) {
        pid_t pid = fork();
        if (pid == 0) {
            execl((i + self) % 2 ? "/bin/false" : "/bin/true", "x", NULL);
            _exit(99);
        }
        sum += WEXITSTATUS(wait_for(pid));
    }
    return sum;
}

static const struct {
    const char *name;
    int (*run)(int self);
} storms[] = {
    {"forks", forks}, {"pipes", pipes}, {"memory", memory}, {"files", files}, {"execs", execs},
};

#define STORMS (sizeof(storms) / sizeof(storms[0]))

/* All workers do each of the storms, beginning with different ones; their sums go to a file. */
int main(void)
{
    pid_t pids[WORKERS];
    int sums[WORKERS][STORMS];
    int fd = (int)must("open", open("sums", O_RDWR | O_CREAT, 0644));
    for (int worker = 0; worker < WORKERS; worker++) {
        pids[worker] = (pid_t)must("fork", fork());
        if (pids[worker] != 0)
            continue;
        int mine[STORMS];
        for (size_t i = 0; i < STORMS; i++) {
            size_t which = (i + (size_t)worker) % STORMS;
            mine[which] = storms[which].run(worker);
        }
        must("pwrite", pwrite(fd, mine, sizeof(mine), (off_t)((size_t)worker * sizeof(mine))));
        _exit(0);
    }
    for (int worker = 0; worker < WORKERS; worker++)
        show_status("worker", wait_for(pids[worker]));
    must("pread", pread(fd, sums, sizeof(sums), 0));
    for (size_t i = 0; i < STORMS; i++) {
        char line[128];
        int length = 0;
        for (int worker = 0; worker < WORKERS; worker++)
            length +=
                snprintf(line + length, sizeof(line) - (size_t)length, " %d", sums[worker][i]);
        say("%s:%s", storms[i].name, line);
    }
    show("no child is left", wait(NULL));
    return 0;
}
