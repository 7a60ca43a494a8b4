/*
 * Commands that the shell runs itself.
 */
#pragma once

#include <stdbool.h>

struct builtin {
    const char *name;
    int (*run)(int argc, char **argv);
    bool is_special; /* POSIX XCU 2.14: found before functions, and its errors end a script */
};

/* The builtin of this name, or NULL. */
const struct builtin *builtin_find(const char *name);

/* The name of builtin number `index`, or NULL behind the last. */
const char *builtin_name(unsigned index);

/* builtin.c: the flow of control */
int builtin_break(int argc, char **argv);
int builtin_colon(int argc, char **argv);
int builtin_command(int argc, char **argv);
int builtin_dot(int argc, char **argv);
int builtin_eval(int argc, char **argv);
int builtin_exec(int argc, char **argv);
int builtin_exit(int argc, char **argv);
int builtin_false(int argc, char **argv);
int builtin_return(int argc, char **argv);
int builtin_type(int argc, char **argv);

/* builtin_state.c: what the shell remembers */
int builtin_cd(int argc, char **argv);
int builtin_export(int argc, char **argv);
int builtin_getopts(int argc, char **argv);
int builtin_local(int argc, char **argv);
int builtin_pwd(int argc, char **argv);
int builtin_set(int argc, char **argv);
int builtin_shift(int argc, char **argv);
int builtin_umask(int argc, char **argv);
int builtin_unset(int argc, char **argv);

/* builtin_text.c: reading and writing */
int builtin_echo(int argc, char **argv);
int builtin_printf(int argc, char **argv);
int builtin_read(int argc, char **argv);

/* test.c */
int builtin_test(int argc, char **argv);
