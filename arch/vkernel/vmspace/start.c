/*
 * Starting the zygote (stub/zygote.c), the process from which all stubs are forked, and agreeing
 * with it how the system calls of guests are to be caught: by a seccomp filter, or, where the host
 * refuses that or the caller wants it, by tracers.
 */
#include "arch/vkernel/vmspace/internal.h"
#include "arch/vkernel/vmspace/linux.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <signal.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* In image.S: the stub program. */
extern const char stub_image[], stub_image_end[];

uint64_t stub_secret;
uint32_t stub_flags;

static int make_image_fd(void)
{
    size_t size = (size_t)(stub_image_end - stub_image);
    int fd = memfd_create("duet-stub", MFD_CLOEXEC | 0x0010U /* MFD_EXEC */);

    if (fd < 0) /* before Linux 6.3 */
        fd = memfd_create("duet-stub", MFD_CLOEXEC);
    if (fd < 0)
        return -errno;
    if (write(fd, stub_image, size) != (ssize_t)size) {
        close(fd);
        return -ENOMEM;
    }
    return fd;
}

/* Why the child of vfork() could not become the zygote: it shares our memory. */
static volatile long exec_error;

/* In that child: arrange the descriptors and become the zygote. */
static void exec_zygote(int memory, int control, int image) __attribute__((noreturn));
static void exec_zygote(int memory, int control, int image)
{
    static char *const empty[] = {NULL};
    static char *const arguments[] = {(char *)"duet-zygote", NULL};

    memory = (int)host_call(SYS_fcntl, memory, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    control = (int)host_call(SYS_fcntl, control, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    image = (int)host_call(SYS_fcntl, image, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    if (memory < 0 || control < 0 || image < 0) {
        exec_error = -EMFILE;
    } else {
        host_call(SYS_dup2, memory, STUB_FD_MEMORY);
        host_call(SYS_dup2, control, STUB_FD_CONTROL);
        host_call(SYS_close, STUB_FD_SLOTS);
        exec_error = host_call(SYS_execveat, image, "", arguments, empty, AT_EMPTY_PATH);
    }
    for (;;)
        host_call(SYS_exit_group, 127);
}

/* Apart, because of what vfork() does to the local variables of its caller. */
__attribute__((noinline)) static pid_t spawn_zygote(int memory, int control, int image)
{
    pid_t pid = vfork();

    if (pid == 0)
        exec_zygote(memory, control, image);
    if (pid < 0)
        return -errno;
    return exec_error < 0 ? (pid_t)exec_error : pid;
}

bool zygote_receive(const struct zygote *zygote, void *data, size_t size)
{
    long length;

    do {
        length = host_call(SYS_recvfrom, zygote->control, data, size, 0, 0, 0);
    } while (length == -EINTR);
    return length == (long)size;
}

static bool is_plausible(const struct stub_hello *hello)
{
    const uint64_t *call = &hello->calls.publish;

    for (size_t i = 0; i < sizeof(hello->calls) / sizeof(*call); i++)
        if (call[i] < STUB_RESIDENT || call[i] >= STUB_RESIDENT + PAGE_SIZE)
            return false;
    return hello->frame >= SLOTS + SLOT_STACK && hello->frame < hello->fpstate &&
           hello->fpstate < SLOTS + SLOT_END &&
           SLOTS + SLOT_END - hello->fpstate <= FPU_STATE_SIZE - 64;
}

/* Tell the zygote how the guests' system calls are to be caught. Returns 0, -ENOSYS when the
 * host refuses it, or another errno. */
static int choose(const struct zygote *zygote, enum vmspace_means means)
{
    struct stub_answer answer = {.means = STUB_MEANS_SECCOMP};
    struct sock_filter *filter = (struct sock_filter *)(void *)answer.filter;
    long error;

    if (means == VMSPACE_MEANS_PTRACE) {
        answer.means = STUB_MEANS_PTRACE;
        answer.length = (uint32_t)filter_build_for_traced(filter);
    } else {
        answer.length = (uint32_t)filter_build(filter, &zygote->hello.calls, stub_secret);
    }
    if (send(zygote->control, &answer, sizeof(answer), MSG_NOSIGNAL) != sizeof(answer))
        return -EPROTO;
    if (!zygote_receive(zygote, &error, sizeof(error)))
        return -EPROTO;
    if (error != 0) /* a tracer is tried with a process */
        return error == -EAGAIN ? -EAGAIN : -ENOSYS;
    vmspace_config.means = means;
    return 0;
}

/* Exchange the first messages: learn the addresses, agree on the means. */
static int introduce(struct zygote *zygote)
{
    enum vmspace_means wanted = vmspace_config.means;
    int error = -ENOSYS;

    if (getrandom(&stub_secret, sizeof(stub_secret), 0) != sizeof(stub_secret))
        return -EIO;
    if (!zygote_receive(zygote, &zygote->hello, sizeof(zygote->hello)) ||
        !is_plausible(&zygote->hello))
        return -EPROTO;
    if (wanted != VMSPACE_MEANS_PTRACE)
        error = choose(zygote, VMSPACE_MEANS_SECCOMP);
    if (error == -ENOSYS && wanted != VMSPACE_MEANS_SECCOMP) {
        error = choose(zygote, VMSPACE_MEANS_PTRACE);
        stub_secret = 0;            /* no filter asks for it */
        stub_flags = FLAG_FSGSBASE; /* the tracer always knows them */
    }
    return error;
}

int zygote_start(struct zygote *zygote)
{
    int sockets[2], image, error;
    pid_t pid;

    if (getauxval(AT_HWCAP2) & 2)
        stub_flags = FLAG_FSGSBASE;
    image = make_image_fd();
    if (image < 0)
        return image;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets) != 0) {
        error = -errno;
        close(image);
        return error;
    }
    pid = spawn_zygote(vmspace_config.memory_fd, sockets[1], image);
    error = pid < 0 ? pid : 0;
    close(image);
    close(sockets[1]);
    zygote->control = sockets[0];
    if (error == 0) {
        zygote->pid = pid;
        error = introduce(zygote);
    }
    if (error != 0) {
        close(sockets[0]);
        *zygote = (struct zygote){.control = -1};
        if (pid > 0) {
            kill(pid, SIGKILL);
            waitpid(pid, NULL, 0);
        }
    }
    return error;
}
