/* free: show how much memory is used. */
#include <err.h>
#include <sys/sysinfo.h>
#include <tool.h>
#include <unistd.h>

static const char help[] = "usage: free [-bkmh]\n"
                           "Show how much memory there is, in KiB.\n"
                           "  -b  in bytes      -k  in KiB      -m  in MiB      -h  as 1.2K, 3M\n";

static int shift = 10;
static bool human;

static void print(unsigned long long bytes)
{
    char text[16];
    if (human)
        tool_human_size(bytes, text);
    else
        snprintf(text, sizeof(text), "%llu", bytes >> shift);
    printf(" %11s", text);
}

static void print_line(const char *name, unsigned long long total, unsigned long long unused,
                       unsigned long long cached)
{
    printf("%-5s", name);
    print(total);
    print(total - unused - cached);
    print(unused);
    print(cached);
    putchar('\n');
}

int main(int argc, char **argv)
{
    struct sysinfo info;

    tool_start(argc, argv, help);
    for (int option; (option = getopt(argc, argv, "bkmh")) != -1;) {
        if (option == 'h')
            human = true;
        else if (option == 'b' || option == 'k' || option == 'm')
            shift = option == 'b' ? 0 : option == 'k' ? 10 : 20;
        else
            tool_usage(1);
    }
    if (sysinfo(&info) < 0)
        err(1, "sysinfo");
    unsigned long long unit = info.mem_unit ? info.mem_unit : 1;
    puts("            total        used        free     buffers");
    print_line("Mem:", info.totalram * unit, info.freeram * unit, info.bufferram * unit);
    print_line("Swap:", info.totalswap * unit, info.freeswap * unit, 0);
    return tool_finish(0);
}
