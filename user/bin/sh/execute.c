/*
 * Running the tree.
 *
 * One function for each kind of node. break, continue, return, exit and errors do not jump: they
 * set shell.flow, and every function here stops what it does when flow is no longer FLOW_NEXT and
 * returns; the one that the flow is meant for sets it back.
 */
#include "execute.h"
#include "expand.h"
#include "job.h"
#include "pattern.h"
#include "redirect.h"
#include "shell.h"
#include "trap.h"
#include "variable.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct function {
    struct function *next;
    char *name;
    const struct node *body;
    struct arena *arena; /* where the body lies; held */
};

static struct function *function_list;
static struct arena *execute_arena; /* where the tree lies that runs now */

void execute_check_status(void)
{
    if (shell.status != 0 && shell.exit_on_error && shell.untested_depth == 0 &&
        shell.flow == FLOW_NEXT)
        shell.flow = FLOW_EXIT;
}

void execute_and_exit(const struct node *list)
{
    execute_list(list, true);
    shell_exit();
}

static struct function *function_find(const char *name)
{
    struct function *function = function_list;
    while (function != NULL && strcmp(function->name, name) != 0)
        function = function->next;
    return function;
}

bool function_exists(const char *name)
{
    return function_find(name) != NULL;
}

void function_remove(const char *name)
{
    for (struct function **link = &function_list; *link != NULL; link = &(*link)->next) {
        struct function *function = *link;
        if (strcmp(function->name, name) == 0) {
            *link = function->next;
            arena_release(function->arena);
            free(function->name);
            free(function);
            return;
        }
    }
}

static int function_define(const struct node *node)
{
    struct function *function = memory_allocate(sizeof(*function));
    arena_hold(execute_arena);
    function_remove(node->name);
    *function =
        (struct function){function_list, memory_copy(node->name), node->body, execute_arena};
    function_list = function;
    return 0;
}

int function_call(const char *name, int argc, char **argv)
{
    const struct function *function = function_find(name);
    size_t count = shell.parameter_count;
    char **parameters = shell.parameters;
    unsigned loop_depth = shell.loop_depth;
    struct arena *arena = function->arena;

    if (shell.function_depth > 1000) {
        shell_abort("%s: functions nested too deeply", name);
        return shell.status;
    }
    shell.parameters = NULL;
    shell.parameter_count = 0;
    shell_set_parameters((size_t)argc - 1, argv + 1);
    shell.function_depth++;
    shell.loop_depth = 0;
    variable_scope_begin();
    arena_hold(arena);
    int status = execute_command(function->body, arena, false);
    arena_release(arena);
    variable_scope_end();
    shell.loop_depth = loop_depth;
    shell.function_depth--;
    shell_set_parameters(0, NULL);
    free(shell.parameters);
    shell.parameters = parameters;
    shell.parameter_count = count;
    if (shell.flow == FLOW_RETURN)
        shell.flow = FLOW_NEXT;
    return status;
}

int execute_command(const struct node *list, struct arena *arena, bool is_last)
{
    struct arena *outer = execute_arena;
    execute_arena = arena;
    int status = execute_list(list, is_last);
    execute_arena = outer;
    return status;
}

/* A list as a condition: set -e does not count in it. */
static int execute_condition(const struct node *list)
{
    shell.untested_depth++;
    int status = execute_list(list, false);
    shell.untested_depth--;
    return status;
}

static int execute_and_or(const struct node *node, bool is_last)
{
    shell.untested_depth++;
    int status = execute_node(node->left, false);
    shell.untested_depth--;
    bool goes_on = (status == 0) == (node->kind == NODE_AND);
    if (shell.flow == FLOW_NEXT && goes_on)
        status = execute_node(node->right, is_last);
    return status;
}

static int execute_subshell(const struct node *node, bool is_last)
{
    if (is_last && !trap_is_any_set()) {
        if (!redirect_apply(node->redirections, NULL))
            return 2;
        job_become_subshell();
        execute_and_exit(node->body);
    }
    struct job *job = job_create(node->source);
    pid_t pid = job_fork(job, FORK_FOREGROUND);
    if (pid == 0) {
        if (!redirect_apply(node->redirections, NULL))
            _exit(2);
        execute_and_exit(node->body);
    }
    return job_wait_foreground(job);
}

/* Start one command of a pipeline; its input is `input`. Returns the input of the next, or -1. */
static int execute_pipeline_stage(struct job *job, const struct node *node, int input)
{
    int ends[2] = {-1, -1};
    if (node->next != NULL && pipe(ends) < 0) {
        shell_abort("cannot make a pipe: %s", strerror(errno));
        return -1;
    }
    pid_t pid = job_fork(job, FORK_FOREGROUND);
    if (pid == 0) {
        if (input >= 0) {
            dup2(input, STDIN_FILENO);
            close(input);
        }
        if (node->next != NULL) {
            close(ends[0]);
            dup2(ends[1], STDOUT_FILENO);
            if (ends[1] != STDOUT_FILENO)
                close(ends[1]);
        }
        execute_node(node, true);
        shell_exit();
    }
    if (ends[1] >= 0)
        close(ends[1]);
    return ends[0];
}

static int execute_pipeline(const struct node *node)
{
    int status, input = -1;
    shell.untested_depth += node->negated;
    if (node->body->next == NULL) {
        status = execute_node(node->body, false);
    } else {
        struct job *job = job_create(node->source);
        for (const struct node *stage = node->body; stage != NULL; stage = stage->next) {
            int next = shell.flow == FLOW_NEXT ? execute_pipeline_stage(job, stage, input) : -1;
            if (input >= 0)
                close(input);
            input = next;
        }
        status = job_wait_foreground(job);
    }
    shell.untested_depth -= node->negated;
    return node->negated && shell.flow == FLOW_NEXT ? status == 0 : status;
}

