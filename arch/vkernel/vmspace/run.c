/*
 * VMSPACE_CTL_RUN: run guest code until there is something for the caller to do.
 *
 * The registers of the guest lie in the signal frame that the host stored in the slot. They are
 * copied to the caller's trapframe when RUN returns, and back when it starts; the host's
 * rt_sigreturn loads them. The floating-point state, which is long, stays in the signal frame
 * while the same trapframe is run again; stub->owner says whose it is, and the trapframe
 * remembers the stub (struct saved_state). Page faults that the page table resolves never
 * leave RUN.
 *
 * All that is read here was written by the host's kernel, or by a guest that jumped into the
 * stub and forged it. The latter can give itself any registers, and nothing else; but a frame
 * that was interrupted inside the stub's code is never a guest's, so its vmspace is killed.
 */
#include "arch/vkernel/vmspace/internal.h"
#include "arch/vkernel/vmspace/linux.h"

#include <errno.h>
#include <linux/audit.h>
#include <signal.h>
#include <string.h>

/* struct host_frame.flags */
#define UC_FP_XSTATE         1
#define UC_SIGCONTEXT_SS     2
#define UC_STRICT_RESTORE_SS 4

#define TRAP_PAGE_FAULT_VECTOR 14
#define SYS_URETPROBE          335

/* What the array `fpu` of a trapframe holds. All zero: a program that never ran. */
struct saved_state {
    uint8_t fpstate[FPU_STATE_SIZE - 64];
    uint64_t valid; /* fpstate holds an image; otherwise the state is as after reset */
    uint64_t home;  /* the stub that has the true one, or 0 */
};

_Static_assert(sizeof(struct saved_state) <= FPU_STATE_SIZE, "must fit");

static struct saved_state *saved_state(struct trapframe *frame)
{
    return (struct saved_state *)(void *)frame->fpu;
}

static struct host_frame *host_frame(struct stub *stub)
{
    return (struct host_frame *)(void *)stub->frame;
}

/* The stub's process has the floating-point state at this address. */
static uint64_t fpstate_address(const struct stub *stub)
{
    return stub->slot + (uint64_t)(stub->fpstate - (uint8_t *)stub->orders);
}

static size_t fpstate_size(const struct stub *stub)
{
    return stub->slot + SLOT_END - fpstate_address(stub);
}

/* --- Floating-point state ------------------------------------------------------------------ */

/* Copy the stub's to where its owner keeps it. */
static void save_fpstate(struct stub *stub)
{
    struct saved_state *saved = saved_state(stub->owner);

    saved->valid = host_frame(stub)->fpstate != 0;
    if (saved->valid)
        memcpy(saved->fpstate, stub->fpstate, fpstate_size(stub));
}

void run_release_frame(struct stub *stub)
{
    if (stub->owner == NULL)
        return;
    save_fpstate(stub);
    __atomic_store_n(&saved_state(stub->owner)->home, 0, __ATOMIC_RELAXED);
    stub->owner = NULL;
}

/* The stub is to run `frame`: exchange the states, if it is another than the last time. */
static void bind_frame(struct stub *stub, struct trapframe *frame)
{
    struct saved_state *saved = saved_state(frame);
    struct stub *home = stub_by_number(__atomic_load_n(&saved->home, __ATOMIC_RELAXED));

    if (stub->owner == frame && home == stub)
        return;
    if (home != NULL && home->vmspace == stub->vmspace && home->owner == frame)
        run_release_frame(home);
    if (stub->owner != frame)
        run_release_frame(stub);
    if (saved->valid)
        memcpy(stub->fpstate, saved->fpstate, fpstate_size(stub));
    host_frame(stub)->fpstate = saved->valid ? fpstate_address(stub) : 0;
    stub->orders->flags |= FLAG_LOAD_FPSTATE;
    __atomic_store_n(&saved->home, stub_number(stub), __ATOMIC_RELAXED);
    stub->owner = frame;
}

/* The vmspace whose stub *home has the state of `frame`, locked; NULL when none has. */
static struct vmspace *lock_home(const struct trapframe *frame, struct stub **home)
{
    const struct saved_state *saved = (const void *)frame->fpu;
    struct stub *stub = stub_by_number(__atomic_load_n(&saved->home, __ATOMIC_RELAXED));
    struct vmspace *vmspace =
        stub != NULL ? __atomic_load_n(&stub->vmspace, __ATOMIC_ACQUIRE) : NULL;

    if (vmspace == NULL)
        return NULL;
    host_lock(&vmspace->lock);
    *home = stub;
    if (vmspace->id != NULL && stub->vmspace == vmspace && stub->owner == frame)
        return vmspace;
    host_unlock(&vmspace->lock);
    return NULL;
}

