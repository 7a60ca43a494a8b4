/*
 * The zygote: a tiny process from which all stubs are forked.
 *
 * The vkernel starts it once. It throws away what the host put into its address space, finds
 * out how the host lays signal frames, takes the seccomp filter from the vkernel, or hears that
 * stubs are to be traced (tracer.c), and then forks a stub for each request that comes through
 * the control socket with the memfd of a slot. As it is tiny, a fork is cheap, and all stubs
 * inherit filter, handlers and descriptors.
 * Stubs are made with CLONE_PARENT: they are the vkernel's children.
 *
 * This code lies in the range STUB_SETUP, where the filter admits every call. A stub's first
 * orders unmap that range, from the resident page, before any guest code runs.
 *
 *      vkernel                      zygote                       stub
 *      start           ---------->
 *                      <----------  stub_hello
 *      stub_answer     ---------->
 *                      <----------  0; or -errno, and the vkernel may answer otherwise
 *      request + slot  ---------->  fork  ------------------->   map the slot
 *                      <----------  stub_birth                   state = TRAPPED: ready
 */
#include "arch/vkernel/vmspace/linux.h"
#include "arch/vkernel/vmspace/slot.h"
#include "arch/vkernel/vmspace/stub/tracee.h"
#include "arch/vkernel/vmspace/stub/tracer.h"

#include <linux/filter.h>
#include <linux/mman.h>
#include <linux/prctl.h>
#include <linux/resource.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <linux/signal.h>

/* struct msghdr and its kin as the host's kernel takes them. */
struct message {
    void *name;
    uint32_t name_length;
    struct {
        void *data;
        uint64_t length;
    } * parts;
    uint64_t part_count;
    void *control;
    uint64_t control_length;
    uint32_t flags;
};

struct control {
    uint64_t length;
    int level, type;
    int descriptor;
};

struct action {
    void *handler;
    uint64_t flags;
    void *restorer;
    uint64_t mask;
};

/* In resident.S. */
extern const struct stub_calls stub_calls;
void stub_handler(void);
void stub_born(void) __attribute__((noreturn));

void zygote_main(void) __attribute__((noreturn));
void zygote_start(void);

static struct stub_hello hello;
static struct stub_answer answer;
static struct tracer_setup tracer_setup;
static char maps[32768];

static void leave(int status) __attribute__((noreturn));
static void leave(int status)
{
    for (;;)
        host_call(SYS_exit_group, status);
}

static long receive(void *data, uint64_t size)
{
    return host_call(SYS_recvfrom, STUB_FD_CONTROL, data, size, 0, 0, 0);
}

static void reply(const void *data, uint64_t size)
{
    if (host_call(SYS_sendto, STUB_FD_CONTROL, data, size, 0x4000 /* MSG_NOSIGNAL */, 0, 0) < 0)
        leave(1);
}

/* --- The address space --------------------------------------------------------------------- */

static const char *parse_hex(const char *p, uint64_t *value)
{
    for (*value = 0;; p++) {
        if (*p >= '0' && *p <= '9')
            *value = *value * 16 + (uint64_t)(*p - '0');
        else if (*p >= 'a' && *p <= 'f')
            *value = *value * 16 + (uint64_t)(*p - 'a' + 10);
        else
            return p;
    }
}

/*
 * Unmap everything but this program: the initial stack, vDSO and its data. Where the host has
 * sealed the vDSO it stays, which harms nothing: a guest finds it there and can call it.
 */
static void unmap_foreign(void)
{
    long fd = host_call(SYS_open, "/proc/self/maps", 0 /* O_RDONLY */, 0);
    long length = 0, n;

    if (fd < 0)
        return;
    while ((n = host_call(SYS_read, fd, maps + length, sizeof(maps) - 1 - (uint64_t)length)) > 0)
        length += n;
    host_call(SYS_close, fd);
    maps[length] = 0;
    for (const char *p = maps; *p;) {
        uint64_t start, end;

        p = parse_hex(p, &start);
        p = parse_hex(p + 1, &end);
        if (end > start && (end <= STUB_RESIDENT || start >= STUB_SETUP_END))
            host_call(SYS_munmap, start, end - start);
        while (*p && *p++ != '\n')
            ;
    }
}

