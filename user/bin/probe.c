/*
 * probe: do to memory what one is told to, and say what came of it.
 *
 * For the labs' tests, and to try things by hand. Nothing is decided here: processes, addresses
 * and values come from outside, line by line, so a kernel cannot know what will be asked next.
 *
 *      # probe '1 map 0x10000000 4 rw' '1 fill 0x10000000 4 99' '1 fork 2' '2 get 0x10000000'
 *
 * A command is `PROCESS VERB ARGUMENT...`. This process only hands commands on, through a pipe to
 * each of the processes that it speaks of, and prints the answers; process 1 is there from the
 * start, and the verb fork makes others. A program error in a process (SIGSEGV, SIGBUS) is an
 * answer: the handler leaves the access with longjmp().
 */
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <tool.h>
#include <unistd.h>

#define PAGE        4096UL
#define PAGE_WORDS  (PAGE / sizeof(uint64_t))
#define PROCESSES   9 /* 1 to 8 */
#define WORDS_MAX   8
#define LINE_MAX    256
#define ANSWER_TIME 20000 /* milliseconds; in a run with a seed they are gone at once */

static const char help[] =
    "usage: probe [COMMAND]...\n"
    "Do what the commands say, or without any those on standard input, one a line:\n"
    "  P map ADDRESS PAGES PROT [shared]   PROT is r, rw, rx, rwx or n; process P is 1 to 8\n"
    "  P unmap ADDRESS PAGES               P protect ADDRESS PAGES PROT\n"
    "  P fill ADDRESS PAGES KEY            write every word: what, follows from KEY\n"
    "  P hash ADDRESS PAGES                read every word\n"
    "  P put ADDRESS VALUE                 P get ADDRESS: one word\n"
    "  P call ADDRESS                      execute what is there: put 0xc3, a return\n"
    "  P receive ADDRESS WORDS KEY         have read(2) write there\n"
    "  P send ADDRESS WORDS                have write(2) read there; answers as hash\n"
    "  P fork Q                            P exit, and P reap: wait for a child\n"
    "  P churn TIMES ADDRESS PAGES         so many children, one after the other, write there\n"
    "Each answers `P VERB: RESULT`; where memory cannot be used so, `fault ADDRESS`.\n";

/* For each process the pipe of its commands and that of its answers. */
static int commands[PROCESSES][2], answers[PROCESSES][2];

static jmp_buf fault_exit;
static uintptr_t fault_address;

static void on_fault(int signal_number, siginfo_t *info, void *context)
{
    (void)signal_number;
    (void)context;
    fault_address = (uintptr_t)info->si_addr;
    longjmp(fault_exit, 1);
}

static void catch_faults(void)
{
    struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_NODEFER};

    sigaction(SIGSEGV, &action, NULL);
    sigaction(SIGBUS, &action, NULL);
}

/* SplitMix64 (Steele, Lea, Flood 2014): the value of word `index` of what `key` names. */
static uint64_t word_of(uint64_t key, uint64_t index)
{
    uint64_t z = key + (index + 1) * 0x9e3779b97f4a7c15UL;

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9UL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebUL;
    return z ^ (z >> 31);
}

static uint64_t hash_words(const volatile uint64_t *at, size_t count)
{
    uint64_t hash = 0xcbf29ce484222325UL; /* FNV-1a, by words */

    for (size_t i = 0; i < count; i++)
        hash = (hash ^ at[i]) * 0x100000001b3UL;
    return hash;
}

static void fill_words(volatile uint64_t *at, size_t count, uint64_t key)
{
    for (size_t i = 0; i < count; i++)
        at[i] = word_of(key, i);
}

static int parse_prot(const char *text)
{
    int prot = PROT_NONE;

    for (; *text != '\0'; text++)
        prot |= *text == 'r' ? PROT_READ : *text == 'w' ? PROT_WRITE : *text == 'x' ? PROT_EXEC : 0;
    return prot;
}

/* A command's words as numbers and text. */
struct command {
    int process;
    const char *verb;
    char *words[WORDS_MAX];
    uint64_t numbers[WORDS_MAX];
};

