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

/* A signal frame, as Linux lays it on the stack (arch/x86/include/asm/sigframe.h). */
struct host_frame {
    uint64_t return_address;
    uint64_t flags, link;
    uint64_t stack_base;
    uint32_t stack_flags, padding;
    uint64_t stack_size;
    uint64_t r8, r9, r10, r11, r12, r13, r14, r15, rdi, rsi, rbp, rbx, rdx, rax, rcx, rsp, rip;
    uint64_t rflags;
    uint16_t cs, gs, fs, ss;
    uint64_t error_code, trap_number, old_mask, cr2;
    uint64_t fpstate; /* address, or 0: as after reset */
    uint64_t reserved[8];
    uint64_t mask;
    int32_t signal, error, code, padding2;
    uint64_t address;      /* si_addr, si_call_addr */
    uint32_t call_number;  /* SIGSYS */
    uint32_t architecture; /* SIGSYS */
};

_Static_assert(offsetof(struct host_frame, signal) == 312, "the ABI's");

#define USER_CS 0x33
#define USER_SS 0x2b

/* struct host_frame.flags */
#define UC_FP_XSTATE         1
#define UC_SIGCONTEXT_SS     2
#define UC_STRICT_RESTORE_SS 4

#define MAPPED_MIN 64 /* pages: more than one instruction needs at a time */

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
    return SLOT_FRAME + (uint64_t)(stub->fpstate - (uint8_t *)stub->words);
}