void vmspace_frame_copy(struct trapframe *to, struct trapframe *from)
{
    struct stub *home;
    struct vmspace *vmspace = lock_home(from, &home);

    if (vmspace != NULL) {
        save_fpstate(home);
        host_unlock(&vmspace->lock);
    }
    memcpy(to, from, sizeof(*to));
    __atomic_store_n(&saved_state(to)->home, 0, __ATOMIC_RELAXED);
}

void vmspace_frame_sync(struct trapframe *frame)
{
    struct stub *home;
    struct vmspace *vmspace = lock_home(frame, &home);

    if (vmspace != NULL) {
        run_release_frame(home);
        host_unlock(&vmspace->lock);
    }
}

void vmspace_frame_forget(struct trapframe *frame)
{
    struct stub *home;
    struct vmspace *vmspace = lock_home(frame, &home);

    if (vmspace != NULL) {
        home->owner = NULL;
        host_unlock(&vmspace->lock);
    }
    __atomic_store_n(&saved_state(frame)->home, 0, __ATOMIC_RELAXED);
}

/* --- Registers ----------------------------------------------------------------------------- */

static void load_registers(struct stub *stub, const struct trapframe *frame)
{
    struct host_frame *host = host_frame(stub);
    uint64_t fs_base = frame->fs_base < USER_MAX ? frame->fs_base : 0;
    uint64_t gs_base = frame->gs_base < USER_MAX ? frame->gs_base : 0;

    host->flags = UC_SIGCONTEXT_SS | UC_STRICT_RESTORE_SS | (host->fpstate ? UC_FP_XSTATE : 0);
    host->stack_base = stub->slot + SLOT_STACK;
    host->stack_flags = 0;
    host->stack_size = SLOT_END - SLOT_STACK;
    host->r8 = frame->r8;
    host->r9 = frame->r9;
    host->r10 = frame->r10;
    host->r11 = frame->r11;
    host->r12 = frame->r12;
    host->r13 = frame->r13;
    host->r14 = frame->r14;
    host->r15 = frame->r15;
    host->rdi = frame->rdi;
    host->rsi = frame->rsi;
    host->rbp = frame->rbp;
    host->rbx = frame->rbx;
    host->rdx = frame->rdx;
    host->rax = frame->rax;
    host->rcx = frame->rcx;
    host->rsp = frame->rsp;
    host->rip = frame->rip;
    host->rflags = frame->rflags;
    host->cs = USER_CS;
    host->ss = USER_SS;
    if (fs_base != stub->fs_base || gs_base != stub->gs_base) {
        stub->orders->fs_base = stub->fs_base = fs_base;
        stub->orders->gs_base = stub->gs_base = gs_base;
        stub->orders->flags |= FLAG_LOAD_BASES;
    }
}

static void store_registers(struct stub *stub, struct trapframe *frame)
{
    const struct host_frame *host = host_frame(stub);

    frame->r8 = host->r8;
    frame->r9 = host->r9;
    frame->r10 = host->r10;
    frame->r11 = host->r11;
    frame->r12 = host->r12;
    frame->r13 = host->r13;
    frame->r14 = host->r14;
    frame->r15 = host->r15;
    frame->rdi = host->rdi;
    frame->rsi = host->rsi;
    frame->rbp = host->rbp;
    frame->rbx = host->rbx;
    frame->rdx = host->rdx;
    frame->rax = host->rax;
    frame->rcx = host->rcx;
    frame->rsp = host->rsp;
    frame->rip = host->rip;
    frame->rflags = host->rflags;
    frame->cs = USER_CS;
    frame->ss = USER_SS;
    frame->fs_base = stub->fs_base;
    frame->gs_base = stub->gs_base;
}

/* --- Why it stopped ------------------------------------------------------------------------ */

/* What becomes of a stop. */
enum verdict {
    VERDICT_RESUME, /* nothing for the caller: go on */
    VERDICT_RETURN, /* frame->trap_number and the rest are set */
    VERDICT_LOST,   /* not a state that a guest can be in */
};

static enum verdict report_trap(struct trapframe *frame, struct vextframe *vframe, int signal,
                                int code, uint64_t address)
{
    frame->trap_number = VMSPACE_TRAP;
    vframe->vx_signal = signal;
    vframe->vx_code = code;
    vframe->vx_address = address;
    return VERDICT_RETURN;
}

/* The MMU's part: map, or report the fault. */
static enum verdict take_page_fault(struct stub *stub, struct trapframe *frame,
                                    struct vextframe *vframe, const struct host_frame *host)
{
    uint64_t access = host->error_code & (PAGEFAULT_WRITE | PAGEFAULT_FETCH);
    uint64_t address = host->cr2, error;
    int status = translate_and_map(stub->vmspace, address, access, &error);

