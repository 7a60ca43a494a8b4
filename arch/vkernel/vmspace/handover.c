/*
 * Passing control between the vkernel and a stub.
 *
 * The word `state` of the slot says whose turn it is: RUN, the stub's; TRAPPED, the vkernel's.
 *
 *      vkernel                                 stub
 *                                              (guest code runs)
 *                                              a signal: the host stores the registers in the
 *                                              slot and enters stub_handler
 *                              <-- TRAPPED --  pwrite(slot, &word, 4, 0); FUTEX_WAKE if
 *      edits registers, orders                 kernel_sleeps
 *      state = RUN             --   RUN   -->  sees it: spinning, or in FUTEX_WAIT (stub_sleeps:
 *      waits: spins, then sleeps               the vkernel wakes it)
 *                                              performs the orders, rt_sigreturn
 *                                              (guest code runs)
 *
 * Who waits, spins a while and then says that it sleeps, looks at `state` once more, and sleeps
 * in FUTEX_WAIT, which looks again. Who passes the turn, sets `state` and then looks whether
 * the other sleeps. Both are ordered (store, full barrier, load), so no wake-up is lost, and
 * none is made without need.
 *
 * Why the stub cannot just store TRAPPED: guest code shares its address space, and would store
 * it too, to run on while the vkernel believes it stopped: with translations that were dropped,
 * beside the stub's secret. Therefore the page with `state` is read-only to the stub, and it
 * sets the word by pwrite(2) on the slot's memfd, which the filter admits with these very
 * arguments from one instruction. What follows that instruction trusts no register and no
 * writable memory until the vkernel has set RUN. So whoever executes it is stopped, even a
 * guest that jumped there; and TRAPPED is true. It costs 0.2 microseconds a trap.
 *
 * A guest may block the kick with a forged signal frame. It is then found not to react while it
 * uses the processor, and killed.
 */
#include "arch/vkernel/vmspace/internal.h"
#include "arch/vkernel/vmspace/linux.h"

#include <errno.h>
#include <signal.h>
#include <time.h>

#define SPIN_MIN   16
#define SPIN_MAX   2000 /* some 30 to 50 microseconds: what waking a halted processor may cost */
#define SPIN_PROBE 16   /* every so many waits is a full one, to notice that times have changed */

#define PATIENCE_NSEC (300 * 1000 * 1000UL) /* CPU time after a kick before a stub is killed */
#define CHECK_NSEC    (50 * 1000 * 1000L)

static uint32_t spin_next(struct spin *spin)
{
    if (!vmspace_config.may_spin)
        return 0;
    return ++spin->waits % SPIN_PROBE == 0 ? SPIN_MAX : spin->budget;
}

/* The wait is over: was spinning enough? */
static void spin_adapt(struct spin *spin, bool slept)
{
    if (slept)
        spin->budget = max(spin->budget / 2, (uint32_t)SPIN_MIN);
    else
        spin->budget = min(spin->budget * 2 + SPIN_MIN, (uint32_t)SPIN_MAX);
}

void handover_resume(struct stub *stub)
{
    struct stub_orders *orders = stub->orders;
    uint32_t trapped = STATE_TRAPPED, spins = spin_next(&stub->its_spin);
    bool sleeps;

    if (orders->spin != spins)
        orders->spin = spins;
    if (!__atomic_compare_exchange_n(&orders->state, &trapped, STATE_RUN, false, __ATOMIC_SEQ_CST,
                                     __ATOMIC_SEQ_CST))
        return; /* it died; handover_wait() will say so */
    sleeps = stub->words->stub_sleeps != 0;
    spin_adapt(&stub->its_spin, sleeps);
    if (sleeps)
        host_futex_wake(&orders->state, 1);
}

void handover_kick(const struct stub *stub)
{
    host_call(SYS_tgkill, stub->pid, stub->pid, SIGUSR1);
}

/* Nanoseconds of processor time that the stub has used. */
static uint64_t stub_cpu_time(const struct stub *stub)
{
    struct timespec time;
    int clock = (int)(~(unsigned)stub->pid << 3 | 2); /* clock_getcpuclockid(3) */

    if (host_call(SYS_clock_gettime, clock, &time) != 0)
        return 0;
    return (uint64_t)time.tv_sec * NSEC_PER_SEC + (uint64_t)time.tv_nsec;
}

/* A kicked stub has not stopped for a while: kick again, and kill it if it only burns time. */
static void check_obedience(struct stub *stub)
{
    uint64_t time = stub_cpu_time(stub);

    if (stub->stuck_at == 0)
        stub->stuck_at = time;
    else if (time > stub->stuck_at + PATIENCE_NSEC)
        stub_kill(stub);
    if (!stub->dead)
        handover_kick(stub);
}

/* Sleep until it is our turn. */
static void sleep_for_turn(struct stub *stub, const struct vextframe *vframe)
{
    struct stub_orders *orders = stub->orders;

    for (;;) {
        struct host_timespec timeout = {0, CHECK_NSEC};

        __atomic_exchange_n(&orders->kernel_sleeps, 1, __ATOMIC_SEQ_CST);
        if (orders->state != STATE_RUN)
            break;
        if (host_futex_wait(&orders->state, STATE_RUN, &timeout) != -ETIMEDOUT)
            continue;
        if (host_call(SYS_kill, stub->pid, 0) == -ESRCH)
            stub_kill(stub); /* it was reaped before anyone knew it */
        else if (vframe != NULL && vframe->kicked)
            check_obedience(stub);
    }
    orders->kernel_sleeps = 0;
}

bool handover_wait(struct stub *stub, const struct vextframe *vframe)
{
    struct stub_orders *orders = stub->orders;
    uint32_t spins = spin_next(&stub->our_spin);

    while (orders->state == STATE_RUN && spins-- > 0)
        __asm__ volatile("pause");
    if (orders->state == STATE_RUN) {
        sleep_for_turn(stub, vframe);
        spin_adapt(&stub->our_spin, true);
    } else {
        spin_adapt(&stub->our_spin, false);
    }
    stub->stuck_at = 0;
    return __atomic_load_n(&orders->state, __ATOMIC_ACQUIRE) == STATE_TRAPPED && !stub->dead;
}
