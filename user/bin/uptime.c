/* uptime: how long the system has been running. */
#include <err.h>
#include <sys/sysinfo.h>
#include <time.h>
#include <tool.h>

static const char help[] = "usage: uptime\n"
                           "Show the time, for how long the system has been running, how many\n"
                           "processes there are, and how many were ready to run lately.\n";

#define LOAD_SHIFT 16 /* loads are in units of 2^-16 */

int main(int argc, char **argv)
{
    struct sysinfo info;
    char now_text[16];

    tool_start(argc, argv, help);
    if (sysinfo(&info) < 0)
        err(1, "sysinfo");
    time_t now = time(NULL);
    strftime(now_text, sizeof(now_text), "%H:%M:%S", gmtime(&now));
    printf("%s up", now_text);
    long days = info.uptime / 86400, minutes = info.uptime / 60 % 1440;
    if (days > 0)
        printf(" %ld day%s,", days, days == 1 ? "" : "s");
    if (info.uptime < 60)
        printf(" %ld s", info.uptime);
    else
        printf(" %ld:%02ld", minutes / 60, minutes % 60);
    printf(", %d processes, load", info.procs);
    for (int i = 0; i < 3; i++) {
        unsigned long hundredths = info.loads[i] * 100 >> LOAD_SHIFT;
        printf(" %lu.%02lu", hundredths / 100, hundredths % 100);
    }
    putchar('\n');
    return tool_finish(0);
}
