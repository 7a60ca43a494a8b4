/*
 * What the processor refuses becomes a signal, with the cause in siginfo; without a handler it
 * ends the program and nothing else.
 */
#include "check.h"

#include <setjmp.h>
#include <sys/mman.h>

static char *page;
static int *volatile near_null = (int *)4;
static const char text[4096] __attribute__((aligned(4096))) = "constant";

static int divide(void)
{
    int quotient = 1;
    __asm__ volatile("cltd\n idivl %1" : "+a"(quotient) : "r"(0) : "edx");
    return quotient;
}

static int divide_overflow(void)
{
    volatile int least = -2147483647 - 1, minus = -1;
    return least / minus;
}

static int illegal(void)
{
    __asm__ volatile("ud2");
    return 0;
}

static int breakpoint(void)
{
    __asm__ volatile("int3");
    return 0;
}

static int privileged_halt(void)
{
    __asm__ volatile("hlt");
    return 0;
}

static int privileged_cli(void)
{
    __asm__ volatile("cli");
    return 0;
}

static int privileged_port(void)
{
    __asm__ volatile("outb %%al, $0x80" : : "a"(0));
    return 0;
}

/* To a selector that is none for a stack. */
static int interrupt_return(void)
{
    __asm__ volatile("mov %%rsp, %%rax\n push $0x33\n push %%rax\n pushfq\n push $0x33\n"
                     "lea 1f(%%rip), %%rax\n push %%rax\n iretq\n 1:"
                     :
                     :
                     : "rax", "memory");
    return 0;
}

static int privileged_register(void)
{
    unsigned long value;
    __asm__ volatile("mov %%cr3, %0" : "=r"(value));
    return (int)value;
}

static int null_read(void)
{
    return *near_null;
}

static int null_write(void)
{
    *near_null = 1;
    return 0;
}

static int null_call(void)
{
    ((void (*)(void))8)();
    return 0;
}

static int write_text(void)
{
    *(volatile char *)(uintptr_t)divide = 1;
    return 0;
}

static int write_constant(void)
{
    *(volatile char *)(uintptr_t)text = 1;
    return 0;
}

static int kernel_read(void)
{
    return *(volatile int *)0xffff888000000000;
}

static int kernel_text_read(void)
{
    return *(volatile int *)0xffffffff80100000;
}

static int not_canonical(void)
{
    return *(volatile int *)0x1234567812345678;
}

static int jump_not_canonical(void)
{
    ((void (*)(void))0x1234567812345678)();
    return 0;
}

static int execute_data(void)
{
    page[0] = (char)0xc3;
    ((void (*)(void))(uintptr_t)page)();
    return 0;
}

static int execute_zeros(void)
{
    char *code = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    ((void (*)(void))(uintptr_t)code)();
    return 0;
}

static int trap_flag(void)
{
    __asm__ volatile("pushf\n orl $0x100, (%rsp)\n popf\n nop\n");
    return 0;
}

static const struct {
    const char *name;
    int (*function)(void);
} faults[] = {
    {"integer division by zero", divide},
    {"division overflow", divide_overflow},
    {"ud2", illegal},
    {"int3", breakpoint},
    {"hlt", privileged_halt},
    {"cli", privileged_cli},
    {"out", privileged_port},
    {"mov from cr3", privileged_register},
    {"iretq to a bad stack", interrupt_return},
    {"read page 0", null_read},
    {"write page 0", null_write},
    {"call page 0", null_call},
    {"write text", write_text},
    {"write constants", write_constant},
    {"read kernel memory", kernel_read},
    {"read kernel text", kernel_text_read},
    {"read not canonical", not_canonical},
    {"jump not canonical", jump_not_canonical},
    {"execute data", execute_data},
    {"execute zeros", execute_zeros},
    {"trap flag", trap_flag},
};

#define COUNT (sizeof(faults) / sizeof(faults[0]))

static jmp_buf back;

static void handler(int signal, siginfo_t *info, void *context)
{
    (void)context;
    const char *where = signal == SIGSEGV && info->si_addr == (void *)4   ? ", at 4"
                        : signal == SIGSEGV && info->si_addr == (void *)8 ? ", at 8"
                        : signal == SIGSEGV && info->si_addr == NULL      ? ", at 0"
                        : info->si_addr == text                           ? ", at the constant"
                        : info->si_addr == page                           ? ", at the page"
                                                                          : "";
    say("  SIG%s, code %d%s", signal_name(info->si_signo), info->si_code, where);
    longjmp(back, 1);
}

/* The same with a handler, which sees the code and the address. */
static void handle_all(void)
{
    static const int signals[] = {SIGSEGV, SIGFPE, SIGILL, SIGTRAP, SIGBUS};
    struct sigaction action;
    memset(&action, 0, sizeof(action));
    action.sa_sigaction = handler;
    action.sa_flags = SA_SIGINFO | SA_NODEFER;
    for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
        sigaction(signals[i], &action, NULL);
    for (size_t i = 0; i < COUNT; i++) {
        say("%s", faults[i].name);
        if (setjmp(back) == 0)
            faults[i].function();
    }
}

/* A fault cannot be ignored or blocked: the program would fault for ever. */
static int ignored(void)
{
    signal(SIGSEGV, SIG_IGN);
    return null_read();
}

static int blocked(void)
{
    sigset_t mask;
    sigfillset(&mask);
    sigprocmask(SIG_SETMASK, &mask, NULL);
    return null_read();
}

int main(void)
{
    page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    for (size_t i = 0; i < COUNT; i++)
        show_child(faults[i].name, faults[i].function);
    show_child("ignored", ignored);
    show_child("blocked", blocked);
    handle_all();
    return 0;
}
