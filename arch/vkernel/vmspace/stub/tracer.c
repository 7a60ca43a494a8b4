/*
 * Tracers: stubs where the host has no seccomp filters.
 *
 * Each stub is traced, with ptrace(2), by a process of its own, its *tracer*, which is the other
 * end of the stub's slot: it obeys the orders, and publishes what happened, in the same words and
 * the same signal frame. So the vkernel need not know the difference.
 *
 *      vkernel  <-- slot -->  tracer  <-- ptrace -->  stub: the guest's code
 *
 *      state = RUN    -->     performs the operations in the stub, loads the registers from the
 *                             frame, PTRACE_SYSEMU
 *                                                     runs to a system call or a signal
 *      TRAPPED        <--     stores the registers in the frame
 *
 * No system call of a guest reaches the host: PTRACE_SYSEMU stops before each, of whatever kind.
 * Operations are made by the stub, which is set to the one instruction stub_traced_call, with the
 * call's registers, and stepped over it. Guest code runs there too if it jumps there, but then its
 * system calls are like any others. Nothing here depends on memory that guests can write, but
 * registers and floating-point state, which are theirs.
 *
 * Why a page fault happened, the processor's error code, ptrace does not tell; a signal frame
 * does. So SIGSEGV is delivered: the host stores a signal frame where the frame is anyway, and
 * stops the stub before the first instruction of its handler, as it is stepped. What the host
 * changed for that, registers and floating-point state, is loaded again before guest code runs.
 *
 * A kick is SIGUSR1 to the stub. It stops it, whatever it does; no guest can block a signal.
 *
 * A stub and its tracer end together. Both are the vkernel's children, and killed with it.
 */
#include "arch/vkernel/vmspace/stub/tracer.h"
#include "arch/vkernel/vmspace/linux.h"
#include "arch/vkernel/vmspace/stub/tracee.h"

#include <linux/elf.h>
#include <linux/mman.h>
#include <linux/prctl.h>
#include <linux/ptrace.h>
#include <linux/sched.h>
#include <linux/signal.h>
#include <stdbool.h>

#define LEGACY_SIZE      512
#define STATE_FP_AND_SSE 3
#define MAGIC2           0x46505845

/* The floating-point state: FXSAVE's 512 bytes, which hold its format in a signal frame, then
 * the header of XSAVE's (Intel SDM vol. 1, 13.4). */
struct fpstate {
    uint16_t control_word;
    uint8_t rest[22];
    uint32_t mxcsr;
    uint8_t more[436];
    struct fpstate_format {
        uint32_t magic1, extended_size;
        uint64_t features;
        uint32_t size, padding[7];
    } format;
    uint64_t present; /* the components that are not as after reset */
};

_Static_assert(__builtin_offsetof(struct fpstate, format) == 464, "the ABI's");
_Static_assert(__builtin_offsetof(struct fpstate, present) == LEGACY_SIZE, "the ABI's");

static struct tracer_setup setup;
static struct stub_orders *orders;
static struct stub_words *words;
static struct host_frame *frame;
static struct fpstate *fpstate; /* in the frame */
static uint8_t state[16384] __attribute__((aligned(64)));
static uint64_t state_size; /* of the floating-point state, as the host wants it */
static bool is_state_lost;  /* the processor's is not the guest's */

/* siginfo_t, as far as it concerns us. */
static struct {
    int signal, error, code, padding;
    uint64_t address;
    uint32_t call_number, architecture;
    uint8_t rest[96];
} info;

static void copy(void *to, const void *from, uint64_t size)
{
    __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(size) : : "memory");
}

static void clear(void *to, uint64_t size)
{
    __asm__ volatile("rep stosb" : "+D"(to), "+c"(size) : "a"(0) : "memory");
}

static uint64_t cycles(void)
{
    return __builtin_ia32_rdtsc();
}

/* --- Registers ----------------------------------------------------------------------------- */

static void load_registers(void)
{
    struct registers *registers = &tracee.registers;

    *registers = (struct registers){
        .r15 = frame->r15,
        .r14 = frame->r14,
        .r13 = frame->r13,
        .r12 = frame->r12,
        .rbp = frame->rbp,
        .rbx = frame->rbx,
        .r11 = frame->r11,
        .r10 = frame->r10,
        .r9 = frame->r9,
        .r8 = frame->r8,
        .rax = frame->rax,
        .rcx = frame->rcx,
        .rdx = frame->rdx,
        .rsi = frame->rsi,
        .rdi = frame->rdi,
        .orig_rax = ~0UL,
        .rip = frame->rip,
        .cs = USER_CS,
        .rflags = frame->rflags,
        .rsp = frame->rsp,
        .ss = USER_SS,
        .fs_base = registers->fs_base,
        .gs_base = registers->gs_base,
    };
    if (orders->flags & FLAG_LOAD_BASES) {
        registers->fs_base = orders->fs_base;
        registers->gs_base = orders->gs_base;
    }
    /* The host refuses addresses that a program can give itself on some processors. */
    if (registers->fs_base >= STUB_RESIDENT)
        registers->fs_base = 0;
    if (registers->gs_base >= STUB_RESIDENT)
        registers->gs_base = 0;
    tracee_request(PTRACE_SETREGS, 0, registers);
}

