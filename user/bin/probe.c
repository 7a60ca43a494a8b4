/*
 * probe: do to memory what one is told to, and say what came of it.
 *
 * For the labs' tests, and to try things by hand. Nothing is decided here: processes, addresses
 * and values come from outside, command by command, so a kernel cannot know what will be asked
 * next.
 *
 *      # probe '1 map 0x10000000 4 rw' '1 fill 0x10000000 4 99' '1 fork 2' '2 get 0x10000000'
 *
 * A command is `PROCESS VERB ARGUMENT...`. The first process only hands commands on, through a pipe
 * to each of the processes that it speaks of, and prints the answers; process 1 is there from the
 * start, and the verb fork makes others. A program error in a process (SIGSEGV, SIGBUS) is an
 * answer: the handler leaves the access with longjmp().
 *
 * It should work as well as it can on a kernel whose fork does not. So everything that it writes
 * to, even stacks, lies in one shared mapping, struct world, at a fixed address: fork does not copy
 * that, and a process begins on a stack of its own. It can also be the system's first process:
 *
 *      $ make -s boot KERNEL_ARGS=init=/bin/probe CMD='1 fork 2; 2 get 0x10000000'
 */
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/reboot.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <tool.h>
#include <unistd.h>

#define PAGE        4096UL
#define PAGE_WORDS  (PAGE / sizeof(uint64_t))
#define PROCESSES   9         /* who speaks, and 1 to 8 */
#define CHURNED     PROCESSES /* the child of the verb churn */
#define STACK_SIZE  (8 * PAGE)
#define WORLD       ((struct world *)0x100000000000UL)
#define WORDS_MAX   8
#define LINE_MAX    256
#define ANSWER_TIME 20000 /* milliseconds; in a run with a seed they are gone at once */

static const char help[] =
    "usage: probe [COMMAND]...\n"
    "       probe -c 'COMMAND; ...'\n"
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

/* What a process has for itself; aligned, as a stack must be. */
struct __attribute__((aligned(64))) slot {
    char stack[STACK_SIZE]; /* first, so that an overflow hits the previous one's less used end */
    int commands[2], answers[2];
    jmp_buf fault_exit;
    uintptr_t fault_address;
    uint64_t words[PAGE_WORDS];
    char line[LINE_MAX], answer[LINE_MAX];
};

struct world {
    struct slot slots[PROCESSES + 1];
    char input[LINE_MAX];
    size_t input_size;
};

/* The slot of the process that asks: that on whose stack it is. */
static struct slot *self(void)
{
    uintptr_t here = (uintptr_t)__builtin_frame_address(0);

    return &WORLD->slots[(here - (uintptr_t)WORLD) / sizeof(struct slot)];
}

static void on_fault(int signal_number, siginfo_t *info, void *context)
{
    (void)signal_number;
    (void)context;
    self()->fault_address = (uintptr_t)info->si_addr;
    longjmp(self()->fault_exit, 1);
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
    uint64_t *words = self()->words;
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
    uint64_t *words = self()->words;
    size_t count = command->numbers[3] <= PAGE_WORDS ? command->numbers[3] : PAGE_WORDS;
    int ends[2], result = pipe(ends);

    if (result == 0)
        result = (int)write(ends[1], (void *)command->numbers[2], count * sizeof(*words));
    if (result < 0 || read(ends[0], words, PAGE) != result)
        say_status(answer, -1);
    else
        snprintf(answer, LINE_MAX, "%#lx", hash_words(words, count));
    close(ends[0]);
    close(ends[1]);
}

/* A process's life: a command, an answer. Its name is used below. */
static __attribute__((used, noreturn)) void serve(int process);

/*
 * fork(2) with another stack, on which the child calls serve(process): clone(2) takes its top, and
 * nothing that the parent has on its own is needed any more.
 */
static pid_t fork_process(int process)
{
    char *top = WORLD->slots[process].stack + STACK_SIZE;
    register long child_tid __asm__("r10") = 0, tls __asm__("r8") = 0;
    register long number __asm__("r12") = process;
    long result;

    __asm__ volatile("syscall\n\t"
                     "test %%rax, %%rax\n\t"
                     "jnz 1f\n\t"
                     "xor %%ebp, %%ebp\n\t"
                     "mov %%r12d, %%edi\n\t"
                     "call serve\n"
                     "1:"
                     : "=a"(result)
                     : "a"(SYS_clone), "D"(SIGCHLD), "S"(top), "d"(0), "r"(child_tid), "r"(tls),
                       "r"(number)
                     : "rcx", "r11", "memory");
    if (result < 0)
        errno = (int)-result;
    return result < 0 ? -1 : (pid_t)result;
}

