/* A program of another libc says hello, by stdio and at exit. */
#include <stdio.h>
#include <stdlib.h>

static void last_words(void)
{
    puts("goodbye");
}

int main(int argc, char **argv)
{
    atexit(last_words);
    printf("hello from argv[%d]: %d argument%s\n", argc - 1, argc, argc == 1 ? "" : "s");
    fprintf(stderr, "errors are not buffered\n");
    return argv[0] != NULL ? 3 : 4;
}