static void store_registers(void)
{
    const struct registers *registers = &tracee.registers;

    frame->r15 = registers->r15;
    frame->r14 = registers->r14;
    frame->r13 = registers->r13;
    frame->r12 = registers->r12;
    frame->rbp = registers->rbp;
    frame->rbx = registers->rbx;
    frame->r11 = registers->r11;
    frame->r10 = registers->r10;
    frame->r9 = registers->r9;
    frame->r8 = registers->r8;
    frame->rax = registers->rax;
    frame->rcx = registers->rcx;
    frame->rdx = registers->rdx;
    frame->rsi = registers->rsi;
    frame->rdi = registers->rdi;
    frame->rip = registers->rip;
    frame->cs = (uint16_t)registers->cs;
    frame->rflags = registers->rflags;
    frame->rsp = registers->rsp;
}

/* Load the floating-point state from the frame; what is no such state ends the stub. */
static void load_fpstate(void)
{
    const struct fpstate_format *format = (const void *)setup.format;
    struct fpstate *to = (struct fpstate *)(void *)state;
    struct part part = {state, state_size};

    clear(state, state_size);
    if (frame->fpstate == 0) {
        to->control_word = 0x37f;
        to->mxcsr = 0x1f80;
    } else {
        copy(state, fpstate, format->size);
        if (to->format.magic1 != format->magic1)
            clear(state + LEGACY_SIZE, state_size - LEGACY_SIZE);
        to->present &= format->features;
    }
    to->present |= STATE_FP_AND_SSE;
    tracee_request(PTRACE_SETREGSET, NT_X86_XSTATE, &part);
    is_state_lost = false;
}

static void store_fpstate(void)
{
    const struct fpstate_format *format = (const void *)setup.format;
    struct part part = {state, sizeof(state)};

    tracee_request(PTRACE_GETREGSET, NT_X86_XSTATE, &part);
    copy(fpstate, state, format->size);
    copy(&fpstate->format, format, sizeof(*format));
    *(uint32_t *)((uint8_t *)fpstate + format->size) = MAGIC2;
    frame->fpstate = (uint64_t)fpstate;
}

/* --- Why it stopped ------------------------------------------------------------------------ */

/* Describe the stop in the frame, as the host would. */
static void store_reason(int signal, int code, uint64_t address)
{
    frame->signal = signal;
    frame->code = code;
    frame->address = address;
    frame->error_code = 0;
    frame->trap_number = 0;
}

static void take_syscall(void)
{
    struct ptrace_syscall_info call = {0};

    tracee_request(PTRACE_GET_SYSCALL_INFO, sizeof(call), &call);
    tracee.registers.rax = tracee.registers.orig_rax;
    store_registers();
    store_reason(SIGSYS, 1 /* SYS_SECCOMP */, tracee.registers.rip);
    frame->call_number = (uint32_t)tracee.registers.orig_rax;
    frame->architecture = call.arch;
}

/*
 * Let the host deliver SIGSEGV, for the error code. A guest whose stack lies in the slot must not
 * make the frame lie elsewhere.
 */
static void take_fault(void)
{
    uint64_t slot = (uint64_t)orders, stack = tracee.registers.rsp;

    if (stack >= slot && stack <= slot + SLOT_END) {
        tracee.registers.rsp = 0;
        tracee_request(PTRACE_SETREGS, 0, &tracee.registers);
    }
    if (tracee_go_on(PTRACE_SINGLESTEP, SIGSEGV) != SIGTRAP)
        tracee_end();
    is_state_lost = true;
    frame->rsp = stack;
}

static void take_signal(int signal)
{
    tracee_request(PTRACE_GETSIGINFO, 0, &info);
    if (signal == SIGSEGV && info.code > 0) {
        take_fault();
        return;
    }
    store_registers();
    store_reason(signal, info.code, info.address);
    frame->call_number = info.call_number;
    frame->architecture = info.architecture;
}

/* --- Turns --------------------------------------------------------------------------------- */

/* It is the vkernel's turn. */
static void publish(uint32_t value)
{
    uint32_t run = STATE_RUN;

    words->trapped_at = cycles();
    if (!__atomic_compare_exchange_n(&orders->state, &run, value, false, __ATOMIC_SEQ_CST,
                                     __ATOMIC_SEQ_CST))
        tracee_end();
    if (orders->kernel_sleeps)
        host_futex_wake(&orders->state, 1);
}

