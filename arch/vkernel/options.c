/*
 * The command line of the vkernel, in the spirit of DragonFly BSD's vkernel(7).
 */
#include "arch/vkernel/vkernel.h"
#include "kern/main.h"

#include <errno.h>
#include <getopt.h>
#include <machine/param.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#define MEMORY_MIN     (8UL << 20)
#define MEMORY_DEFAULT (128UL << 20)

struct options options = {.memory = MEMORY_DEFAULT, .cpus = 1};

static const char usage[] =
    "Usage: duet [OPTION]... [KERNEL-WORD]...\n"
    "Run the Duet kernel as a process, with a console on standard input and output.\n"
    "\n"
    "  -m SIZE          memory: bytes, or with K, M or G (default 128M, at least 8M)\n"
    "  -n CPUS          virtual CPUs, 1 to 16 (default 1)\n"
    "  -r IMAGE         a disk: the file is read and written\n"
    "  -R IMAGE         a disk: the file is read; what is written is lost at the end\n"
    "  -c COMMAND       run this shell command instead of a shell, and end with its status\n"
    "  --log FILE       where kernel messages go (default: standard error; with -c nowhere)\n"
    "  --seed N         the same run each time, in virtual time (kernel word seed=N)\n"
    "  --schedule FILE  with this schedule of choices (kernel word schedule=)\n"
    "  --fail LIST      the K-th fails: alloc:K, page:K, disk-read:K, disk-write:K, stub:K\n"
    "  --strict         count the steps of programs, so that nothing depends on the host; slow\n"
    "  --ram-file FILE  what is to be the memory, so that others can look at it\n"
    "  --results FILE   where the results channel goes; fd:N is a descriptor\n"
    "  --trace FILE     write what the kernel did lately, as JSON for a trace viewer, at the end\n"
    "  --vmspace=MEANS  how user programs are run: seccomp, or ptrace, which is slower\n"
    "                   (default: seccomp if the host allows it)\n"
    "  --help           show this\n"
    "  --version        show the version\n"
    "\n"
    "Up to 8 disks, in the order given; disk0 has the root file system. Kernel words are\n"
    "described in kern/cmdline.h, e.g. init=/bin/sh, or trace=100000 for a longer --trace.\n"
    "\n"
    "The exit status is that of `poweroff` in the guest, or of COMMAND (128 + N if signal N\n"
    "killed it); 125 when the kernel panicked, 2 for bad usage, 1 when the host refuses\n"
    "something. SIGTERM asks for a clean shutdown; a second one, or SIGQUIT, ends at once.\n";

static void bad_usage(const char *what, const char *argument) noreturn_fn;
static void bad_usage(const char *what, const char *argument)
{
    die(2, 0, "%s: %s (try --help)", argument, what);
}

static size_t parse_size(const char *text)
{
    unsigned long long size;
    char *end;
    unsigned shift = 0;
    struct sysinfo host;

    errno = 0;
    size = strtoull(text, &end, 10);
    switch (*end) {
    case 'T':
    case 't':
        shift = 40;
        break;
    case 'G':
    case 'g':
        shift = 30;
        break;
    case 'M':
    case 'm':
        shift = 20;
        break;
    case 'K':
    case 'k':
        shift = 10;
        break;
    }
    if (end == text || errno != 0 || text[0] == '-' || end[shift != 0] != '\0')
        bad_usage("not a memory size such as 128M", text);
    if (size > (SIZE_MAX >> shift) ||
        (sysinfo(&host) == 0 && (size << shift) / host.mem_unit > host.totalram + host.totalswap))
        bad_usage("more memory than this computer has", text);
    size <<= shift;
    if (size < MEMORY_MIN)
        bad_usage("too little memory: at least 8M is needed", text);
    return size / PAGE_SIZE * PAGE_SIZE;
}

static unsigned parse_cpus(const char *text)
{
    char *end;
    long number = strtol(text, &end, 10);

    if (end == text || *end != '\0' || number < 1 || number > MAX_CPUS)
        bad_usage("not a number of CPUs from 1 to 16", text);
    return (unsigned)number;
}

static void add_disk(const char *path, bool copy_on_write)
{
    if (options.disk_count == DISK_MAX)
        bad_usage("too many disks: 8 are allowed", path);
    options.disks[options.disk_count++] = (struct disk_option){path, copy_on_write};
}

