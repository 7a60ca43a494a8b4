/*
 * why: sends to whoever looks at the report what clears a terminal or closes a page's element.
 */
#include "host_call.h"

AT_START drive_terminal(void)
{
    host_write(2, "\033[2J\033]0;100 points\007</pre><script>alert(1)</script>::error::x\n");
    host_call(HOST_EXIT_GROUP, 1, 0, 0, 0);
}