static void wait_for_turn(void)
{
    uint64_t start = cycles();
    uint32_t value;

    while (orders->state != STATE_RUN && cycles() - start < orders->spin)
        __asm__ volatile("pause");
    if (orders->state == STATE_RUN)
        return;
    for (;;) {
        __atomic_exchange_n(&words->stub_sleeps, 1, __ATOMIC_SEQ_CST);
        value = orders->state;
        if (value == STATE_RUN)
            break;
        if (value == STATE_DEAD)
            tracee_end();
        host_futex_wait(&orders->state, value, NULL);
    }
    words->stub_sleeps = 0;
}

/* Whether it is a step that nobody wants to hear of; then it is counted. */
static bool count_step(int signal)
{
    if (signal != STEP_SIGNAL || words->steps == 0)
        return false;
    tracee_request(PTRACE_GETSIGINFO, 0, &info);
    if (info.code != STEP_CODE)
        return false;
    words->steps--;
    tracee_request(PTRACE_GETREGS, 0, &tracee.registers);
    tracee.registers.rflags |= RFLAGS_TF; /* it may have been a POPF */
    tracee_request(PTRACE_SETREGS, 0, &tracee.registers);
    return true;
}

static void run_guest(void)
{
    int signal = SIGUSR1;

    if (is_state_lost || (orders->flags & FLAG_LOAD_FPSTATE))
        load_fpstate();
    load_registers();
    words->resumed_at = cycles();
    if (!tracee.is_kicked)
        do
            signal = tracee_go_on(PTRACE_SYSEMU, 0);
        while (count_step(signal));
    tracee_request(PTRACE_GETREGS, 0, &tracee.registers);
    words->fs_base = tracee.registers.fs_base;
    words->gs_base = tracee.registers.gs_base;
    if (tracee.is_kicked) {
        tracee.is_kicked = false;
        store_reason(signal, 0, 0);
        return;
    }
    if (signal == STOPPED_FOR_SYSCALL)
        take_syscall();
    else
        take_signal(signal);
    if (!is_state_lost)
        store_fpstate();
}

/* --- Operations ---------------------------------------------------------------------------- */

static void use_slot(uint64_t slot)
{
    orders = (struct stub_orders *)slot;
    words = (struct stub_words *)(slot + SLOT_FRAME);
    frame = (struct host_frame *)(slot + (setup.frame - SLOTS));
    fpstate = (struct fpstate *)(slot + (setup.fpstate - SLOTS));
}

/* Trace the process `pid` until one of us ends. */
static void begin(long pid, uint64_t slot)
{
    struct part part = {state, sizeof(state)};

    tracee.pid = pid;
    use_slot(slot);
    host_call(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    if (host_call(SYS_getppid) != setup.parent || tracee_adopt(pid) != 0)
        tracee_end();
    tracee_request(PTRACE_GETREGSET, NT_X86_XSTATE, &part);
    state_size = part.size;
    is_state_lost = true;
}

/*
 * The stub has cloned `pid`, whose slot is at `slot`: make a tracer for it, which begins with the
 * orders that are there. Returns whether there is one.
 */
static bool clone_tracer(long pid, uint64_t slot)
{
    long tracer = host_call(SYS_clone, CLONE_PARENT | SIGCHLD, 0, 0, 0, 0);

    if (tracer == 0) {
        begin(pid, slot);
        return true;
    }
    if (tracer < 0)
        host_call(SYS_kill, pid, SIGKILL);
    words->child = pid;
    words->tracer = tracer;
    return tracer > 0;
}

/* Returns false when the host refuses it. */
static bool perform(const struct stub_operation *operation)
{
    bool is_call = operation->kind >= OPERATION_CALL;
    long result;

    if (is_call)
        result = tracee_call(operation->number, operation->address, operation->length,
                             operation->offset, 0, 0, 0);
    else
        result = tracee_call(SYS_mmap, operation->address, operation->length, operation->protection,
                             STUB_MAP_FLAGS, operation->kind, operation->offset);
    if (operation->kind == OPERATION_EXPECT && result != (long)operation->length)
        tracee_end();
    if (operation->kind == OPERATION_CLONE && result > 0)
        return clone_tracer(result, operation->length - SLOT_END);
    return result >= 0;
}

static void obey(void)
{
    const struct stub_orders *ours = orders;

    for (uint32_t i = 0; i < ours->count && orders == ours; i++)
        if (!perform(&ours->operations[i])) {
            publish(STATE_FAILED);
            return;
        }
    if (orders != ours)
        return; /* a new tracer: to its own orders */
    if (!(orders->flags & FLAG_STAY))
        run_guest();
    publish(STATE_TRAPPED);
}

/* --- Beginning ----------------------------------------------------------------------------- */

void tracer_main(const struct tracer_setup *given, long pid, long slots)
{
    copy(&setup, given, sizeof(setup));
    tracee.pid = pid;
    host_call(SYS_prctl, PR_SET_NAME, "duet-tracer", 0, 0, 0);
    if (host_call(SYS_mmap, SLOTS, SLOTS_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED,
                  slots, 0) < 0)
        tracee_end();
    begin(pid, SLOTS);
    publish(STATE_TRAPPED);
    for (;;) {
        wait_for_turn();
        obey();
    }
}