static void parse(char *line, struct command *command)
{
    memset(command, 0, sizeof(*command));
    for (int count = 0; count < WORDS_MAX; count++) {
        line += strspn(line, " \n");
        command->words[count] = line;
        command->numbers[count] = strtoull(line, NULL, 0);
        line += strcspn(line, " \n");
        if (*line != '\0')
            *line++ = '\0';
    }
    command->process = (int)command->numbers[0];
    command->verb = command->words[1];
}

/* --- The verbs ------------------------------------------------------------------------------- */

/* 0 or minus an error number, as text. */
static void say_status(char *answer, int result)
{
    if (result < 0)
        snprintf(answer, LINE_MAX, "error %d", errno);
    else
        strcpy(answer, "ok");
}

static void do_map(const struct command *command, char *answer)
{
    bool is_shared = strcmp(command->words[5], "shared") == 0;
    void *at = (void *)command->numbers[2];
    int flags = MAP_FIXED | MAP_ANONYMOUS | (is_shared ? MAP_SHARED : MAP_PRIVATE);
    int prot = parse_prot(command->words[4]);

    say_status(answer, mmap(at, command->numbers[3] * PAGE, prot, flags, -1, 0) == at ? 0 : -1);
}

static void do_unmap(const struct command *command, char *answer)
{
    say_status(answer, munmap((void *)command->numbers[2], command->numbers[3] * PAGE));
}

static void do_protect(const struct command *command, char *answer)
{
    say_status(answer, mprotect((void *)command->numbers[2], command->numbers[3] * PAGE,
                                parse_prot(command->words[4])));
}

static void do_fill(const struct command *command, char *answer)
{
    fill_words((uint64_t *)command->numbers[2], command->numbers[3] * PAGE_WORDS,
               command->numbers[4]);
    say_status(answer, 0);
}

static void do_hash(const struct command *command, char *answer)
{
    snprintf(answer, LINE_MAX, "%#lx",
             hash_words((uint64_t *)command->numbers[2], command->numbers[3] * PAGE_WORDS));
}

static void do_put(const struct command *command, char *answer)
{
    *(volatile uint64_t *)command->numbers[2] = command->numbers[3];
    say_status(answer, 0);
}

static void do_get(const struct command *command, char *answer)
{
    snprintf(answer, LINE_MAX, "%#lx", *(volatile uint64_t *)command->numbers[2]);
}

static void do_call(const struct command *command, char *answer)
{
    ((void (*)(void))command->numbers[2])();
    say_status(answer, 0);
}

/* Bytes that come from the kernel's hand, not from an instruction of ours. */
static void do_receive(const struct command *command, char *answer)
{
    static uint64_t words[PAGE_WORDS];
    size_t count = command->numbers[3] <= PAGE_WORDS ? command->numbers[3] : PAGE_WORDS;
    int ends[2], result = pipe(ends);

    fill_words(words, count, command->numbers[4]);
    if (result == 0) {
        result = (int)write(ends[1], words, count * sizeof(*words));
        result =
            result < 0 ? result : (int)read(ends[0], (void *)command->numbers[2], (size_t)result);
    }
    say_status(answer, result);
    close(ends[0]);
    close(ends[1]);
}

static void do_send(const struct command *command, char *answer)
{
    static uint64_t words[PAGE_WORDS];
    size_t count = command->numbers[3] <= PAGE_WORDS ? command->numbers[3] : PAGE_WORDS;
    int ends[2], result = pipe(ends);

    if (result == 0)
        result = (int)write(ends[1], (void *)command->numbers[2], count * sizeof(*words));
    if (result < 0 || read(ends[0], words, sizeof(words)) != result)
        say_status(answer, -1);
    else
        snprintf(answer, LINE_MAX, "%#lx", hash_words(words, count));
    close(ends[0]);
    close(ends[1]);
}

static void serve(int process);

static void do_fork(const struct command *command, char *answer)
{
    pid_t child = fork();

    if (child == 0)
        serve((int)(command->numbers[2] % PROCESSES));
    say_status(answer, child);
}

