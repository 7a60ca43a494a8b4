/* unit: kern/trace.c kern/trace_json.c kern/trace_print.c kern/format.c kern/syscall_names.c kern/test/check.c kern/test/fake_cpu.c */
/*
 * The event trace, without a machine: two pretended CPUs, pretended time and memory. What is
 * written is compared as text; grader/tests/test_trace.py looks at whole traces.
 */
#include "kern/test/check.h"

#include "kern/cmdline.h"
#include "kern/cpu.h"
#include "kern/dev/block.h"
#include "kern/machine.h"
#include "kern/panic.h"
#include "kern/print.h"
#include "kern/process.h"
#include "kern/trace.h"
#include "vm/heap.h"
#include "vm/page.h"
#include <asm/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define CPUS 2

struct cpu cpus[MAX_CPUS];

static struct thread threads[3];
static nsec_t now;
static const char *trace_word; /* the value of `trace`, or NULL */
static unsigned free_blocks;   /* how many blocks of memory there are */
static char written[1 << 20], printed[1 << 16];
static size_t written_length;

unsigned machine_cpu_count(void)
{
    return CPUS;
}

nsec_t machine_clock(void)
{
    return now;
}

bool cmdline_get(const char *key, char *value, size_t size)
{
    CHECK(strcmp(key, "trace") == 0);
    snprintf(value, size, "%s", trace_word != NULL ? trace_word : "");
    return trace_word != NULL;
}

void *kmalloc(size_t size)
{
    return calloc(1, size);
}

/* A block's address stands for its struct page; all blocks have 16 pages. */
struct page *page_alloc(unsigned order)
{
    if (free_blocks == 0)
        return NULL;
    free_blocks--;
    return (void *)((char *)aligned_alloc(PAGE_SIZE, PAGE_SIZE << order) - DIRECT_MAP_BASE);
}

paddr_t page_address(const struct page *page)
{
    return (paddr_t)page;
}

size_t page_free_count(void)
{
    return (size_t)free_blocks * 16;
}

void machine_trace_write(const void *data, size_t length)
{
    memcpy(written + written_length, data, length);
    written_length += length;
    written[written_length] = '\0';
}

void kprintf(const char *fmt, ...)
{
    size_t length = strlen(printed);
    va_list arguments;

    va_start(arguments, fmt);
    vsnprintf(printed + length, sizeof(printed) - length, fmt, arguments);
    va_end(arguments);
}

void thread_for_each(void (*visit)(struct thread *thread, void *argument), void *argument)
{
    for (size_t i = 0; i < array_length(threads); i++)
        visit(&threads[i], argument);
}

bool cpus_stop(struct cpu *self)
{
    (void)self;
    trace_stop();
    return true;
}

void panic_check(void)
{
}

static void become_cpu(unsigned id)
{
    syscall(SYS_arch_prctl, ARCH_SET_GS, &cpus[id].machine);
}

static void free_rings(void)
{
    for (unsigned id = 0; id < CPUS; id++) {
        struct trace_ring *ring = &cpus[id].trace;
        size_t blocks = (ring->mask + 1) * sizeof(struct trace_event) / (16 * PAGE_SIZE);

        for (size_t i = 0; ring->blocks != NULL && i < blocks; i++)
            free(ring->blocks[i]);
        free(ring->blocks);
    }
}

/* Start anew with rings for what `trace=word` says. Both CPUs run a thread. */
static void reset(const char *word, unsigned blocks)
{
    free_rings();
    memset(cpus, 0, sizeof(cpus));
    memset(threads, 0, sizeof(threads));
    now = 1000000;
    trace_word = word;
    free_blocks = blocks;
    written_length = 0;
    written[0] = printed[0] = '\0';
    for (unsigned i = 0; i < array_length(threads); i++) {
        threads[i].number = i + 1;
        snprintf(threads[i].name, sizeof(threads[i].name), "t%u", i + 1);
    }
    for (unsigned id = 0; id < CPUS; id++) {
        cpus[id].id = id;
        cpus[id].machine.self = &cpus[id];
        cpus[id].current = &threads[id];
    }
    become_cpu(0);
    trace_init();
}

static bool is_written(const char *text)
{
    return strstr(written, text) != NULL;
}

