/*
 * Starting programs.
 *
 * A new address map is built beside the old one: the program's segments, mapped from the
 * file and read on demand, and a stack that holds what the System V ABI for x86-64 (section
 * 3.4.1) and Linux put there. Only when nothing can fail any more are the process's other threads
 * ended and the old map given up, so that a failed exec leaves the program as it was.
 *
 *      USER_MAX   +--------------------------------+
 *                 | file name, strings, 16 random  |
 *                 | auxiliary vector               |
 *                 | environment pointers, NULL     |
 *                 | argument pointers, NULL        |
 *      sp ------> | argc                           |
 *                 | ... the stack grows down ...   |
 *                 |                                |
 *                 | heap (brk)                     |
 *      0x400000   | segments (linked addresses)    |
 */
#include "kern/exec.h"

#include "kern/abi/elf.h"
#include "kern/abi/errno.h"
#include "kern/abi/fcntl.h"
#include "kern/abi/stat.h"
#include "kern/cpu.h"
#include "kern/dev/random.h"
#include "kern/fail.h"
#include "kern/file.h"
#include "kern/fs/vnode.h"
#include "kern/futex.h"
#include "kern/machine.h"
#include "kern/print.h"
#include "kern/process.h"
#include "kern/string.h"
#include "kern/thread.h"
#include "kern/uaccess.h"
#include "vm/heap.h"
#include "vm/map.h"
#include "vm/object.h"

#define STACK_SIZE        (8 * 1024 * 1024)
#define STACK_INITIAL     (128 * 1024)
#define PIE_BASE          0x555555554000UL /* where ET_DYN programs are loaded */
#define MAX_PROGRAM_PARTS 32               /* program headers */
#define MAX_INTERPRETERS  4                /* #! scripts whose interpreter is a script */
#define SCRIPT_LINE       128

/* --- Scripts ------------------------------------------------------------------------------------
 */

/* The file being executed, and what was read of its start. */
struct image {
    struct vnode *vnode;
    union {
        char bytes[1024];
        struct elf64_header elf;
    } head;
    size_t head_size;
};

static int open_image(const char *path, struct image *image)
{
    struct stat stat;
    ssize_t size;
    int error = vnode_lookup(path, true, &image->vnode);

    if (error != 0)
        return error;
    error = vnode_stat(image->vnode, &stat);
    if (error == 0 && !S_ISREG(stat.st_mode))
        error = -EACCES;
    if (error == 0)
        error = vnode_access(image->vnode, X_OK);
    if (error == 0) {
        size = vnode_read(image->vnode, image->head.bytes, sizeof(image->head), 0);
        image->head_size = size > 0 ? (size_t)size : 0;
        error = size < 0 ? (int)size : 0;
    }
    if (error != 0)
        vnode_release(image->vnode);
    return error;
}

static bool is_script(const struct image *image)
{
    return image->head_size > 2 && image->head.bytes[0] == '#' && image->head.bytes[1] == '!';
}

/* Cut the next word of *line off; NULL at the end. With `rest`, the word is all that is left. */
static char *next_word(char **line, bool rest)
{
    char *word = *line, *end;

    while (*word == ' ' || *word == '\t')
        word++;
    for (end = word; *end != '\0' && (rest || (*end != ' ' && *end != '\t')); end++)
        ;
    while (rest && end > word && (end[-1] == ' ' || end[-1] == '\t'))
        end--;
    *line = *end == '\0' ? end : end + 1;
    *end = '\0';
    return *word != '\0' ? word : NULL;
}

/*
 * A script `path` with the arguments A B C runs as: interpreter [option] path B C. Stores the
 * interpreter's path (at most SCRIPT_LINE bytes).
 */
static int expand_script(const struct image *image, const char *path, char *interpreter,
                         struct exec_strings *strings)
{
    char line[SCRIPT_LINE], *cursor = line, *word, *option;
    size_t length = min(image->head_size - 2, sizeof(line) - 1), skipped = 0;
    struct exec_strings expanded = {.argc = strings->argc, .envc = strings->envc};
    int error;

    memcpy(line, image->head.bytes + 2, length);
    line[length] = '\0';
    if (strchr(line, '\n') == NULL && length == sizeof(line) - 1)
        return -ENOEXEC;
    *(strchr(line, '\n') != NULL ? strchr(line, '\n') : line + length) = '\0';
    word = next_word(&cursor, false);
    if (word == NULL)
        return -ENOEXEC;
    option = next_word(&cursor, true);