static void do_reap(const struct command *command, char *answer)
{
    int status = 0;

    (void)command;
    if (waitpid(-1, &status, 0) < 0)
        say_status(answer, -1);
    else
        snprintf(answer, LINE_MAX, WIFSIGNALED(status) ? "signal %d" : "status %d",
                 WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
}

static void do_churn(const struct command *command, char *answer)
{
    uint64_t i;
    int status = 0;

    for (i = 0; i < command->numbers[2]; i++) {
        pid_t child = fork();

        if (child == 0) {
            fill_words((uint64_t *)command->numbers[3], command->numbers[4] * PAGE_WORDS, i);
            _exit(0);
        }
        if (child < 0 || waitpid(child, &status, 0) != child || status != 0)
            break;
    }
    snprintf(answer, LINE_MAX, "%lu", i);
}

static const struct verb {
    const char *name;
    void (*act)(const struct command *command, char *answer);
} verbs[] = {
    {"map", do_map},     {"unmap", do_unmap}, {"protect", do_protect}, {"fill", do_fill},
    {"hash", do_hash},   {"put", do_put},     {"get", do_get},         {"call", do_call},
    {"fork", do_fork},   {"reap", do_reap},   {"receive", do_receive}, {"send", do_send},
    {"churn", do_churn},
};

static const struct verb *find_verb(const char *name)
{
    for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
        if (strcmp(verbs[i].name, name) == 0)
            return &verbs[i];
    }
    return NULL;
}

static void obey(const struct command *command, char *answer)
{
    const struct verb *volatile verb = find_verb(command->verb);

    if (verb == NULL)
        snprintf(answer, LINE_MAX, "no such verb");
    else if (setjmp(fault_exit) == 0)
        verb->act(command, answer);
    else
        snprintf(answer, LINE_MAX, "fault %#lx", fault_address);
}

/* --- Who hears and who does ------------------------------------------------------------------ */

/* A process's life: a command, an answer. */
static void serve(int process)
{
    char line[LINE_MAX], answer[LINE_MAX];
    struct command command;
    ssize_t size;

    while ((size = read(commands[process][0], line, sizeof(line) - 1)) > 0) {
        line[size] = '\0';
        parse(line, &command);
        if (strcmp(command.verb, "exit") == 0)
            break;
        obey(&command, answer);
        if (write(answers[process][1], answer, strlen(answer) + 1) < 0)
            break;
    }
    _exit(0);
}

/* Hand a command on and print the answer. */
static void ask(const char *text)
{
    char line[LINE_MAX], answer[LINE_MAX] = "ok";
    struct command command;

    snprintf(line, sizeof(line), "%s", text);
    parse(line, &command);
    if (command.process < 1 || command.process >= PROCESSES) {
        printf("%d %s: no such process\n", command.process, command.verb);
        return;
    }
    struct pollfd waiting = {.fd = answers[command.process][0], .events = POLLIN};

    if (write(commands[command.process][1], text, strlen(text)) < 0)
        snprintf(answer, sizeof(answer), "error %d", errno);
    else if (strcmp(command.verb, "exit") != 0) {
        if (poll(&waiting, 1, ANSWER_TIME) != 1 || read(waiting.fd, answer, sizeof(answer)) <= 0)
            strcpy(answer, "no answer");
    }
    printf("%d %s: %s\n", command.process, command.verb, answer);
    fflush(stdout);
}

int main(int argc, char **argv)
{
    char line[LINE_MAX];
    pid_t first;

    tool_start(argc, argv, help);
    for (int i = 1; i < PROCESSES; i++) {
        if (pipe(commands[i]) < 0 || pipe(answers[i]) < 0)
            tool_usage(1);
    }
    catch_faults();
    first = fork();
    if (first == 0)
        serve(1);
    if (first < 0) {
        printf("0 start: error %d\n", errno);
        return tool_finish(1);
    }
    printf("0 start: ok\n");
    fflush(stdout);
    for (int i = 1; i < argc; i++)
        ask(argv[i]);
    while (argc == 1 && fgets(line, sizeof(line), stdin) != NULL)
        ask(line);
    return tool_finish(0);
}