    if (status != -EFAULT)
        return status == 0 ? VERDICT_RESUME : VERDICT_LOST;
    stub->fault = (struct fault_record){true, address, access, host->rip};
    frame->trap_number = VMSPACE_PAGEFAULT;
    frame->error_code = error;
    vframe->vx_address = address;
    return VERDICT_RETURN;
}

/*
 * The stub could not perform its orders. Where the host limits how many mappings a process has, or
 * how large it is, that is no reason to end the program: drop everything, as a TLB may at any time,
 * and go on; what it accesses will be mapped again.
 */
static enum verdict recover(struct vmspace *vmspace)
{
    if (vmspace->mapped <= MAPPED_MIN)
        return VERDICT_LOST;
    translate_reset(vmspace, true);
    return VERDICT_RESUME;
}

/* A signal from outside: a kick, the end of vx_timeout, or somebody's kill(1). */
static enum verdict take_interrupt(struct trapframe *frame, const struct vextframe *vframe)
{
    frame->trap_number = vframe->kicked ? VMSPACE_INTERRUPT : VMSPACE_TIMEOUT;
    return vframe->kicked || vframe->is_late ? VERDICT_RETURN : VERDICT_RESUME;
}

static enum verdict judge(struct stub *stub, struct trapframe *frame, struct vextframe *vframe)
{
    struct host_frame *host = host_frame(stub);
    int signal = host->signal;

    if (host->rip >= STUB_RESIDENT && host->rip < STUB_RESIDENT + PAGE_SIZE)
        return VERDICT_LOST;
    if (signal == SIGUSR1 || host->code <= 0)
        return take_interrupt(frame, vframe);
    frame->error_code = host->error_code;
    if (host->cs != USER_CS) /* 32-bit code: no such segment in our world */
        return report_trap(frame, vframe, SIGSEGV, SI_KERNEL, 0);
    switch (signal) {
    case SIGSYS:
        /* int 0x80 and sysenter; and the vsyscall page, from which the host has "returned" */
        if (host->architecture != AUDIT_ARCH_X86_64 || host->address != host->rip)
            return report_trap(frame, vframe, SIGSEGV, SI_KERNEL, 0);
        frame->trap_number = VMSPACE_SYSCALL;
        return VERDICT_RETURN;
    case SIGSEGV:
        if (host->trap_number == TRAP_PAGE_FAULT_VECTOR && host->code != SI_KERNEL)
            return take_page_fault(stub, frame, vframe, host);
        return report_trap(frame, vframe, SIGSEGV, SI_KERNEL, 0);
    case SIGILL:
        /* Linux lets uretprobe(2) pass every filter, and answers it with SIGILL. */
        if (host->code == SI_KERNEL && host->rax == UINT64_MAX) {
            host->rax = SYS_URETPROBE;
            frame->trap_number = VMSPACE_SYSCALL;
            return VERDICT_RETURN;
        }
        return report_trap(frame, vframe, signal, host->code, host->address);
    case SIGBUS:
    case SIGFPE:
    case SIGTRAP:
        return report_trap(frame, vframe, signal, host->code, host->address);
    default:
        return VERDICT_LOST;
    }
}

/* --- RUN ----------------------------------------------------------------------------------- */

/* Write the operations behind the first `count` orders; returns how many there are then. */
static uint32_t order(struct stub *stub, uint32_t count, const struct stub_operation *operations,
                      uint32_t more)
{
    memcpy(&stub->orders->operations[count], operations, more * sizeof(*operations));
    return count + more;
}

void run_operations(struct stub *stub, const struct stub_operation *operations, uint32_t more,
                    uint32_t flags)
{
    struct stub_operation forget_setup = operation_unmap(STUB_SETUP, STUB_SETUP_END);
    uint32_t count = 0;

    if (stub->is_fresh)
        count = order(stub, count, &forget_setup, 1);
    stub->orders->count = order(stub, count, operations, more);
    if (stub->orders->count > 0 && stub->vmspace->mother == NULL) {
        stub->words->secret = stub_secret;
        flags |= FLAG_SECRET;
    }
    flags |= stub->orders->flags & (FLAG_LOAD_BASES | FLAG_LOAD_FPSTATE);
    stub->orders->flags = stub_flags | flags;
    handover_resume(stub);
}

void run_wait_for_stop(struct vmspace *vmspace, uint32_t stops)
{
    struct host_timespec timeout = {0, 10 * 1000 * 1000};

    vmspace->stop_waiters++;
    host_unlock(&vmspace->lock);
    host_futex_wait(&vmspace->stops, stops, &timeout);
    host_lock(&vmspace->lock);
    vmspace->stop_waiters--;
}

