/* uname: which system this is. */
#include <err.h>
#include <sys/utsname.h>
#include <tool.h>
#include <unistd.h>

static const char help[] = "usage: uname [-asnrvm]\n"
                           "Show the system's name (-s), that of the host (-n), release (-r),\n"
                           "version (-v), machine (-m), or all (-a).\n";

int main(int argc, char **argv)
{
    static const char letters[] = "snrvm";
    struct utsname name;
    unsigned wanted = 0;
    bool is_first = true;

    tool_start(argc, argv, help);
    for (int option; (option = getopt(argc, argv, "asnrvm")) != -1;) {
        if (option == '?')
            tool_usage(1);
        for (int i = 0; letters[i]; i++) {
            if (option == 'a' || option == letters[i])
                wanted |= 1u << i;
        }
    }
    if (uname(&name) < 0)
        err(1, "uname");
    const char *const values[] = {name.sysname, name.nodename, name.release, name.version,
                                  name.machine};
    for (int i = 0; letters[i]; i++) {
        if ((wanted ? wanted : 1) >> i & 1) {
            printf("%s%s", is_first ? "" : " ", values[i]);
            is_first = false;
        }
    }
    putchar('\n');
    return tool_finish(0);
}
