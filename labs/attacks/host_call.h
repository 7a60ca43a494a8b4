/*
 * A system call of the host, for hostile submissions. On the vkernel a kernel is a process of the
 * host, and its constructors run before anything of ours. This text is put before each attack.
 */
#pragma once

static inline long host_call(long number, long a, long b, long c, long d)
{
    register long fourth __asm__("r10") = d;
    long result;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"(a), "S"(b), "d"(c), "r"(fourth)
                     : "rcx", "r11", "memory");
    return result;
}

enum host_calls {
    HOST_WRITE = 1,
    HOST_OPEN = 2,
    HOST_CLOSE = 3,
    HOST_MMAP = 9,
    HOST_NANOSLEEP = 35,
    HOST_SOCKET = 41,
    HOST_CONNECT = 42,
    HOST_FORK = 57,
    HOST_KILL = 62,
    HOST_FTRUNCATE = 77,
    HOST_UNLINK = 87,
    HOST_SYMLINK = 88,
    HOST_CHMOD = 90,
    HOST_PTRACE = 101,
    HOST_SETUID = 105,
    HOST_GETPPID = 110,
    HOST_SETSID = 112,
    HOST_MKNOD = 133,
    HOST_MOUNT = 165,
    HOST_EXIT_GROUP = 231,
    HOST_UNSHARE = 272,
};

static inline void host_write(long fd, const char *text)
{
    long length = 0;
    while (text[length] != 0)
        length++;
    host_call(HOST_WRITE, fd, (long)text, length, 0);
}

static inline void host_sleep(long milliseconds)
{
    long time[2] = {milliseconds / 1000, milliseconds % 1000 * 1000000};
    host_call(HOST_NANOSLEEP, (long)time, 0, 0, 0);
}

/* The word of the command line behind `option`. */
static inline char *host_option(int count, char **words, const char *option)
{
    for (int i = 1; i + 1 < count; i++) {
        long at = 0;
        while (option[at] != 0 && words[i][at] == option[at])
            at++;
        if (option[at] == 0 && words[i][at] == 0)
            return words[i + 1];
    }
    return 0;
}

#define AT_START __attribute__((constructor)) static void
