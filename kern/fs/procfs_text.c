/*
 * The texts of /proc, in the formats of proc(5). Fields for which Duet has no such thing are 0,
 * as Linux prints them where they do not apply.
 */
#include "kern/abi/errno.h"
#include "kern/abi/mman.h"
#include "kern/clock.h"
#include "kern/cpu.h"
#include "kern/dev/block.h"
#include "kern/fs/mount.h"
#include "kern/fs/procfs.h"
#include "kern/machine.h"
#include "kern/main.h"
#include "kern/print.h"
#include "kern/process.h"
#include "kern/string.h"
#include "kern/thread.h"
#include "kern/tty.h"
#include "kern/uaccess.h"
#include "vm/heap.h"
#include "vm/map.h"
#include "vm/page.h"

#define TICKS_PER_SECOND 100 /* what times are counted in: AT_CLKTCK */
#define TERMINAL_NUMBER  (5 << 8 | 1)

static void print(struct proc_text *text, const char *fmt, ...) printf_like(2, 3);

static void print(struct proc_text *text, const char *fmt, ...)
{
    size_t used = min(text->length, text->size);
    va_list arguments;

    va_start(arguments, fmt);
    text->length += (size_t)format_v(text->buffer + used, text->size - used, fmt, arguments);
    va_end(arguments);
    /* format_v() ends with a NUL, for which the last byte is not left: count it as missing. */
    if (text->length == text->size)
        text->length++;
}

static int64_t ticks(nsec_t time)
{
    return time / (NSEC_PER_SEC / TICKS_PER_SECOND);
}

/* How long the CPU `id` has been idle. A snapshot without locks. */
static nsec_t idle_time(unsigned id)
{
    const struct thread *idle = cpus[id].idle;

    if (idle == NULL)
        return 0;
    return idle->run_time + (idle->on_cpu ? machine_clock() - idle->ran_since : 0);
}

static nsec_t total_idle_time(void)
{
    nsec_t total = 0;

    for (unsigned id = 0; id < machine_cpu_count(); id++)
        total += idle_time(id);
    return total;
}

static void count_processes(unsigned *total, unsigned *running, pid_t *last)
{
    struct process_info info;

    *total = *running = 0;
    *last = 0;
    for (pid_t pid = 0; (pid = process_next(pid)) != 0; *last = pid) {
        if (process_get_info(pid, &info) != 0)
            continue;
        ++*total;
        *running += info.state == 'R';
    }
}

/* --- The system ------------------------------------------------------------------------------ */

static int print_cpuinfo(struct proc_text *text, pid_t pid)
{
    (void)pid;
    for (unsigned id = 0; id < machine_cpu_count(); id++)
        print(text, "processor\t: %u\nmodel name\t: Duet CPU\n\n", id);
    return 0;
}

/* There is no history of the load: what runs now stands for all three averages. */
static int print_loadavg(struct proc_text *text, pid_t pid)
{
    unsigned total, running;
    pid_t last;

    (void)pid;
    count_processes(&total, &running, &last);
    print(text, "%u.00 %u.00 %u.00 %u/%u %d\n", running, running, running, running, total, last);
    return 0;
}

static int print_meminfo(struct proc_text *text, pid_t pid)
{
    size_t kib = PAGE_SIZE / 1024, free = page_free_count() * kib;

    (void)pid;
    print(text, "MemTotal:       %8zu kB\n", page_total_count() * kib);
    print(text, "MemFree:        %8zu kB\n", free);
    print(text, "MemAvailable:   %8zu kB\n", free);
    print(text, "Buffers:        %8u kB\n", 0);
    print(text, "Cached:         %8u kB\n", 0);
    print(text, "SwapCached:     %8u kB\n", 0);
    print(text, "SwapTotal:      %8u kB\n", 0);
    print(text, "SwapFree:       %8u kB\n", 0);
    print(text, "Shmem:          %8u kB\n", 0);
    print(text, "Slab:           %8zu kB\n", heap_used() / 1024);
    print(text, "SReclaimable:   %8u kB\n", 0);
    return 0;
}

static int print_mounts(struct proc_text *text, pid_t pid)
{
    struct mount_info info;

    (void)pid;
    for (unsigned i = 0; mount_get_info(i, &info); i++)
        print(text, "%s%s %s %s %s,relatime 0 0\n", block_find(info.source) != NULL ? "/dev/" : "",
              info.source, info.path, info.type, info.read_only ? "ro" : "rw");
    return 0;
}