    error = exec_strings_add(&expanded, word);
    if (error == 0 && option != NULL)
        error = exec_strings_add(&expanded, option);
    if (error == 0)
        error = exec_strings_add(&expanded, path);
    if (strings->argc > 0)
        skipped = strlen(strings->buffer) + 1;
    if (error == 0)
        error = exec_strings_reserve(&expanded, strings->used - skipped);
    if (error != 0) {
        exec_strings_free(&expanded);
        return error;
    }
    memcpy(expanded.buffer + expanded.used, strings->buffer + skipped, strings->used - skipped);
    expanded.used += strings->used - skipped;
    expanded.argc += (strings->argc > 0 ? 1 : 2) + (option != NULL ? 1 : 0);
    exec_strings_free(strings);
    *strings = expanded;
    string_copy(interpreter, word, SCRIPT_LINE);
    return 0;
}

/* Open the program that runs `path`, following #! lines. */
static int open_program(const char *path, struct exec_strings *strings, struct image *image)
{
    char interpreter[SCRIPT_LINE], script[SCRIPT_LINE];

    for (int depth = 0; depth <= MAX_INTERPRETERS; depth++) {
        int error = open_image(path, image);

        if (error != 0 || !is_script(image))
            return error;
        error = expand_script(image, path, interpreter, strings);
        vnode_release(image->vnode);
        if (error != 0)
            return error;
        string_copy(script, interpreter, sizeof(script));
        path = script;
    }
    return -ELOOP;
}

/* --- Loading ------------------------------------------------------------------------------------
 */

/* What the new program's stack will tell it. */
struct program {
    struct map *map;
    struct elf64_program_header parts[MAX_PROGRAM_PARTS];
    size_t part_count;
    uaddr_t base; /* added to all addresses in the file; 0 unless ET_DYN */
    uaddr_t entry;
    uaddr_t headers;                  /* AT_PHDR */
    uaddr_t end;                      /* of the highest segment */
    uaddr_t arguments, arguments_end; /* the strings of argv */
};

static bool is_loadable(const struct image *image)
{
    const struct elf64_header *elf = &image->head.elf;

    return image->head_size >= sizeof(*elf) && elf->e_ident[0] == ELFMAG0 &&
           memcmp(elf->e_ident + 1, "ELF", 3) == 0 && elf->e_ident[4] == ELFCLASS64 &&
           elf->e_ident[5] == ELFDATA2LSB && elf->e_machine == USER_ELF_MACHINE &&
           (elf->e_type == ET_EXEC || elf->e_type == ET_DYN) &&
           elf->e_phentsize == sizeof(struct elf64_program_header) && elf->e_phnum > 0 &&
           elf->e_phnum <= MAX_PROGRAM_PARTS;
}

static int read_parts(const struct image *image, struct program *program)
{
    const struct elf64_header *elf = &image->head.elf;
    size_t size = elf->e_phnum * sizeof(struct elf64_program_header);
    ssize_t count;

    if (!is_loadable(image))
        return -ENOEXEC;
    count = vnode_read(image->vnode, program->parts, size, (off_t)elf->e_phoff);
    if (count < 0)
        return (int)count;
    if ((size_t)count != size)
        return -ENOEXEC;
    program->part_count = elf->e_phnum;
    program->base = elf->e_type == ET_DYN ? PIE_BASE : 0;
    program->entry = program->base + elf->e_entry;
    return 0;
}

static prot_t part_prot(const struct elf64_program_header *part)
{
    return ((part->p_flags & PF_R) ? PROT_READ : 0) | ((part->p_flags & PF_W) ? PROT_WRITE : 0) |
           ((part->p_flags & PF_X) ? PROT_EXEC : 0);
}

/* Whether the numbers of a segment make sense together; they come from the file. */
static bool is_sane(const struct elf64_program_header *part, uaddr_t base)
{
    return part->p_filesz <= part->p_memsz && part->p_memsz <= USER_MAX &&
           part->p_vaddr <= USER_MAX && base + part->p_vaddr >= USER_MIN &&
           base + part->p_vaddr + part->p_memsz <= USER_MAX &&
           part->p_offset + part->p_filesz >= part->p_offset &&
           part->p_offset <= INT64_MAX - part->p_filesz &&
           (part->p_vaddr - part->p_offset) % PAGE_SIZE == 0;
}

