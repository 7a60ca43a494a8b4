/*
 * Fault injection: the word fail= lets chosen ones fail of what can fail on any machine.
 *
 *      alloc:K        the K-th kmalloc() returns NULL
 *      page:K         the K-th allocation of physical pages returns NULL
 *      disk-read:K    the K-th read of a disk is -EIO and moves nothing
 *      disk-write:K   the same for a write
 *      stub:K         the host refuses the K-th process for user programs; only a machine that
 *                     runs them in processes of a host counts these
 *
 *      fail=alloc:17,disk-read:3     both of these
 *      fail=boot,alloc:17            count from boot on
 *      fail                          none: only count
 *
 * Counting begins with the first program that a process other than init executes: the shell
 * that runs the command. In a run with a seed the K-th is the same one each time, so all of them
 * can be tried one after the other (grader/explore_faults.py). It ends with the power-off, so
 * that the last writes of the file systems are the disk's own business.
 *
 * Where each one failed is remembered, and told at the end.
 *
 * Locks: none; counts are atomic, as any context allocates.
 */
#include "kern/fail.h"

#include "kern/cmdline.h"
#include "kern/machine.h"
#include "kern/print.h"
#include "kern/string.h"
#include "kern/symbols.h"
#include "kern/thread.h"

#define TARGETS_MAX 16
#define CALLS       12

static const char *const kind_names[FAIL_KINDS] = {"alloc", "page", "disk-read", "disk-write",
                                                   "stub"};

bool fail_is_counting;

static bool is_wanted;              /* (i) */
static uint64_t counts[FAIL_KINDS]; /* (a) */

/* What is to fail, and, once it did, where. */
static struct target {
    enum fail_kind kind; /* (i) */
    uint64_t number;     /* (i) */
    bool has_failed;
    char thread[16];
    vaddr_t calls[CALLS];
    size_t call_count;
} targets[TARGETS_MAX];

static size_t target_count; /* (i) */

/* --- The word -------------------------------------------------------------------------------- */

/* Read one KIND:K at `s`; returns what follows it, or NULL. */
static const char *parse_target(const char *s, struct target *target)
{
    for (unsigned kind = 0; kind < FAIL_KINDS; kind++) {
        size_t length = strlen(kind_names[kind]);

        if (strncmp(s, kind_names[kind], length) == 0 && s[length] == ':') {
            target->kind = (enum fail_kind)kind;
            s = cmdline_parse_number(s + length + 1, &target->number);
            return target->number > 0 ? s : NULL;
        }
    }
    return NULL;
}

static bool is_end(char c)
{
    return c == '\0' || c == ' ' || c == '\n' || c == '\t';
}

void fail_init(void)
{
    const char *s = cmdline_find("fail");
    bool from_boot = false;

    if (s == NULL)
        return;
    while (s != NULL && !is_end(*s)) {
        if (strncmp(s, "boot", 4) == 0) {
            from_boot = true;
            s += 4;
        } else if (target_count < TARGETS_MAX) {
            s = parse_target(s, &targets[target_count++]);
        } else {
            s = NULL;
        }
        if (s != NULL && *s == ',')
            s++;
        else if (s != NULL && !is_end(*s))
            s = NULL;
    }
    if (s == NULL)
        panic("fail=: a list of up to %u of boot, alloc:K, page:K, disk-read:K, disk-write:K, "
              "stub:K is wanted, K from 1 on",
              TARGETS_MAX);
    is_wanted = true;
    fail_is_counting = from_boot;
}

void fail_begin(void)
{
    if (is_wanted)
        __atomic_store_n(&fail_is_counting, true, __ATOMIC_RELAXED);
}

/* --- Failing --------------------------------------------------------------------------------- */

static void remember(struct target *target, vaddr_t fp)
{
    const struct thread *thread = thread_self();
    vaddr_t stack = thread != NULL ? (vaddr_t)thread->stack : 0;

    if (thread != NULL) {
        string_copy(target->thread, thread->name, sizeof(target->thread));
        target->call_count =
            backtrace_collect(fp, stack, stack + KERNEL_STACK_SIZE, target->calls, CALLS);
    }
    __atomic_store_n(&target->has_failed, true, __ATOMIC_RELEASE);
}

bool fail_count(enum fail_kind kind)
{
    uint64_t number = __atomic_add_fetch(&counts[kind], 1, __ATOMIC_RELAXED);

    for (size_t i = 0; i < target_count; i++) {
        if (targets[i].kind == kind && targets[i].number == number) {
            remember(&targets[i], (vaddr_t)__builtin_frame_address(0));
            return true;
        }
    }
    return false;
}

/* --- Telling --------------------------------------------------------------------------------- */

/* "failed: alloc 17 in thread 'sh': kmalloc < vnode_create < ...", in pieces. */
static void tell(const struct target *target, void (*write)(const char *text, size_t length))
{
    char piece[96];

    format(piece, sizeof(piece), "failed: %s %lu in thread '%s':", kind_names[target->kind],
           target->number, target->thread);
    write(piece, strlen(piece));
    for (size_t i = 0; i < target->call_count; i++) {
        size_t offset;
        const char *name = symbol_find(target->calls[i] - 1, &offset);

        format(piece, sizeof(piece), "%s %s", i > 0 ? " <" : "", name ? name : "?");
        write(piece, strlen(piece));
    }
    write("\n", 1);
}

static void tell_all(void (*write)(const char *text, size_t length))
{
    for (size_t i = 0; i < target_count; i++) {
        if (__atomic_load_n(&targets[i].has_failed, __ATOMIC_ACQUIRE))
            tell(&targets[i], write);
    }
}

static void write_results(const char *text, size_t length)
{
    machine_results_write(text, length);
}

static void write_log(const char *text, size_t length)
{
    (void)length;
    kprintf("%s", text);
}

void fail_print(void)
{
    tell_all(write_log);
}

void fail_end(void)
{
    char line[160];
    int length = 0;

    if (!is_wanted)
        return;
    __atomic_store_n(&fail_is_counting, false, __ATOMIC_RELAXED);
    for (unsigned kind = 0; kind < FAIL_KINDS; kind++)
        length += format(line + length, sizeof(line) - (size_t)length, "%s %s %lu",
                         kind == 0 ? "reached:" : ",", kind_names[kind], counts[kind]);
    length += format(line + length, sizeof(line) - (size_t)length, "\n");
    machine_results_write(line, (size_t)length);
    tell_all(write_results);
}