static void print_cpu_line(struct proc_text *text, const char *name, nsec_t busy, nsec_t idle)
{
    print(text, "%s %ld 0 0 %ld 0 0 0 0 0 0\n", name, ticks(max(busy, 0L)), ticks(idle));
}

static int print_stat(struct proc_text *text, pid_t pid)
{
    nsec_t now = clock_monotonic(), idle = total_idle_time();
    unsigned total, running, count = machine_cpu_count();
    char name[16];
    pid_t last;

    (void)pid;
    print_cpu_line(text, "cpu ", now * count - idle, idle);
    for (unsigned id = 0; id < count; id++) {
        format(name, sizeof(name), "cpu%u", id);
        print_cpu_line(text, name, now - idle_time(id), idle_time(id));
    }
    count_processes(&total, &running, &last);
    print(text, "intr 0\nctxt 0\nbtime %ld\nprocesses %d\nprocs_running %u\nprocs_blocked 0\n",
          machine_boot_time() / NSEC_PER_SEC, last, running);
    return 0;
}

static void print_seconds(struct proc_text *text, nsec_t time, char end)
{
    print(text, "%ld.%02ld%c", time / NSEC_PER_SEC, time / (NSEC_PER_SEC / 100) % 100, end);
}

static int print_uptime(struct proc_text *text, pid_t pid)
{
    (void)pid;
    print_seconds(text, clock_monotonic(), ' ');
    print_seconds(text, total_idle_time(), '\n');
    return 0;
}

static int print_version(struct proc_text *text, pid_t pid)
{
    (void)pid;
    print(text, "Linux version %s (duet) %s\n", DUET_RELEASE, DUET_VERSION);
    return 0;
}

static int print_filesystems(struct proc_text *text, pid_t pid)
{
    (void)pid;
    print(text, "nodev\tdevfs\nnodev\tproc\n\text2\n");
    return 0;
}

static int print_cmdline(struct proc_text *text, pid_t pid)
{
    (void)pid;
    print(text, "%s\n", machine_command_line());
    return 0;
}

const struct proc_file proc_files[] = {
    {"cmdline", print_cmdline},
    {"cpuinfo", print_cpuinfo},
    {"filesystems", print_filesystems},
    {"loadavg", print_loadavg},
    {"meminfo", print_meminfo},
    {"mounts", print_mounts},
    {"stat", print_stat},
    {"uptime", print_uptime},
    {"version", print_version},
    {NULL, NULL},
};

/* --- One process ----------------------------------------------------------------------------- */

/* Its map with a reference, NULL if it has none, and where its arguments lie. */
static int process_map(pid_t pid, struct map **map, uaddr_t *arguments, uaddr_t *arguments_end)
{
    struct process *process;
    int error = -ESRCH;

    *map = NULL;
    spin_lock(&process_tree_lock);
    process = process_find(pid);
    if (process != NULL) {
        error = 0;
        spin_lock(&process->lock);
        *map = process->map;
        if (*map != NULL)
            map_reference(*map);
        *arguments = process->arguments;
        *arguments_end = process->arguments_end;
        spin_unlock(&process->lock);
    }
    spin_unlock(&process_tree_lock);
    return error;
}

static int print_process_cmdline(struct proc_text *text, pid_t pid)
{
    uaddr_t start, end;
    struct map *map;
    int error = process_map(pid, &map, &start, &end);

    if (error != 0 || map == NULL)
        return error;
    text->length = end - start;
    if (text->length <= text->size)
        error = map_copyin(map, text->buffer, start, text->length);
    map_release(map);
    if (error != 0)
        text->length = 0; /* the program has unmapped them */
    return 0;
}

static int print_process_comm(struct proc_text *text, pid_t pid)
{
    struct process_info info;
    int error = process_get_info(pid, &info);

    if (error == 0)
        print(text, "%s\n", info.name);
    return error;
}

/* What lies in a region, if that has a name. */
static const char *region_name(const struct map *map, const struct region *region)
{
    if (region->grows_down)
        return "[stack]";
    if (region->object == NULL && region->start < map->brk && region->end > map->brk_start)
        return "[heap]";
    return "";
}