static int load_part(struct program *program, const struct elf64_program_header *part,
                     struct object *object)
{
    size_t slack = part->p_vaddr % PAGE_SIZE;
    uaddr_t address = program->base + part->p_vaddr - slack;
    struct map_request request = {
        .size = part->p_memsz + slack,
        .prot = part_prot(part),
        .fixed = true,
        .no_replace = true,
        .object = part->p_filesz > 0 ? object : NULL,
        .offset = (off_t)(part->p_offset - slack),
        .object_end = INT64_MAX,
    };
    int error;

    if (!is_sane(part, program->base))
        return -ENOEXEC;
    if (part->p_memsz == 0)
        return 0;
    /* Only what goes on past the file's bytes needs zeros there, and so a page of its own. */
    if (part->p_memsz > part->p_filesz)
        request.object_end = (off_t)(part->p_offset + part->p_filesz);
    error = map_insert(program->map, &address, &request);
    program->end = max(program->end, program->base + part->p_vaddr + part->p_memsz);
    return error == -EEXIST ? -ENOEXEC : error;
}

/* Where the program headers will be in memory: in the segment that holds their file offset. */
static void find_headers(struct program *program, const struct elf64_header *elf)
{
    for (size_t i = 0; i < program->part_count; i++) {
        const struct elf64_program_header *part = &program->parts[i];

        if (part->p_type == PT_LOAD && part->p_offset <= elf->e_phoff &&
            elf->e_phoff < part->p_offset + part->p_filesz)
            program->headers = program->base + part->p_vaddr + elf->e_phoff - part->p_offset;
    }
}

static int load_parts(const struct image *image, struct program *program)
{
    struct object *object = NULL;
    bool has_code = false;
    int error = vnode_get_object(image->vnode, &object);

    for (size_t i = 0; error == 0 && i < program->part_count; i++) {
        if (program->parts[i].p_type == PT_INTERP)
            error = -ENOEXEC; /* dynamically linked: there is no loader to run it */
        if (program->parts[i].p_type != PT_LOAD || error != 0)
            continue;
        has_code = true;
        error = load_part(program, &program->parts[i], object);
        if (error != 0)
            break;
    }
    if (object != NULL)
        object_release(object);
    if (error != 0)
        return error;
    if (!has_code)
        return -ENOEXEC;
    find_headers(program, &image->head.elf);
    map_set_heap(program->map, align_up(program->end, PAGE_SIZE));
    return 0;
}

/* --- The stack ----------------------------------------------------------------------------------
 */

/* Copies pieces onto the new stack, from the top down. */
struct stack_writer {
    struct map *map;
    uaddr_t sp;
    int error;
};

static uaddr_t push(struct stack_writer *stack, const void *data, size_t size)
{
    stack->sp -= size;
    if (stack->error == 0)
        stack->error = map_copyout(stack->map, stack->sp, data, size);
    return stack->sp;
}

/* Write `count` pointers to consecutive strings, then NULL, at *where; advances both. */
static int write_pointers(struct map *map, uaddr_t *where, size_t count, uaddr_t *string,
                          const char **text)
{
    uaddr_t zero = 0;
    int error = 0;

    for (size_t i = 0; i < count && error == 0; i++) {
        size_t size = strlen(*text) + 1;

        error = map_copyout(map, *where, string, sizeof(*string));
        *where += sizeof(uaddr_t);
        *string += size;
        *text += size;
    }
    if (error == 0)
        error = map_copyout(map, *where, &zero, sizeof(zero));
    *where += sizeof(uaddr_t);
    return error;
}

