/*
 * Signal frames: how Linux on x86-64 lays the interrupted state on the user's stack
 * (sigreturn(2), sigaction(2); arch/x86/include/uapi/asm/sigcontext.h and ucontext.h name the
 * members). This serves the vkernel, too: its programs have the same registers.
 *
 *      interrupted rsp  +------------------------------+
 *                       | 128 bytes: the red zone      |
 *                  or:  +------------------------------+  top of the alternate stack
 *                       | floating-point state         |  aligned to 64
 *                       | siginfo                      |  <- rsi
 *                       | ucontext                     |  <- rdx
 *      handler's rsp -> | restorer (the return address)|  rsp + 8 is aligned to 16
 *                       +------------------------------+
 *
 * rt_sigreturn(2) finds the ucontext at its rsp, since the handler's return has popped the
 * restorer. Nothing in a frame that comes back is trusted: user_run() forces the segment
 * selectors and the flags that a program may not choose, and refuses a bad floating-point state.
 */
#include "arch/x86_64/signal_frame.h"

#include "arch/x86_64/x86.h"
#include "kern/abi/errno.h"
#include "kern/machine.h"
#include "kern/string.h"
#include "kern/uaccess.h"
#include <machine/frame.h>
#include <machine/param.h>

#define RED_ZONE 128

struct sigcontext {
    uint64_t r8, r9, r10, r11, r12, r13, r14, r15, rdi, rsi, rbp, rbx, rdx, rax, rcx, rsp, rip;
    uint64_t rflags;
    uint16_t cs, gs, fs, ss;
    uint64_t error_code, trap_number, old_mask, cr2;
    uaddr_t fpu;
    uint64_t reserved[8];
};

struct ucontext {
    uint64_t flags;
    uaddr_t link;
    struct {
        uaddr_t base;
        int32_t flags, padding;
        uint64_t size;
    } stack;
    struct sigcontext registers;
    uint64_t mask;
};

struct siginfo {
    int32_t signal, error, code, padding;
    union {
        uaddr_t address;
        struct {
            int32_t pid;
            uint32_t uid;
        } sender;
    };
    uint8_t rest[104];
};

struct signal_frame {
    uaddr_t restorer;
    struct ucontext context;
    struct siginfo info;
};

_Static_assert(sizeof(struct sigcontext) == 256, "Linux's size");
_Static_assert(sizeof(struct ucontext) == 304, "Linux's size");
_Static_assert(sizeof(struct siginfo) == 128, "Linux's size");

#define SS_DISABLE 2

static void save_registers(struct sigcontext *to, const struct trapframe *frame)
{
    *to = (struct sigcontext){
        .r8 = frame->r8,
        .r9 = frame->r9,
        .r10 = frame->r10,
        .r11 = frame->r11,
        .r12 = frame->r12,
        .r13 = frame->r13,
        .r14 = frame->r14,
        .r15 = frame->r15,
        .rdi = frame->rdi,
        .rsi = frame->rsi,
        .rbp = frame->rbp,
        .rbx = frame->rbx,
        .rdx = frame->rdx,
        .rax = frame->rax,
        .rcx = frame->rcx,
        .rsp = frame->rsp,
        .rip = frame->rip,
        .rflags = frame->rflags,
        .cs = (uint16_t)frame->cs,
        .ss = (uint16_t)frame->ss,
        .error_code = frame->error_code,
        .trap_number = frame->trap_number,
    };
}

static void restore_registers(struct trapframe *frame, const struct sigcontext *from)
{
    frame->r8 = from->r8;
    frame->r9 = from->r9;
    frame->r10 = from->r10;
    frame->r11 = from->r11;
    frame->r12 = from->r12;
    frame->r13 = from->r13;
    frame->r14 = from->r14;
    frame->r15 = from->r15;
    frame->rdi = from->rdi;
    frame->rsi = from->rsi;
    frame->rbp = from->rbp;
    frame->rbx = from->rbx;
    frame->rdx = from->rdx;
    frame->rax = from->rax;
    frame->rcx = from->rcx;
    frame->rsp = from->rsp;
    frame->rip = from->rip;
    frame->rflags = from->rflags;
}

static void describe(struct siginfo *info, const struct signal_request *request)
{
    info->signal = request->signal;
    info->code = request->code;
    if (request->code > 0)
        info->address = request->address; /* a fault's code is positive, SI_USER is 0 */
    else
        info->sender.pid = request->sender;
}

int user_frame_push_signal(struct trapframe *frame, const struct signal_request *request)
{
    struct signal_frame on_stack = {.restorer = request->restorer};
    uaddr_t top = request->top != 0 ? request->top : frame->rsp - RED_ZONE;
    uaddr_t fpu = align_down(top - FPU_STATE_SIZE, 64UL);
    uaddr_t base = align_down(fpu - sizeof(on_stack), 16UL) - sizeof(uaddr_t);
    int error;

    if (base < request->bottom)
        return -EFAULT;
    user_frame_save_fpu(frame);
    on_stack.context.stack.base = request->saved.stack;
    on_stack.context.stack.size = request->saved.stack_size;
    on_stack.context.stack.flags = request->saved.stack_size == 0 ? SS_DISABLE : 0;
    on_stack.context.mask = request->saved.mask;
    save_registers(&on_stack.context.registers, frame);
    on_stack.context.registers.old_mask = request->saved.mask;
    on_stack.context.registers.cr2 = request->address;
    on_stack.context.registers.fpu = fpu;
    describe(&on_stack.info, request);
    error = copyout(fpu, frame->fpu, FPU_STATE_SIZE);
    if (error == 0)
        error = copyout(base, &on_stack, sizeof(on_stack));
    if (error != 0)
        return error;

    frame->rdi = (uint64_t)request->signal;
    frame->rsi = base + offsetof(struct signal_frame, info);
    frame->rdx = base + offsetof(struct signal_frame, context);
    frame->rax = 0;
    frame->rip = request->handler;
    frame->rsp = base;
    /* The direction flag is clear on entry (System V ABI, 3.2.1), and no handler is stepped. */
    frame->rflags &= ~(RFLAGS_DF | RFLAGS_TF);
    return 0;
}

int user_frame_pop_signal(struct trapframe *frame, struct signal_saved *saved)
{
    struct ucontext context;

    user_frame_save_fpu(frame);
    if (copyin(&context, frame->rsp, sizeof(context)) != 0)
        return -EFAULT;
    if (context.registers.fpu != 0 &&
        copyin(frame->fpu, context.registers.fpu, FPU_STATE_SIZE) != 0)
        return -EFAULT;
    restore_registers(frame, &context.registers);
    saved->mask = context.mask;
    saved->stack = context.stack.base;
    saved->stack_size = context.stack.flags & SS_DISABLE ? 0 : context.stack.size;
    return 0;
}
