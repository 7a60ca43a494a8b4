/*
 * The seccomp filter of the stubs, which makes a guest program a prisoner of its memory.
 *
 * A system call from anywhere but the stub's own code raises SIGSYS: that is how guest system
 * calls reach us. The set-up code may do anything; it is gone before guest code runs. Each
 * call of the resident page is admitted from its one instruction, with the arguments fixed
 * that could do harm if a guest jumped there:
 *
 *      publish     pwrite of a constant word to the slot's `state`
 *      wait, wake  futex on `state`; a wait only while it is TRAPPED
 *      map, unmap  with the secret in the upper half of an argument of which Linux ignores it
 *      set_fs      arch_prctl(ARCH_SET_FS): the guest's own register
 *      sigreturn   rt_sigreturn: the guest's own registers and signal mask
 *
 * Anything else, calls of other ABIs (int 0x80, x32, vsyscall) included, raises SIGSYS as well.
 */
#include "arch/vkernel/vmspace/internal.h"

#include <asm/prctl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/syscall.h>

#define OFFSET_NUMBER  0
#define OFFSET_ARCH    4
#define OFFSET_IP      8
#define OFFSET_ARG(n)  (16 + 8 * (n))
#define OFFSET_HIGH(n) (OFFSET_ARG(n) + 4)

struct builder {
    struct sock_filter *filter;
    size_t length;
};

static void emit(struct builder *builder, uint16_t code, uint32_t k, uint8_t jt, uint8_t jf)
{
    builder->filter[builder->length++] = (struct sock_filter){code, jt, jf, k};
}

static void emit_load(struct builder *builder, uint32_t offset)
{
    emit(builder, BPF_LD | BPF_W | BPF_ABS, offset, 0, 0);
}

static void emit_return(struct builder *builder, uint32_t action)
{
    emit(builder, BPF_RET | BPF_K, action, 0, 0);
}

/* Trap unless the word at `offset` is `value`. */
static void require(struct builder *builder, uint32_t offset, uint32_t value)
{
    emit_load(builder, offset);
    emit(builder, BPF_JMP | BPF_JEQ | BPF_K, value, 1, 0);
    emit_return(builder, SECCOMP_RET_TRAP);
}

static void require_argument(struct builder *builder, unsigned n, uint64_t value)
{
    require(builder, OFFSET_ARG(n), (uint32_t)value);
    require(builder, OFFSET_HIGH(n), (uint32_t)(value >> 32));
}

/*
 * Begin the rules for the call at `ip`; the accumulator holds the instruction pointer's lower
 * half. Returns the place of the jump, to be given to end_call().
 */
static size_t begin_call(struct builder *builder, uint64_t ip, uint32_t number)
{
    size_t jump = builder->length;

    emit(builder, BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)ip, 0, 0);
    require(builder, OFFSET_NUMBER, number);
    return jump;
}

static void end_call(struct builder *builder, size_t jump)
{
    emit_return(builder, SECCOMP_RET_ALLOW);
    builder->filter[jump].jf = (uint8_t)(builder->length - jump - 1);
}

static void emit_calls(struct builder *b, const struct stub_calls *calls, uint32_t secret)
{
    size_t jump;

    jump = begin_call(b, calls->sigreturn, SYS_rt_sigreturn);
    end_call(b, jump);

    jump = begin_call(b, calls->publish, SYS_pwrite64);
    require(b, OFFSET_ARG(0), STUB_FD_SLOT);
    require_argument(b, 1, calls->trapped);
    require_argument(b, 2, 4);
    require_argument(b, 3, ORDERS_STATE);
    end_call(b, jump);

    jump = begin_call(b, calls->map, SYS_mmap);
    require(b, OFFSET_HIGH(4), secret);
    end_call(b, jump);

    jump = begin_call(b, calls->unmap, SYS_munmap);
    require(b, OFFSET_HIGH(2), secret);
    end_call(b, jump);

    jump = begin_call(b, calls->wait, SYS_futex);
    require_argument(b, 0, SLOT_ORDERS + ORDERS_STATE);
    require(b, OFFSET_ARG(1), 0 /* FUTEX_WAIT */);
    require(b, OFFSET_ARG(2), STATE_TRAPPED);
    end_call(b, jump);

    jump = begin_call(b, calls->wake, SYS_futex);
    require_argument(b, 0, SLOT_ORDERS + ORDERS_STATE);
    require(b, OFFSET_ARG(1), 1 /* FUTEX_WAKE */);
    end_call(b, jump);

    jump = begin_call(b, calls->set_fs, SYS_arch_prctl);
    require_argument(b, 0, ARCH_SET_FS);
    end_call(b, jump);
}

size_t filter_build(struct sock_filter *filter, const struct stub_calls *calls, uint32_t secret)
{
    struct builder builder = {filter, 0};
    uint32_t setup_start = (uint32_t)STUB_SETUP;
    uint32_t setup_end = (uint32_t)STUB_SETUP_END;

    require(&builder, OFFSET_ARCH, AUDIT_ARCH_X86_64);
    require(&builder, OFFSET_IP + 4, STUB_RESIDENT >> 32);
    emit_load(&builder, OFFSET_IP);
    emit_calls(&builder, calls, secret);
    emit(&builder, BPF_JMP | BPF_JGE | BPF_K, setup_start, 0, 2);
    emit(&builder, BPF_JMP | BPF_JGE | BPF_K, setup_end, 1, 0);
    emit_return(&builder, SECCOMP_RET_ALLOW);
    emit_return(&builder, SECCOMP_RET_TRAP);
    return builder.length;
}