static void test_small_rings_without_the_word(void)
{
    reset(NULL, 100);
    CHECK(trace_is_on);
    CHECK(cpus[0].trace.mask == 1023 && cpus[1].trace.mask == 1023);
    trace_name(TRACE_INTERRUPT, "timer");
    trace_end(&cpus[0]);
    CHECK(written_length == 0);
}

static void test_sizes(void)
{
    reset("1", 100);
    CHECK(cpus[0].trace.mask == 1023);
    reset("5000", 1000);
    CHECK(cpus[0].trace.mask == 8191);
    reset("", 1000);
    CHECK(cpus[0].trace.mask == 32767);
}

static void test_short_memory(void)
{
    uint64_t lost;

    reset("10000", 16 * 8); /* 1/8 of which are 8 blocks for each CPU */
    CHECK(cpus[0].trace.mask == 8191 && cpus[1].trace.mask == 8191);
    CHECK(strcmp(printed, "trace: there is memory for the last 8192 events of each CPU\n") == 0);
    reset("", 1); /* for a CPU without the other */
    CHECK(!trace_is_on);
    trace_name(TRACE_INTERRUPT, "timer");
    CHECK(trace_count(&lost) == 0 && lost == 0);
}

static void test_the_oldest_are_overwritten(void)
{
    struct trace_ring *ring = &cpus[0].trace;
    uint64_t lost;

    reset("1", 100);
    for (uint64_t i = 0; i < 1023; i++)
        trace(TRACE_KICK, 0, i, 0, 0);
    CHECK(trace_count(&lost) == 1023 && lost == 0 && trace_first(ring) == 0);
    for (uint64_t i = 1023; i < 3000; i++)
        trace(TRACE_KICK, 0, i, 0, 0);
    CHECK(trace_count(&lost) == 3000 && lost == trace_first(ring));
    CHECK(trace_first(ring) == 3000 - 1023); /* the oldest may just be overwritten */
    for (uint64_t i = trace_first(ring); i < 3000; i++)
        CHECK(trace_event(ring, i)->words[0] == i);
}

static void test_nothing_after_stop(void)
{
    reset("1", 100);
    trace_stop();
    CHECK(trace_name(TRACE_INTERRUPT, "timer") == 0 && trace_clock() == 0);
    CHECK(cpus[0].trace.count == 0);
}

/* A call from 1000 to 1002.5 us on CPU 0, during which another thread takes over CPU 1. */
static void test_json(void)
{
    const uint64_t arguments[6] = {1, 0x1000, 3};

    reset("1", 100);
    threads[0].tid = 7;
    trace_wake(&threads[0]);
    trace_syscall_enter(&threads[0], 1, arguments);
    now += 1500;
    become_cpu(1);
    threads[1].ran_since = 999000;
    strcpy(threads[1].name, "a\"b\\c\n");
    cpus[1].current = &threads[2];
    threads[2].ran_since = now;
    trace_switch(&threads[1], &threads[2], 999000, now);
    now += 1000;
    become_cpu(0);
    trace_syscall_exit(&threads[0], 1, -5);
    CHECK(threads[0].syscall_began == 0);
    trace_end(&cpus[0]);
    CHECK(strncmp(written, "{\"displayTimeUnit\":\"ns\",\"traceEvents\":[\n", 40) == 0);
    CHECK(is_written("{\"ph\":\"B\",\"name\":\"write\",\"pid\":2,\"tid\":1,\"ts\":1000.000,"
                     "\"args\":{\"arguments\":\"0x1, 0x1000, 0x3, 0x0, 0x0, 0x0\"}},\n"));
    CHECK(is_written("{\"ph\":\"X\",\"name\":\"a\\\"b\\\\c?\",\"pid\":1,\"tid\":1000001,"
                     "\"ts\":999.000,\"dur\":2.500,\"args\":{\"thread\":2}},\n"));
    CHECK(is_written("{\"ph\":\"E\",\"name\":\"write\",\"pid\":2,\"tid\":1,\"ts\":1002.500,"
                     "\"args\":{\"result\":-5}},\n"));
    CHECK(is_written("\"tid\":1,\"args\":{\"name\":\"t1 7\"}}")); /* with its tid */
    CHECK(is_written("\"events\":4,\"lost\":0}}\n"));
    CHECK(strstr(written, "\"write\"") < strstr(written, "a\\\"b"));
}