/* --- Signals ------------------------------------------------------------------------------- */

/* Entered by the host for the test signal: remember where the frame lies. */
static void calibrate_handler(int signal, void *info, void *context)
{
    (void)signal;
    (void)info;
    hello.frame = (uint64_t)context - 8;                  /* the return address comes before it */
    hello.fpstate = *(uint64_t *)((char *)context + 224); /* uc_mcontext.fpstate */
    for (unsigned i = 0; i < sizeof(tracer_setup.format); i++)
        tracer_setup.format[i] = ((uint8_t *)hello.fpstate)[464 + i]; /* sw_reserved */
}

__attribute__((naked)) static void calibrate_return(void)
{
    __asm__("mov $15, %eax\n\tsyscall"); /* rt_sigreturn */
}

static long set_action(int signal, void *handler, uint64_t more_flags, uint64_t mask)
{
    struct action action = {
        .handler = handler,
        .flags = SA_SIGINFO | SA_ONSTACK | 0x04000000 /* SA_RESTORER */ | more_flags,
        .restorer = (void *)calibrate_return,
        .mask = mask,
    };

    return host_call(SYS_rt_sigaction, signal, &action, 0, 8);
}

static void set_up_signals(void)
{
    static const int signals[] = {SIGSYS, SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGUSR1};
    struct {
        void *base;
        int flags;
        uint64_t size;
    } stack = {(void *)(SLOTS + SLOT_STACK), 0, SLOT_END - SLOT_STACK};
    uint64_t mask = 0;

    /* The slot's place is empty as yet: a temporary signal stack, to see where the frame goes. */
    host_call(SYS_mmap, SLOTS + SLOT_STACK, SLOT_END - SLOT_STACK, PROT_READ | PROT_WRITE,
              MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    if (host_call(SYS_sigaltstack, &stack, 0) != 0)
        leave(1);
    host_call(SYS_rt_sigprocmask, SIG_SETMASK, &mask, 0, 8);
    set_action(SIGUSR1, (void *)calibrate_handler, 0, ~0UL);
    host_call(SYS_kill, host_call(SYS_getpid), SIGUSR1);
    host_call(SYS_munmap, SLOTS + SLOT_STACK, SLOT_END - SLOT_STACK);
    for (unsigned i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
        set_action(signals[i], (void *)stub_handler, 0, ~0UL);
}

/* --- The filter ---------------------------------------------------------------------------- */

static long install_filter(void)
{
    struct sock_fprog program = {
        .len = (unsigned short)answer.length,
        .filter = (struct sock_filter *)answer.filter,
    };
    long error = host_call(SYS_prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);

    if (error == 0)
        error = host_call(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program);
    for (unsigned i = 0; i < program.len; i++)
        ((volatile uint64_t *)answer.filter)[i] = 0; /* it contains the secret */
    return error;
}

/*
 * Do as the vkernel wants; returns 0 or a negative errno. Where stubs are traced, a fault is
 * delivered for its signal frame only (tracer.c): it must not change the signal mask.
 */
static long prepare(void)
{
    long error;

    if (answer.means == STUB_MEANS_SECCOMP)
        return install_filter();
    set_action(SIGSEGV, (void *)stub_handler, SA_NODEFER, 0);
    tracer_setup.frame = hello.frame;
    tracer_setup.fpstate = hello.fpstate;
    error = *(uint32_t *)tracer_setup.format != 0 ? tracee_probe() : -38 /* ENOSYS: no XSAVE */;
    (void)install_filter(); /* without it the vsyscall page answers guests itself */
    return error;
}

/* --- Stubs --------------------------------------------------------------------------------- */

static void become_stub(long slot) __attribute__((noreturn));
static void become_stub(long slot)
{
    uint64_t all = ~0UL;

    if (answer.means == STUB_MEANS_SECCOMP) /* until the first rt_sigreturn */
        host_call(SYS_rt_sigprocmask, SIG_SETMASK, &all, 0, 8);
    host_call(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    if (host_call(SYS_getppid) != tracer_setup.parent) /* it died before we asked to be told */
        leave(0);
    if (slot != STUB_FD_SLOTS) {
        host_call(SYS_dup2, slot, STUB_FD_SLOTS);
        host_call(SYS_close, slot);
    }
    host_call(SYS_close, STUB_FD_CONTROL);
    if (host_call(SYS_mmap, SLOTS, SLOT_FRAME, PROT_READ, MAP_SHARED | MAP_FIXED, STUB_FD_SLOTS,
                  0) < 0 ||
        host_call(SYS_mmap, SLOTS + SLOT_FRAME, SLOT_END - SLOT_FRAME, PROT_READ | PROT_WRITE,
                  MAP_SHARED | MAP_FIXED, STUB_FD_SLOTS, SLOT_FRAME) < 0)
        leave(1);
    host_call(SYS_prctl, PR_SET_NAME, "duet-guest", 0, 0, 0);
    if (answer.means == STUB_MEANS_PTRACE)
        stub_parked();
    stub_born();
}

/* Make a stub, and its tracer if it needs one. */
static struct stub_birth make_stub(long slot)
{
    struct stub_birth birth = {.pid = host_call(SYS_clone, CLONE_PARENT | SIGCHLD, 0, 0, 0, 0)};

    if (birth.pid == 0)
        become_stub(slot);
    if (birth.pid < 0 || answer.means == STUB_MEANS_SECCOMP)
        return birth;
    birth.tracer = host_call(SYS_clone, CLONE_PARENT | SIGCHLD, 0, 0, 0, 0);
    if (birth.tracer == 0) {
        host_call(SYS_close, STUB_FD_CONTROL);
        tracer_main(&tracer_setup, birth.pid, slot);
    }
    if (birth.tracer < 0) {
        host_call(SYS_kill, birth.pid, SIGKILL);
        birth = (struct stub_birth){.pid = birth.tracer, .tracer = birth.pid};
    }
    return birth;
}

/* Wait for a request; returns the slot's descriptor that came with it. */
static long receive_request(void)
{
    char request;
    struct control control;
    struct message message = {
        .parts = &(__typeof__(*message.parts)){&request, 1},
        .part_count = 1,
        .control = &control,
        .control_length = sizeof(control),
    };
    long length;

    do {
        length = host_call(SYS_recvmsg, STUB_FD_CONTROL, &message, 0);
    } while (length == -4 /* EINTR */);
    if (length != 1 || message.control_length < 20)
        leave(0); /* the vkernel has gone */
    return control.descriptor;
}

__attribute__((used)) void zygote_main(void)
{
    long error;
    struct rlimit no_core = {0, 0};

    tracer_setup.parent = host_call(SYS_getppid);
    host_call(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    host_call(SYS_prctl, PR_SET_NAME, "duet-zygote", 0, 0, 0);
    host_call(SYS_setsid); /* out of the reach of the terminal's signals */
    host_call(SYS_setrlimit, RLIMIT_CORE, &no_core);
    host_call(SYS_close_range, STUB_FD_CONTROL + 1, ~0U, 0);
    unmap_foreign();
    set_up_signals();
    hello.calls = stub_calls;
    reply(&hello, sizeof(hello));
    do {
        if (receive(&answer, sizeof(answer)) != sizeof(answer))
            leave(1);
        error = prepare();
        reply(&error, sizeof(error));
    } while (error != 0);
    for (;;) {
        long slot = receive_request();
        struct stub_birth birth = make_stub(slot);

        host_call(SYS_close, slot);
        reply(&birth, sizeof(birth));
    }
}

/* The program's entry: a stack of its own, as the host's is about to be unmapped. */
static char stack[16384] __attribute__((aligned(16), used));

__attribute__((naked, used)) void zygote_start(void)
{
    __asm__("lea stack+%c0(%%rip), %%rsp\n\t"
            "xor %%ebp, %%ebp\n\t"
            "call zygote_main" ::"i"(sizeof(stack)));
}
