/* Wait options and status words, as on Linux (wait4(2)). */
#pragma once

#define WNOHANG    1
#define WUNTRACED  2
#define WCONTINUED 8

#define WAIT_STOPPED   0x7f   /* the low byte of a stopped child's status */
#define WAIT_CONTINUED 0xffff /* the status of a continued child */

#define WEXITSTATUS(s) (((s)&0xff00) >> 8)
#define WTERMSIG(s)    ((s)&0x7f)
#define WSTOPSIG(s)    WEXITSTATUS(s)
#define WIFEXITED(s)   (WTERMSIG(s) == 0)
#define WIFSIGNALED(s) ((signed char)(((s)&0x7f) + 1) >> 1 > 0)
#define WIFSTOPPED(s)  (((s)&0xff) == 0x7f)