/* After the body of a loop: whether the loop goes on. Takes break and continue up. */
static bool loop_goes_on(void)
{
    if (shell.flow != FLOW_BREAK && shell.flow != FLOW_CONTINUE)
        return shell.flow == FLOW_NEXT;
    if (--shell.flow_levels > 0)
        return false;
    bool goes_on = shell.flow == FLOW_CONTINUE;
    shell.flow = FLOW_NEXT;
    return goes_on;
}

static int execute_while(const struct node *node)
{
    int status = 0;
    shell.loop_depth++;
    for (;;) {
        int condition = execute_condition(node->left);
        if (shell.flow != FLOW_NEXT) {
            status = condition;
            if (loop_goes_on())
                continue;
            break;
        }
        if ((condition == 0) != (node->kind == NODE_WHILE))
            break;
        status = execute_list(node->body, false);
        if (!loop_goes_on())
            break;
    }
    shell.loop_depth--;
    return status;
}

static int execute_for(const struct node *node)
{
    struct arena_mark mark = arena_mark(shell.temporary);
    size_t count = shell.parameter_count;
    char **values;
    int status = 0;
    if (node->over_parameters) {
        values = arena_allocate(shell.temporary, count * sizeof(*values));
        for (size_t i = 0; i < count; i++)
            values[i] =
                arena_copy(shell.temporary, shell.parameters[i], strlen(shell.parameters[i]));
    } else {
        values = expand_words(node->words, &count);
    }
    shell.loop_depth++;
    for (size_t i = 0; i < count && shell.flow == FLOW_NEXT; i++) {
        if (!variable_set(node->name, values[i]))
            break;
        status = execute_list(node->body, false);
        if (!loop_goes_on())
            break;
    }
    shell.loop_depth--;
    arena_rewind(shell.temporary, mark);
    return shell.flow == FLOW_ABORT ? shell.status : status;
}

static int execute_case(const struct node *node)
{
    struct arena_mark mark = arena_mark(shell.temporary);
    const char *value = expand_word(node->words);
    const struct case_item *item = node->items;
    bool found = false;
    while (item != NULL && !found && shell.flow == FLOW_NEXT) {
        for (const struct word *word = item->patterns; word != NULL && !found; word = word->next)
            found = pattern_matches(expand_pattern(word), value);
        if (!found)
            item = item->next;
    }
    arena_rewind(shell.temporary, mark);
    if (shell.flow != FLOW_NEXT)
        return shell.status;
    return found ? execute_list(item->body, false) : 0;
}

static int execute_compound(const struct node *node, bool is_last)
{
    switch (node->kind) {
    case NODE_GROUP:
        return execute_list(node->body, is_last);
    case NODE_IF:
        if (execute_condition(node->left) == 0 && shell.flow == FLOW_NEXT)
            return execute_list(node->body, is_last);
        return shell.flow == FLOW_NEXT ? execute_list(node->right, is_last) : shell.status;
    case NODE_WHILE:
    case NODE_UNTIL:
        return execute_while(node);
    case NODE_FOR:
        return execute_for(node);
    default:
        return execute_case(node);
    }
}

/* A compound command with its redirections. */
static int execute_redirected(const struct node *node, bool is_last)
{
    struct redirect_saved *saved = NULL;
    struct arena_mark mark = arena_mark(shell.temporary);
    int status = 2;
    shell.line = node->line;
    if (node->redirections == NULL)
        return execute_compound(node, is_last);
    bool good = redirect_apply(node->redirections, &saved);
    arena_rewind(shell.temporary, mark);
    if (good)
        status = execute_compound(node, false);
    redirect_undo(saved);
    return status;
}

/* command & */
static int execute_background(const struct node *node)
{
    struct job *job = job_create(node->source);
    pid_t pid = job_fork(job, FORK_BACKGROUND);
    if (pid == 0) {
        execute_node(node, true);
        shell_exit();
    }
    return job_start_background(job);
}

int execute_node(const struct node *node, bool is_last)
{
    switch (node->kind) {
    case NODE_SIMPLE:
        shell.status = command_execute(node, is_last);
        break;
    case NODE_PIPELINE:
        shell.status = execute_pipeline(node);
        break;
    case NODE_AND:
    case NODE_OR:
        return shell.status = execute_and_or(node, is_last);
    case NODE_SUBSHELL:
        shell.status = execute_subshell(node, is_last);
        break;
    case NODE_FUNCTION:
        shell.status = function_define(node);
        break;
    default:
        return shell.status = execute_redirected(node, is_last);
    }
    trap_run_pending();
    if (trap_take_interrupt() && shell.flow == FLOW_NEXT) {
        shell_write(STDERR_FILENO, "\n", 1);
        shell.flow = FLOW_ABORT;
        shell.status = 130;
    }
    if (node->kind != NODE_PIPELINE || !node->negated)
        execute_check_status();
    return shell.status;
}

int execute_list(const struct node *list, bool is_last)
{
    if (list == NULL)
        return shell.status = 0;
    for (; list != NULL && shell.flow == FLOW_NEXT; list = list->next) {
        if (shell.no_execution)
            continue;
        if (list->background)
            shell.status = execute_background(list);
        else
            execute_node(list, is_last && list->next == NULL);
    }
    return shell.status;
}
