/*
 * UndefinedBehaviorSanitizer in the running kernel (make SAN=undefined): a finding is a panic,
 * with the kernel's own backtrace.
 *
 * The sanitizer's code keeps no frame pointers, so the chain of frames is found behind it with
 * the unwinder of the compiler's library.
 */
#include "arch/vkernel/vkernel.h"
#include "kern/cpu.h"
#include "kern/print.h"
#include "kern/symbols.h"

#include <string.h>
#include <unwind.h>

#define REGISTER_RBP 6 /* DWARF's number, System V ABI, section 3.6.2 */

struct place {
    vaddr_t pc, fp;
};

/* The sanitizer's names; the compilers ship no header for them. */
void __ubsan_on_report(void);
void __ubsan_get_current_report_data(const char **kind, const char **message, const char **file,
                                     unsigned *line, unsigned *column, char **address);

/* The first frame of the kernel's own code: not the sanitizer's, not of a library. The call may be
 * its last instruction, so what is looked up is the byte before the return address. */
static _Unwind_Reason_Code look_at_frame(struct _Unwind_Context *context, void *argument)
{
    struct place *place = argument;
    vaddr_t pc = (vaddr_t)_Unwind_GetIP(context) - 1;
    size_t offset;
    const char *name = symbol_find(pc, &offset);

    if (name == NULL || strstr(name, "ubsan") != NULL)
        return _URC_NO_REASON;
    place->pc = pc;
    place->fp = (vaddr_t)_Unwind_GetGR(context, REGISTER_RBP);
    return _URC_END_OF_STACK;
}

/* The sanitizer calls this before it prints its report. */
void __ubsan_on_report(void)
{
    const char *kind, *message, *file;
    struct place place = {0, 0};
    unsigned line, column;
    char *address;

    __ubsan_get_current_report_data(&kind, &message, &file, &line, &column, &address);
    if (!is_cpu_thread())
        die(125, 0, "UndefinedBehaviorSanitizer: %s:%u: %s", file, line, message);
    interrupts_disable();
    (void)_Unwind_Backtrace(look_at_frame, &place);
    panic_at(place.pc, place.fp, NULL, "UndefinedBehaviorSanitizer: %s:%u: %s", file, line,
             message);
}
