/*
 * The seccomp filters of the stubs, which make a guest program a prisoner of its memory.
 *
 * A system call from anywhere but the stub's own code raises SIGSYS: that is how guest system
 * calls reach us. The set-up code may do anything; it is gone before guest code runs. Each
 * call of the resident page is admitted from its one instruction, with the arguments fixed
 * that could do harm if a guest jumped there:
 *
 *      publish     pwrite of one of two constant words to the `state` of a slot
 *      wait, wake  futex on the `state` of a slot; a wait only while it is the vkernel's turn
 *      map         mmap, with the secret in the upper halves of two arguments of which Linux
 *                  ignores them
 *      call        the few calls that operations need, with the secret in the sixth argument,
 *                  which they do not have
 *      set_fs      arch_prctl(ARCH_SET_FS): the guest's own register
 *      sigreturn   rt_sigreturn: the guest's own registers and signal mask
 *
 * Anything else, calls of other ABIs (int 0x80, x32, vsyscall) included, raises SIGSYS as well.
 *
 * Where several stubs share an address space, each that runs guest code has a second filter,
 * which lets it publish and wait in its own slot only (siblings.c).
 *
 * Stubs that are traced (stub/tracer.c) need no filter: their system calls do not reach the
 * host. But those of the vsyscall page, which the host performs without telling the tracer, are
 * caught by a filter where the host has them.
 */
#include "arch/vkernel/vmspace/internal.h"
#include "arch/vkernel/vmspace/linux.h"

#include <asm/prctl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/syscall.h>

#define VSYSCALL_PAGE 0xffffffffff600000UL

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

/* Trap unless the word at `offset` is `value` when `ignored` bits are cleared. */
static void require_masked(struct builder *builder, uint32_t offset, uint32_t ignored,
                           uint32_t value)
{
    emit_load(builder, offset);
    emit(builder, BPF_ALU | BPF_AND | BPF_K, ~ignored, 0, 0);
    emit(builder, BPF_JMP | BPF_JEQ | BPF_K, value, 1, 0);
    emit_return(builder, SECCOMP_RET_TRAP);
}

/* Argument n is the address or the offset of a slot, the first of which is at `first`. */
static void require_slot(struct builder *builder, unsigned n, uint64_t first)
{
    require_masked(builder, OFFSET_ARG(n), SLOTS_SIZE - SLOT_STRIDE, (uint32_t)first);
    require(builder, OFFSET_HIGH(n), (uint32_t)(first >> 32));
}

/*
 * Begin the rules for the call at `ip`; the accumulator holds the instruction pointer's lower
 * half. Returns the place of the jump, to be given to end_call().
 */
static size_t begin_call(struct builder *builder, uint64_t ip)
{
    size_t jump = builder->length;

    emit(builder, BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)ip, 0, 0);
    return jump;
}

static void end_call(struct builder *builder, size_t jump)
{
    emit_return(builder, SECCOMP_RET_ALLOW);
    builder->filter[jump].jf = (uint8_t)(builder->length - jump - 1);
}

static void require_number_for_operation(struct builder *builder)
{
    static const uint32_t numbers[] = {
        SYS_munmap, SYS_clone, SYS_seccomp, SYS_sigaltstack, SYS_prctl, SYS_getppid,
    };
    uint8_t left = sizeof(numbers) / sizeof(*numbers);

    emit_load(builder, OFFSET_NUMBER);
    for (size_t i = 0; left > 0; i++)
        emit(builder, BPF_JMP | BPF_JEQ | BPF_K, numbers[i], left--, 0);
    emit_return(builder, SECCOMP_RET_TRAP);
}

static void emit_calls(struct builder *b, const struct stub_calls *calls, uint64_t secret)
{
    uint32_t secret_low = (uint32_t)secret, secret_high = (uint32_t)(secret >> 32);
    size_t jump;

    jump = begin_call(b, calls->sigreturn);
    require(b, OFFSET_NUMBER, SYS_rt_sigreturn);
    end_call(b, jump);

    jump = begin_call(b, calls->publish);
    require(b, OFFSET_NUMBER, SYS_pwrite64);
    require(b, OFFSET_ARG(0), STUB_FD_SLOTS);
    require_masked(b, OFFSET_ARG(1), 4, (uint32_t)calls->trapped);
    require(b, OFFSET_HIGH(1), calls->trapped >> 32);
    require_argument(b, 2, 4);
    require_slot(b, 3, ORDERS_STATE);
    end_call(b, jump);

    jump = begin_call(b, calls->map);
    require(b, OFFSET_NUMBER, SYS_mmap);
    require(b, OFFSET_HIGH(3), secret_low);
    require(b, OFFSET_HIGH(4), secret_high);
    end_call(b, jump);

    jump = begin_call(b, calls->call);
    require_argument(b, 5, secret);
    require_number_for_operation(b);
    end_call(b, jump);

    jump = begin_call(b, calls->wait);
    require(b, OFFSET_NUMBER, SYS_futex);
    require_slot(b, 0, SLOTS + ORDERS_STATE);
    require(b, OFFSET_ARG(1), FUTEX_WAIT);
    require_masked(b, OFFSET_ARG(2), STATE_TRAPPED ^ STATE_FAILED, STATE_TRAPPED & STATE_FAILED);
    end_call(b, jump);

    jump = begin_call(b, calls->wake);
    require(b, OFFSET_NUMBER, SYS_futex);
    require_slot(b, 0, SLOTS + ORDERS_STATE);
    require(b, OFFSET_ARG(1), FUTEX_WAKE);
    end_call(b, jump);

    jump = begin_call(b, calls->set_fs);
    require(b, OFFSET_NUMBER, SYS_arch_prctl);
    require_argument(b, 0, ARCH_SET_FS);
    end_call(b, jump);
}

size_t filter_build(struct sock_filter *filter, const struct stub_calls *calls, uint64_t secret)
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

size_t filter_build_for_traced(struct sock_filter *filter)
{
    struct builder builder = {filter, 0};

    emit_load(&builder, OFFSET_IP + 4);
    emit(&builder, BPF_JMP | BPF_JEQ | BPF_K, VSYSCALL_PAGE >> 32, 0, 4);
    emit_load(&builder, OFFSET_IP);
    emit(&builder, BPF_ALU | BPF_AND | BPF_K, ~(uint32_t)(PAGE_SIZE - 1), 0, 0);
    emit(&builder, BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)VSYSCALL_PAGE, 0, 1);
    emit_return(&builder, SECCOMP_RET_TRAP);
    emit_return(&builder, SECCOMP_RET_ALLOW);
    return builder.length;
}

void filter_build_for_slot(struct sock_filter *filter, const struct stub_calls *calls,
                           uint64_t slot)
{
    struct builder builder = {filter, 0};

    emit_load(&builder, OFFSET_IP);
    emit(&builder, BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)calls->publish, 0, 2);
    emit_load(&builder, OFFSET_ARG(3));
    emit(&builder, BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)(slot - SLOTS + ORDERS_STATE), 3, 4);
    emit(&builder, BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)calls->wait, 0, 2);
    emit_load(&builder, OFFSET_ARG(0));
    emit(&builder, BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)(slot + ORDERS_STATE), 0, 1);
    emit_return(&builder, SECCOMP_RET_ALLOW);
    emit_return(&builder, SECCOMP_RET_TRAP);
}