/* The contents of a file without its line ends, as one word. */
static char *read_word(const char *path)
{
    FILE *file = fopen(path, "r");
    size_t length = 0, size = 4096;
    char *text = malloc(size);
    int c;

    if (file == NULL)
        die(1, errno, "%s", path);
    while (text != NULL && (c = getc(file)) != EOF) {
        if (c > ' ')
            text[length++] = (char)c;
        if (length == size)
            text = realloc(text, size *= 2);
    }
    if (text == NULL)
        die(1, ENOMEM, "%s", path);
    fclose(file);
    text[length] = '\0';
    return text;
}

/* The kernel's command line: the remaining words, and the command behind `--`. */
static void join_words(char **words, int count)
{
    size_t size = 24 + (options.command != NULL ? strlen(options.command) : 0);

    size += options.seed != NULL ? strlen(options.seed) : 0;
    size += options.schedule != NULL ? strlen(" schedule=") + strlen(options.schedule) : 0;
    size += options.fail != NULL ? strlen(options.fail) + 6 : 0;
    for (int i = 0; i < count; i++)
        size += strlen(words[i]) + 1;
    options.words = calloc(1, size);
    if (options.words == NULL)
        die(1, ENOMEM, "the command line");
    if (options.seed != NULL)
        sprintf(options.words, "seed=%s ", options.seed);
    if (options.fail != NULL)
        sprintf(options.words + strlen(options.words), "fail=%s ", options.fail);
    if (options.is_strict)
        strcat(options.words, "strict ");
    if (options.schedule != NULL)
        sprintf(options.words + strlen(options.words), "schedule=%s ", options.schedule);
    for (int i = 0; i < count; i++) {
        if (i > 0)
            strcat(options.words, " ");
        strcat(options.words, words[i]);
    }
    if (options.trace != NULL) /* behind a trace=EVENTS of the user's, which comes first */
        strcat(options.words, " trace");
    if (options.command != NULL) {
        strcat(options.words, " -- ");
        strcat(options.words, options.command);
    }
}

void options_parse(int argc, char **argv)
{
    enum {
        LOG = 256,
        FAIL,
        RAM_FILE,
        RESULTS,
        SCHEDULE,
        SEED,
        STRICT,
        TRACE,
        VMSPACE,
        HELP,
        VERSION
    };
    static const struct option long_options[] = {
        {"log", required_argument, NULL, LOG},
        {"ram-file", required_argument, NULL, RAM_FILE},
        {"results", required_argument, NULL, RESULTS},
        {"schedule", required_argument, NULL, SCHEDULE},
        {"seed", required_argument, NULL, SEED},
        {"fail", required_argument, NULL, FAIL},
        {"strict", no_argument, NULL, STRICT},
        {"trace", required_argument, NULL, TRACE},
        {"vmspace", required_argument, NULL, VMSPACE},
        {"help", no_argument, NULL, HELP},
        {"version", no_argument, NULL, VERSION},
        {NULL, 0, NULL, 0},
    };
    int option;

    while ((option = getopt_long(argc, argv, "m:n:r:R:c:", long_options, NULL)) != -1) {
        switch (option) {
        case 'm':
            options.memory = parse_size(optarg);
            break;
        case 'n':
            options.cpus = parse_cpus(optarg);
            break;
        case 'r':
        case 'R':
            add_disk(optarg, option == 'R');
            break;
        case 'c':
            options.command = optarg;
            break;
        case LOG:
            options.log = optarg;
            break;
        case RAM_FILE:
            options.ram_file = optarg;
            break;
        case RESULTS:
            options.results = optarg;
            break;
        case SCHEDULE:
            options.schedule = read_word(optarg);
            break;
        case SEED:
            options.seed = optarg;
            break;
        case FAIL:
            options.fail = optarg;
            break;
        case STRICT:
            options.is_strict = true;
            break;
        case TRACE:
            options.trace = optarg;
            break;
        case VMSPACE:
            if (strcmp(optarg, "seccomp") != 0 && strcmp(optarg, "ptrace") != 0)
                bad_usage("--vmspace is one of: seccomp, ptrace", optarg);
            options.vmspace = optarg;
            break;
        case HELP:
            fputs(usage, stdout);
            exit(0);
        case VERSION:
            puts(DUET_VERSION " (vkernel)");
            exit(0);
        default: /* getopt_long() has said what is wrong */
            fputs("Try `duet --help`.\n", stderr);
            exit(2);
        }
    }
    if (options.disk_count == 0)
        die(2, 0, "no disk: -R IMAGE names the image with the root file system (try --help)");
    join_words(argv + optind, argc - optind);
}