static int build_stack(struct program *program, const char *path,
                       const struct exec_strings *strings, uaddr_t *stack_pointer)
{
    struct process *self = process_self();
    struct stack_writer stack = {.map = program->map, .sp = USER_MAX - sizeof(uint64_t)};
    uint8_t random[16];
    uint64_t argc = strings->argc;

    random_bytes(random, sizeof(random));
    uaddr_t name = push(&stack, path, strlen(path) + 1);
    uaddr_t text = push(&stack, strings->buffer, strings->used);
    uaddr_t seed = push(&stack, random, sizeof(random));
    uint64_t auxv[][2] = {
        {AT_PAGESZ, PAGE_SIZE},
        {AT_CLKTCK, 100},
        {AT_PHDR, program->headers},
        {AT_PHENT, sizeof(struct elf64_program_header)},
        {AT_PHNUM, program->part_count},
        {AT_BASE, 0},
        {AT_FLAGS, 0},
        {AT_ENTRY, program->entry},
        {AT_UID, self->uid},
        {AT_EUID, self->euid},
        {AT_GID, self->gid},
        {AT_EGID, self->egid},
        {AT_SECURE, 0},
        {AT_RANDOM, seed},
        {AT_EXECFN, name},
        {AT_NULL, 0},
    };
    size_t pointers = (1 + strings->argc + 1 + strings->envc + 1) * sizeof(uaddr_t);

    program->arguments = text;
    stack.sp = align_down(stack.sp - sizeof(auxv) - pointers, 16UL);
    *stack_pointer = stack.sp;
    if (USER_MAX - stack.sp > STACK_SIZE / 4)
        return -E2BIG;

    uaddr_t where = stack.sp + sizeof(argc);
    const char *cursor = strings->buffer;

    if (stack.error == 0)
        stack.error = map_copyout(program->map, stack.sp, &argc, sizeof(argc));
    if (stack.error == 0)
        stack.error = write_pointers(program->map, &where, strings->argc, &text, &cursor);
    program->arguments_end = text;
    if (stack.error == 0)
        stack.error = write_pointers(program->map, &where, strings->envc, &text, &cursor);
    if (stack.error == 0)
        stack.error = map_copyout(program->map, where, auxv, sizeof(auxv));
    return stack.error;
}

static int make_stack_region(struct map *map)
{
    uaddr_t bottom = USER_MAX - STACK_INITIAL;
    struct map_request request = {
        .size = STACK_INITIAL,
        .prot = PROT_READ | PROT_WRITE,
        .fixed = true,
        .no_replace = true,
        .grows_down = true,
    };

    map->stack_limit = USER_MAX - STACK_SIZE;
    return map_insert(map, &bottom, &request);
}

/* --- The switch ---------------------------------------------------------------------------------
 */

/* The point of no return: the process, of one thread by now, becomes the new program. */
static void adopt(struct process *self, struct program *program, struct vnode *executable,
                  const char *path, uaddr_t stack_pointer)
{
    struct map *old_map = self->map;
    struct vnode *old_executable = self->executable;
    const char *name = strrchr(path, '/') != NULL ? strrchr(path, '/') + 1 : path;

    futex_leave_program();
    interrupts_push();
    spin_lock(&self->lock);
    self->map = program->map;
    self->executable = executable;
    self->arguments = program->arguments;
    self->arguments_end = program->arguments_end;
    string_copy(self->name, name, sizeof(self->name));
    spin_unlock(&self->lock);
    machine_pmap_activate(&self->map->pmap);
    interrupts_pop();
    string_copy(thread_self()->name, name, sizeof(self->name));

    signal_exec();
    user_frame_init(&thread_self()->frame, program->entry, stack_pointer);
    process_note_exec(self); /* before a parent can see that a pipe was closed */
    file_table_close_on_exec(self->files);
    if (self->parent != NULL) /* not init */
        fail_begin();
    map_release(old_map);
    if (old_executable != NULL) {
        vnode_allow_write(old_executable);
        vnode_release(old_executable);
    }
}

static int load(const char *path, struct exec_strings *strings, struct image *image,
                struct program *program)
{
    uaddr_t stack_pointer;
    int error = read_parts(image, program);

    if (error != 0)
        return error;
    program->map = map_create();
    if (program->map == NULL)
        return -ENOMEM;
    error = load_parts(image, program);
    if (error == 0)
        error = make_stack_region(program->map);
    if (error == 0)
        error = build_stack(program, path, strings, &stack_pointer);
    if (error == 0)
        error = vnode_deny_write(image->vnode);
    if (error == 0) {
        error = thread_group_end_others();
        if (error != 0)
            vnode_allow_write(image->vnode);
    }
    if (error != 0) {
        map_release(program->map);
        return error;
    }
    adopt(process_self(), program, image->vnode, path, stack_pointer);
    return 0;
}

int process_exec(const char *path, struct exec_strings *strings)
{
    struct image *image = kmalloc(sizeof(*image));
    struct program *program = kzalloc(sizeof(*program));
    int error = image != NULL && program != NULL ? 0 : -ENOMEM;

    if (error == 0)
        error = open_program(path, strings, image);
    if (error == 0) {
        error = load(path, strings, image, program);
        if (error != 0)
            vnode_release(image->vnode);
    }
    kfree(image);
    kfree(program);
    exec_strings_free(strings);
    return error;
}
