/*
 * A program begins with known registers. A tiny one is put together here: its code writes the
 * registers to its output, and the test reads them.
 */
#include "check.h"

#include "kern/abi/elf.h"

extern char code_start[], code_end[];

/* Push all registers as they are, write them, exit with 21. */
__asm__(".text\n"
        "code_start:\n"
        "    mov %rsp, -200(%rsp)\n"
        "    push %rax\n push %rbx\n push %rcx\n push %rdx\n push %rsi\n push %rdi\n push %rbp\n"
        "    push %r8\n push %r9\n push %r10\n push %r11\n push %r12\n push %r13\n push %r14\n"
        "    push %r15\n pushf\n"
        "    mov %cs, %eax\n push %rax\n mov %ss, %eax\n push %rax\n"
        "    mov %ds, %eax\n push %rax\n mov %es, %eax\n push %rax\n"
        "    mov %fs, %eax\n push %rax\n mov %gs, %eax\n push %rax\n"
        "    push $0\n stmxcsr (%rsp)\n"
        "    push $0\n fnstcw (%rsp)\n"
        "    sub $8, %rsp\n" /* the entry's %rsp, stored above: now at (%rsp) */
        "    mov $1, %edi\n mov %rsp, %rsi\n mov $200, %edx\n mov $1, %eax\n syscall\n"
        "    mov $21, %edi\n mov $231, %eax\n syscall\n"
        "code_end:\n");

static const char *const names[] = {
    "fpu control", "mxcsr", "gs",  "fs", "es", "ds",  "ss",  "cs",  "flags", "r15", "r14", "r13",
    "r12",         "r11",   "r10", "r9", "r8", "rbp", "rdi", "rsi", "rdx",   "rcx", "rbx", "rax",
};

static void make_program(const char *path)
{
    struct {
        struct elf64_header header;
        struct elf64_program_header segment;
    } file;
    size_t size = (size_t)(code_end - code_start);
    memset(&file, 0, sizeof(file));
    memcpy(file.header.e_ident, "\177ELF\2\1\1", 7);
    file.header.e_type = 2;
    file.header.e_machine = 62;
    file.header.e_version = 1;
    file.header.e_entry = 0x500000 + sizeof(file);
    file.header.e_phoff = sizeof(file.header);
    file.header.e_ehsize = sizeof(file.header);
    file.header.e_phentsize = sizeof(file.segment);
    file.header.e_phnum = 1;
    file.segment.p_type = 1;
    file.segment.p_flags = 5;
    file.segment.p_vaddr = file.segment.p_paddr = 0x500000;
    file.segment.p_filesz = file.segment.p_memsz = sizeof(file) + size;
    file.segment.p_align = 4096;
    int fd = (int)must("open", open(path, O_WRONLY | O_CREAT, 0755));
    must("write", write(fd, &file, sizeof(file)));
    must("write", write(fd, code_start, size));
    close(fd);
}

int main(void)
{
    unsigned long values[25] = {0};
    int ends[2];
    make_program("registers");
    must("pipe", pipe(ends));
    pid_t pid = (pid_t)must("fork", fork());
    if (pid == 0) {
        char *argv[] = {"registers", NULL};
        dup2(ends[1], STDOUT_FILENO);
        execve("registers", argv, argv + 1);
        _exit(98);
    }
    close(ends[1]);
    show("bytes read", read(ends[0], values, sizeof(values)));
    show_status("the tiny program", wait_for(pid));
    say("rsp mod 16: %lu", values[0] % 16);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        say("%s: %lx", names[i], values[i + 1]);
    return 0;
}