static void do_fork(const struct command *command, char *answer)
{
    uint64_t process = command->numbers[2];

    if (process < 1 || process >= PROCESSES)
        strcpy(answer, "no such process");
    else
        say_status(answer, fork_process((int)process));
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

    memcpy(WORLD->slots[CHURNED].words, command->numbers, sizeof(command->numbers));
    for (i = 0; i < command->numbers[2]; i++) {
        pid_t child = fork_process(CHURNED);

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
    else if (setjmp(self()->fault_exit) == 0)
        verb->act(command, answer);
    else
        snprintf(answer, LINE_MAX, "fault %#lx", self()->fault_address);
}

/* --- Who hears and who does ------------------------------------------------------------------ */

static void serve(int process)
{
    struct slot *slot = &WORLD->slots[process];
    struct command command;
    ssize_t size;

    if (process == CHURNED) {
        fill_words((uint64_t *)slot->words[3], slot->words[4] * PAGE_WORDS, slot->words[3]);
        _exit(0);
    }
    while ((size = read(slot->commands[0], slot->line, LINE_MAX - 1)) > 0) {
        slot->line[size] = '\0';
        parse(slot->line, &command);
        if (strcmp(command.verb, "exit") == 0)
            break;
        obey(&command, slot->answer);
        if (write(slot->answers[1], slot->answer, strlen(slot->answer) + 1) < 0)
            break;
    }
    _exit(0);
}

static void say(int process, const char *verb, const char *answer)
{
    char line[2 * LINE_MAX];
    int size = snprintf(line, sizeof(line), "%d %s: %s\n", process, verb, answer);

    tool_write(STDOUT_FILENO, line, (size_t)size);
}

/* Hand a command on and print the answer. */
static void ask(const char *text)
{
    struct slot *slot = &WORLD->slots[0], *other;
    struct command command;
    char *answer = slot->answer;

    snprintf(slot->line, LINE_MAX, "%s", text);
    parse(slot->line, &command);
    if (command.process < 1 || command.process >= PROCESSES) {
        say(command.process, command.verb, "no such process");
        return;
    }
    other = &WORLD->slots[command.process];
    struct pollfd waiting = {.fd = other->answers[0], .events = POLLIN};

    strcpy(answer, "ok");
    if (write(other->commands[1], text, strlen(text)) < 0)
        snprintf(answer, LINE_MAX, "error %d", errno);
    else if (strcmp(command.verb, "exit") != 0) {
        if (poll(&waiting, 1, ANSWER_TIME) != 1 || read(waiting.fd, answer, LINE_MAX) <= 0)
            strcpy(answer, "no answer");
    }
    say(command.process, command.verb, answer);
}

/* Ask what stands in `text`, up to one of `ends`; returns what follows that, NULL: nothing. */
static char *ask_first(char *text, const char *ends)
{
    char *end = strpbrk(text, ends);

    if (end != NULL)
        *end++ = '\0';
    text += strspn(text, " ");
    if (*text != '\0')
        ask(text);
    return end;
}

/* Ask what comes in on standard input, line by line. */
static void ask_input(void)
{
    char *input = WORLD->input, *rest;
    ssize_t size;

    while ((size = read(STDIN_FILENO, input + WORLD->input_size,
                        LINE_MAX - 1 - WORLD->input_size)) > 0) {
        WORLD->input_size += (size_t)size;
        input[WORLD->input_size] = '\0';
        while (strchr(input, '\n') != NULL && (rest = ask_first(input, "\n")) != NULL)
            memmove(input, rest, strlen(rest) + 1);
        WORLD->input_size = strlen(input);
    }
}

static int arguments_count;
static char **arguments;

/* The first process's life, on the stack of slot 0. Its name is used below. */
static __attribute__((used, noreturn)) void speak(void)
{
    pid_t first = fork_process(1);

    say(0, "start", first < 0 ? "fork fails" : "ok");
    if (arguments_count == 3 && strcmp(arguments[1], "-c") == 0) {
        for (char *text = arguments[2]; text != NULL;)
            text = ask_first(text, ";");
    } else {
        for (int i = 1; i < arguments_count; i++)
            ask(arguments[i]);
        if (arguments_count == 1)
            ask_input();
    }
    if (getpid() == 1)
        power_off(0);
    _exit(first < 0);
}

int main(int argc, char **argv)
{
    tool_start(argc, argv, help);
    arguments_count = argc;
    arguments = argv;
    if (mmap(WORLD, sizeof(struct world), PROT_READ | PROT_WRITE,
             MAP_FIXED | MAP_ANONYMOUS | MAP_SHARED, -1, 0) != WORLD)
        tool_usage(1);
    for (int i = 1; i < PROCESSES; i++) {
        if (pipe(WORLD->slots[i].commands) < 0 || pipe(WORLD->slots[i].answers) < 0)
            tool_usage(1);
    }
    catch_faults();
    __asm__ volatile("mov %0, %%rsp\n\t"
                     "xor %%ebp, %%ebp\n\t"
                     "call speak"
                     :
                     : "r"(WORLD->slots[0].stack + STACK_SIZE)
                     : "memory");
    __builtin_unreachable();
}
