/*
 * poweroff: end the machine. On any system but Duet it refuses: the same program runs on
 * the Linux host, perhaps as root.
 */
#include <err.h>
#include <stdlib.h>
#include <sys/reboot.h>
#include <tool.h>
#include <unistd.h>

static const char help[] = "usage: poweroff [CODE]\n"
                           "Switch the machine off. CODE (0 to 255) is its exit status where that\n"
                           "means something: that of the vkernel's process, or of QEMU's.\n";

int main(int argc, char **argv)
{
    tool_start(argc, argv, help);
    if (argc > 2)
        tool_usage(2);
    unsigned long long code = argc == 2 ? tool_number(argv[1], 2) : 0;
    if (code > 255)
        errx(2, "%s: more than 255", argv[1]);
    if (!system_is_duet())
        errx(1, "this is not Duet: refused");
    sync();
    power_off((int)code);
    err(1, "reboot");
}