static void print_region(struct proc_text *text, const struct map *map, const struct region *region)
{
    print(text, "%08lx-%08lx %c%c%c%c %08lx 00:00 0", region->start, region->end,
          (region->prot & PROT_READ) != 0 ? 'r' : '-', (region->prot & PROT_WRITE) != 0 ? 'w' : '-',
          (region->prot & PROT_EXEC) != 0 ? 'x' : '-', region->is_shared ? 's' : 'p',
          region->object != NULL ? (uint64_t)region->object_offset : 0);
    print(text, "%*s%s\n", region_name(map, region)[0] != '\0' ? 26 : 0, "",
          region_name(map, region));
}

static int print_process_maps(struct proc_text *text, pid_t pid)
{
    uaddr_t start, end;
    struct map *map;
    int error = process_map(pid, &map, &start, &end);

    if (error != 0 || map == NULL)
        return error;
    mutex_lock(&map->lock);
    list_for_each (&map->regions, region, struct region, link) {
        print_region(text, map, region);
    }
    mutex_unlock(&map->lock);
    map_release(map);
    return 0;
}

/* Whether the session has the terminal, and the terminal's foreground group. */
static bool has_terminal(pid_t session, pid_t *foreground)
{
    bool result;

    spin_lock(&console_tty.lock);
    result = session != 0 && console_tty.session == session;
    *foreground = result ? console_tty.group : -1;
    spin_unlock(&console_tty.lock);
    return result;
}

static int print_process_stat(struct proc_text *text, pid_t pid)
{
    struct process_info info;
    bool terminal;
    pid_t foreground;
    int error = process_get_info(pid, &info);

    if (error != 0)
        return error;
    terminal = has_terminal(info.session, &foreground);
    print(text, "%d (%s) %c %d %d %d %d %d 0 0 0 0 0", pid, info.name, info.state, info.parent,
          info.group, info.session, terminal ? TERMINAL_NUMBER : 0, foreground);
    /* utime stime cutime cstime priority nice threads itrealvalue starttime vsize rss rsslim */
    print(text, " %ld 0 0 0 20 0 %u 0 %ld %zu %zu 18446744073709551615", ticks(info.cpu_time),
          info.threads, ticks(info.start_time), info.mapped_bytes, info.resident_bytes / PAGE_SIZE);
    /* The other 27: addresses, signals, scheduling. The exit signal is SIGCHLD. */
    print(text, " 0 0 0 0 0 0 0 0 0 0 0 0 %d 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n", SIGCHLD);
    return 0;
}

static const char *state_word(char state)
{
    switch (state) {
    case 'R':
        return "running";
    case 'T':
        return "stopped";
    case 'Z':
        return "zombie";
    default:
        return "sleeping";
    }
}

static void process_ids(pid_t pid, uid_t ids[4])
{
    struct process *process;

    spin_lock(&process_tree_lock);
    process = process_find(pid);
    if (process != NULL) {
        ids[0] = process->uid;
        ids[1] = process->euid;
        ids[2] = process->gid;
        ids[3] = process->egid;
    }
    spin_unlock(&process_tree_lock);
}

static int print_process_status(struct proc_text *text, pid_t pid)
{
    struct process_info info;
    uid_t ids[4] = {0};
    int error = process_get_info(pid, &info);

    if (error != 0)
        return error;
    process_ids(pid, ids);
    print(text, "Name:\t%s\nState:\t%c (%s)\n", info.name, info.state, state_word(info.state));
    print(text, "Tgid:\t%d\nPid:\t%d\nPPid:\t%d\n", pid, pid, info.parent);
    print(text, "Uid:\t%u\t%u\t%u\t%u\n", ids[0], ids[1], ids[1], ids[1]);
    print(text, "Gid:\t%u\t%u\t%u\t%u\n", ids[2], ids[3], ids[3], ids[3]);
    if (info.state != 'Z')
        print(text, "VmSize:\t%8zu kB\nVmRSS:\t%8zu kB\n", info.mapped_bytes / 1024,
              info.resident_bytes / 1024);
    print(text, "Threads:\t%u\n", max(info.threads, 1u)); /* a zombie counts as one */
    return 0;
}

const struct proc_file proc_process_files[] = {
    {"cmdline", print_process_cmdline},
    {"comm", print_process_comm},
    {"maps", print_process_maps},
    {"mounts", print_mounts},
    {"stat", print_process_stat},
    {"status", print_process_status},
    {NULL, NULL},
};