static void note_stop(struct vmspace *vmspace)
{
    __atomic_add_fetch(&vmspace->stops, 1, __ATOMIC_SEQ_CST);
    if (vmspace->stop_waiters > 0)
        host_futex_wake(&vmspace->stops, INT32_MAX);
}

void run_freeze(struct vmspace *vmspace)
{
    bool is_running;

    vmspace->freezers++;
    do {
        uint32_t stops = vmspace->stops;

        is_running = false;
        for (struct stub *stub = vmspace->stubs; stub != NULL; stub = stub->next)
            if (stub->in_guest) {
                handover_kick(stub);
                is_running = true;
            }
        if (is_running)
            run_wait_for_stop(vmspace, stops);
    } while (is_running);
}

void run_thaw(struct vmspace *vmspace)
{
    vmspace->freezers--;
    note_stop(vmspace);
}

/* Hand the queued operations over; guest code may run from now on. */
static void start_guest(struct vmspace *vmspace, struct stub *stub)
{
    while (vmspace->freezers > 0)
        run_wait_for_stop(vmspace, vmspace->stops);
    host_frame(stub)->mask = 0;
    stub->in_guest = true;
    if (vmspace->mother != NULL)
        mother_perform(vmspace);
    run_operations(stub, vmspace->operations, vmspace->operation_count, 0);
    vmspace->operation_count = 0;
}

/* Run guest code once. The lock is held before and after. */
static enum handover run_once(struct vmspace *vmspace, struct stub *stub, struct vextframe *vframe)
{
    enum handover outcome;

    check_translations(vmspace);
    start_guest(vmspace, stub);
    host_unlock(&vmspace->lock);
    handover_leave_last(vframe);
    outcome = handover_wait(stub, vframe);
    host_lock(&vmspace->lock);
    stub->in_guest = false;
    note_stop(vmspace);
    if (outcome != HANDOVER_TRAPPED)
        return outcome; /* no guest code ran: what was ordered is still to be done */
    stub->is_fresh = false;
    stub->orders->flags = stub_flags;
    if (stub_flags & FLAG_FSGSBASE) {
        stub->fs_base = stub->words->fs_base;
        stub->gs_base = stub->words->gs_base;
    }
    return outcome;
}

static enum verdict run_until_trap(struct stub *stub, struct trapframe *frame,
                                   struct vextframe *vframe)
{
    enum verdict verdict = VERDICT_RESUME;

    while (verdict == VERDICT_RESUME) {
        if (vframe->kicked) {
            frame->trap_number = VMSPACE_INTERRUPT;
            return VERDICT_RETURN;
        }
        switch (run_once(stub->vmspace, stub, vframe)) {
        case HANDOVER_TRAPPED:
            verdict = judge(stub, frame, vframe);
            break;
        case HANDOVER_FAILED:
            verdict = recover(stub->vmspace);
            break;
        case HANDOVER_DEAD:
            verdict = VERDICT_LOST;
            break;
        }
    }
    return verdict;
}

int run_stub(struct stub *stub, struct trapframe *frame, struct vextframe *vframe)
{
    struct fault_record *fault = &stub->fault;
    enum verdict verdict = VERDICT_LOST;
    uint64_t error;

    stub->runner = vframe;
    handover_set_deadline(vframe);
    __atomic_store_n(&vframe->host_pid, stub->pid, __ATOMIC_SEQ_CST);
    stub->words->steps = vframe->vx_steps;
    if (!stub_is_dead(stub)) {
        bind_frame(stub, frame);
        load_registers(stub, frame);
        /* What faulted last is about to be accessed again; has the caller provided for it? */
        if (fault->is_valid && fault->pc == frame->rip)
            (void)!translate_and_map(stub->vmspace, fault->address, fault->access, &error);
        fault->is_valid = false;
        verdict = run_until_trap(stub, frame, vframe);
    }
    if (verdict == VERDICT_RETURN) {
        store_registers(stub, frame);
    } else {
        frame->trap_number = VMSPACE_LOST;
        if (!stub_is_dead(stub))
            stub_kill(stub);
    }
    vframe->vx_steps = min(vframe->vx_steps, stub->words->steps);
    vframe->host_pid = 0;
    vframe->kicked = 0;
    stub->runner = NULL;
    if (stub->vmspace->waiters > 0)
        note_stop(stub->vmspace);
    return 0;
}

/* In a signal handler, whose place ThreadSanitizer does not know: it is not to look. */
__attribute__((no_sanitize("thread"))) void vmspace_kick(struct vextframe *vframe)
{
    int pid;

    __atomic_store_n(&vframe->kicked, 1, __ATOMIC_SEQ_CST);
    pid = vframe->host_pid;
    if (pid != 0)
        host_call(SYS_tgkill, pid, pid, SIGUSR1);
}