/* What began before the oldest event that is left is shown from there on. */
static void test_json_after_loss(void)
{
    const uint64_t arguments[6] = {0};

    reset("1", 100);
    trace_syscall_enter(&threads[0], 0, arguments);
    become_cpu(1);
    trace_syscall_enter(&threads[1], 35, arguments);
    threads[1].frame.rax = 35;
    become_cpu(0);
    for (int i = 0; i < 2000; i++) {
        now += 10;
        trace_name(TRACE_INTERRUPT, "timer");
    }
    now += 10;
    trace_syscall_exit(&threads[0], 0, 9);
    cpus[0].current = &threads[2];
    now += 10;
    trace_end(&cpus[0]);
    /* 2002 events on CPU 0, 1023 of them left: from 1000000 + 979 * 10 ns on. */
    CHECK(!is_written("\"ph\":\"B\"") && !is_written("\"ph\":\"E\""));
    CHECK(is_written("{\"ph\":\"X\",\"name\":\"read\",\"pid\":2,\"tid\":1,\"ts\":1009.790,"
                     "\"dur\":10.220,\"args\":{\"result\":9}},\n"));
    CHECK(is_written("\"events\":1023,\"lost\":980}}\n")); /* and that of CPU 1 */
    CHECK(is_written("{\"ph\":\"X\",\"name\":\"nanosleep\",\"pid\":2,\"tid\":2,\"ts\":1009.790,"));
    CHECK(strcmp(printed, "trace: 979 of 2003 events have been overwritten; trace=2003 would keep "
                          "them\n") == 0);
}

static void test_a_thread_ends_in_its_call(void)
{
    const uint64_t arguments[6] = {0};

    reset("1", 100);
    trace_syscall_enter(&threads[0], 60, arguments);
    threads[0].frame.rax = 60;
    now += 10;
    trace_thread_end(&threads[0]);
    threads[0].state = THREAD_DEAD;
    trace_end(&cpus[0]);
    CHECK(is_written("{\"ph\":\"E\",\"name\":\"exit\",\"pid\":2,\"tid\":1,\"ts\":1000.010},\n"));
}

static void test_disk_requests(void)
{
    struct block_request request = {.sector = 8, .count = 2, .is_write = true};

    reset("1", 100);
    trace_block_submit(&request);
    now += 5000;
    request.error = -5;
    trace_block_done(&request);
    trace_print_last();
    trace_end(&cpus[0]);
    CHECK(strstr(printed, "thread 1: submits disk write, sector 8, 2 sectors\n") != NULL);
    CHECK(strstr(printed, "thread 1: disk write done, sector 8, 2 sectors, error 5\n") != NULL);
    CHECK(is_written(
        "{\"ph\":\"b\",\"name\":\"disk write\",\"pid\":1,\"tid\":1000000,\"ts\":1000.000,"
        "\"cat\":\"block\",\"id\":\"1000000.8\","));
    CHECK(is_written(
        "{\"ph\":\"e\",\"name\":\"disk write\",\"pid\":1,\"tid\":1000000,\"ts\":1005.000,"
        "\"cat\":\"block\",\"id\":\"1000000.8\","));
}

static void test_text(void)
{
    const uint64_t arguments[6] = {1, 2, 3, 4, 5, 6};

    reset(NULL, 100);
    now = 12 * NSEC_PER_SEC + 3456789;
    trace_syscall_enter(&threads[0], 100000, arguments);
    trace(TRACE_FAULT, 2, 0, 0x4000, (uint64_t)-14);
    trace_name(TRACE_LOCK_WAIT, "map");
    trace_print_last();
    CHECK(strcmp(printed, "cpu 0, last events:\n"
                          "     12.003456 thread 1: system call 65535(0x1, 0x2, 0x3, ...)\n"
                          "     12.003456 thread 1: page fault: write at 0x4000 = -14\n"
                          "     12.003456 thread 1: waits for mutex 'map'\n") == 0);
    for (int i = 0; i < 100; i++)
        trace_name(TRACE_INTERRUPT, "timer");
    printed[0] = '\0';
    trace_print_last();
    CHECK(strstr(printed, "system call") == NULL);
    free_rings();
}

int main(void)
{
    test_small_rings_without_the_word();
    test_sizes();
    test_short_memory();
    test_the_oldest_are_overwritten();
    test_nothing_after_stop();
    test_json();
    test_json_after_loss();
    test_a_thread_ends_in_its_call();
    test_disk_requests();
    test_text();
    return check_report();
}
