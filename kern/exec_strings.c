/*
 * The strings of a new program: a buffer that grows by doubling, up to EXEC_STRINGS_MAX.
 */
#include "kern/abi/errno.h"
#include "kern/exec.h"
#include "kern/string.h"
#include "kern/uaccess.h"
#include "vm/heap.h"

int exec_strings_reserve(struct exec_strings *strings, size_t more)
{
    size_t capacity = max(strings->capacity, (size_t)1024);
    char *buffer;

    if (strings->used + more > EXEC_STRINGS_MAX)
        return -E2BIG;
    while (capacity < strings->used + more)
        capacity *= 2;
    if (capacity == strings->capacity)
        return 0;
    buffer = kmalloc(capacity);
    if (buffer == NULL)
        return -ENOMEM;
    if (strings->used > 0)
        memcpy(buffer, strings->buffer, strings->used);
    kfree(strings->buffer);
    strings->buffer = buffer;
    strings->capacity = capacity;
    return 0;
}

int exec_strings_add(struct exec_strings *strings, const char *string)
{
    size_t size = strlen(string) + 1;
    int error = exec_strings_reserve(strings, size);

    if (error != 0)
        return error;
    memcpy(strings->buffer + strings->used, string, size);
    strings->used += size;
    return 0;
}

int exec_strings_add_user(struct exec_strings *strings, uaddr_t string)
{
    ssize_t length;
    int error = exec_strings_reserve(strings, 1);

    while (error == 0) {
        length = copyin_string(strings->buffer + strings->used, string,
                               strings->capacity - strings->used);
        if (length >= 0) {
            strings->used += (size_t)length + 1;
            return 0;
        }
        if (length != -ENAMETOOLONG)
            return (int)length;
        error = exec_strings_reserve(strings, strings->capacity - strings->used + 1);
    }
    return error;
}

void exec_strings_free(struct exec_strings *strings)
{
    kfree(strings->buffer);
    *strings = (struct exec_strings){0};
}