static size_t fpstate_size(const struct stub *stub)
{
    return SLOT_FRAME_END - fpstate_address(stub);
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

/* The stub is to run `frame`: exchange the states, if it is another than the last time. */
static void bind_frame(struct stub *stub, struct trapframe *frame)
{
    struct saved_state *saved = saved_state(frame);
    uint64_t number = stub_number(stub);

    if (stub->owner == frame && saved->home == number)
        return;
    if (stub->owner != NULL && stub->owner != frame) {
        save_fpstate(stub);
        saved_state(stub->owner)->home = 0;
    }
    if (saved->valid)
        memcpy(stub->fpstate, saved->fpstate, fpstate_size(stub));
    host_frame(stub)->fpstate = saved->valid ? fpstate_address(stub) : 0;
    saved->home = number;
    stub->owner = frame;
}

/* The vmspace whose stub has the state of `frame`, locked; NULL when none has. */
static struct vmspace *lock_home(const struct trapframe *frame)
{
    const struct saved_state *saved = (const void *)frame->fpu;
    struct stub *stub = stub_by_number(saved->home);
    struct vmspace *vmspace =
        stub != NULL ? __atomic_load_n(&stub->vmspace, __ATOMIC_ACQUIRE) : NULL;

    if (vmspace == NULL)
        return NULL;
    host_lock(&vmspace->lock);
    if (vmspace->id != NULL && vmspace->stub == stub && stub->owner == frame)
        return vmspace;
    host_unlock(&vmspace->lock);
    return NULL;
}

void run_release_frame(struct stub *stub)
{
    if (stub->owner == NULL)
        return;
    save_fpstate(stub);
    saved_state(stub->owner)->home = 0;
    stub->owner = NULL;
}

void vmspace_frame_copy(struct trapframe *to, struct trapframe *from)
{
    struct vmspace *vmspace = lock_home(from);

    if (vmspace != NULL) {
        save_fpstate(vmspace->stub);
        host_unlock(&vmspace->lock);
    }
    memcpy(to, from, sizeof(*to));
    saved_state(to)->home = 0;
}

void vmspace_frame_sync(struct trapframe *frame)
{
    struct vmspace *vmspace = lock_home(frame);

    if (vmspace != NULL) {
        run_release_frame(vmspace->stub);
        host_unlock(&vmspace->lock);
    }
}

void vmspace_frame_forget(struct trapframe *frame)
{
    struct vmspace *vmspace = lock_home(frame);

    if (vmspace != NULL) {
        vmspace->stub->owner = NULL;
        host_unlock(&vmspace->lock);
    }
    saved_state(frame)->home = 0;
}

/* --- Registers ----------------------------------------------------------------------------- */

static void load_registers(struct stub *stub, const struct trapframe *frame)
{
    struct host_frame *host = host_frame(stub);
    uint64_t fs_base = frame->fs_base < USER_MAX ? frame->fs_base : 0;
    uint64_t gs_base = frame->gs_base < USER_MAX ? frame->gs_base : 0;

    host->flags = UC_SIGCONTEXT_SS | UC_STRICT_RESTORE_SS | (host->fpstate ? UC_FP_XSTATE : 0);
    host->stack_base = SLOT_STACK;
    host->stack_flags = 0;
    host->stack_size = SLOT_FRAME_END - SLOT_STACK;
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
        stub->orders->flags = stub_flags | FLAG_LOAD_BASES;
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
static enum verdict take_page_fault(struct vmspace *vmspace, struct trapframe *frame,
                                    struct vextframe *vframe, const struct host_frame *host)
{
    uint64_t access = host->error_code & (PAGEFAULT_WRITE | PAGEFAULT_FETCH);
    uint64_t address = host->cr2, error;
    int status = translate_and_map(vmspace, address, access, &error);

    if (status != -EFAULT)
        return status == 0 ? VERDICT_RESUME : VERDICT_LOST;
    vmspace->retry = true;
    vmspace->retry_address = address;
    vmspace->retry_error = access;
    vmspace->retry_pc = host->rip;
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
    if (vmspace->stub->words->failed != -ENOMEM || vmspace->mapped <= MAPPED_MIN)
        return VERDICT_LOST;
    translate_reset(vmspace, true);
    return VERDICT_RESUME;
}

static enum verdict judge(struct vmspace *vmspace, struct trapframe *frame,
                          struct vextframe *vframe)
{
    struct host_frame *host = host_frame(vmspace->stub);
    int signal = host->signal;

    if (host->rip >= STUB_RESIDENT && host->rip < STUB_RESIDENT + PAGE_SIZE)
        return VERDICT_LOST;
    if (vmspace->stub->words->failed != 0)
        return recover(vmspace);
    if (signal == SIGUSR1 || host->code <= 0) { /* a kick, or somebody's kill(1) */
        frame->trap_number = VMSPACE_INTERRUPT;
        return vframe->kicked ? VERDICT_RETURN : VERDICT_RESUME;
    }
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
            return take_page_fault(vmspace, frame, vframe, host);
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

/* Hand the queued operations over; guest code may run from now on. */
static void commit_orders(struct vmspace *vmspace)
{
    struct stub *stub = vmspace->stub;
    struct stub_orders *orders = stub->orders;
    uint32_t count = 0;

    if (stub->is_fresh) {
        stub->is_fresh = false;
        orders->operations[count++] = (struct stub_operation){
            .address = STUB_SETUP,
            .length = STUB_SETUP_END - STUB_SETUP,
        };
    }
    memcpy(&orders->operations[count], vmspace->operations,
           vmspace->operation_count * sizeof(vmspace->operations[0]));
    count += vmspace->operation_count;
    vmspace->operation_count = 0;
    orders->count = count;
    stub->words->failed = 0;
    if (count > 0)
        stub->words->secret = stub_secret | STUB_FD_MEMORY;
    host_frame(stub)->mask = 0;
    vmspace->in_guest = true;
}

/* Run guest code once. The lock is held before and after. Returns false when the stub died. */
static bool run_once(struct vmspace *vmspace, const struct vextframe *vframe)
{
    struct stub *stub = vmspace->stub;
    bool alive;

    check_translations(vmspace);
    commit_orders(vmspace);
    host_unlock(&vmspace->lock);
    handover_resume(stub);
    alive = handover_wait(stub, vframe);
    host_lock(&vmspace->lock);
    vmspace->in_guest = false;
    __atomic_add_fetch(&vmspace->stops, 1, __ATOMIC_SEQ_CST);
    if (vmspace->stop_waiters > 0)
        host_futex_wake(&vmspace->stops, INT32_MAX);
    if (stub->words->failed != 0)
        return alive; /* no guest code ran: what was ordered is still to be done */
    if (stub->orders->flags != stub_flags)
        stub->orders->flags = stub_flags;
    if (stub_flags & FLAG_FSGSBASE) {
        stub->fs_base = stub->words->fs_base;
        stub->gs_base = stub->words->gs_base;
    }
    return alive;
}

static enum verdict run_until_trap(struct vmspace *vmspace, struct trapframe *frame,
                                   struct vextframe *vframe)
{
    enum verdict verdict = VERDICT_RESUME;

    while (verdict == VERDICT_RESUME) {
        if (vframe->kicked) {
            frame->trap_number = VMSPACE_INTERRUPT;
            return VERDICT_RETURN;
        }
        verdict = run_once(vmspace, vframe) ? judge(vmspace, frame, vframe) : VERDICT_LOST;
    }
    return verdict;
}

int run_vmspace(struct vmspace *vmspace, struct trapframe *frame, struct vextframe *vframe)
{
    struct stub *stub = vmspace->stub;
    enum verdict verdict = VERDICT_LOST;
    uint64_t error;

    vmspace->runner = vframe;
    __atomic_store_n(&vframe->host_pid, stub->pid, __ATOMIC_SEQ_CST);
    if (!stub->dead) {
        bind_frame(stub, frame);
        load_registers(stub, frame);
        /* What faulted last is about to be accessed again; has the caller provided for it? */
        if (vmspace->retry && vmspace->retry_pc == frame->rip)
            (void)!translate_and_map(vmspace, vmspace->retry_address, vmspace->retry_error, &error);
        vmspace->retry = false;
        verdict = run_until_trap(vmspace, frame, vframe);
    }
    if (verdict == VERDICT_RETURN) {
        store_registers(stub, frame);
    } else {
        frame->trap_number = VMSPACE_LOST;
        if (!stub->dead)
            stub_kill(stub);
    }
    vframe->host_pid = 0;
    vframe->kicked = 0;
    vmspace->runner = NULL;
    return 0;
}

void vmspace_kick(struct vextframe *vframe)
{
    int pid;

    __atomic_store_n(&vframe->kicked, 1, __ATOMIC_SEQ_CST);
    pid = vframe->host_pid;
    if (pid != 0)
        host_call(SYS_tgkill, pid, pid, SIGUSR1);
}
