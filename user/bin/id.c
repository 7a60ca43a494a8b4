/* id: who runs this. */
#include <grp.h>
#include <pwd.h>
#include <tool.h>
#include <unistd.h>

static const char help[] = "usage: id [-u | -g] [-n]\n"
                           "Show user and group.\n"
                           "  -u  only the user      -g  only the group      -n  its name\n";

static void print_user(bool with_number, bool with_name)
{
    struct passwd *user = getpwuid(geteuid());
    if (with_number || !user)
        printf("%u", geteuid());
    if (with_name && user)
        printf(with_number ? "(%s)" : "%s", user->pw_name);
}

static void print_group(bool with_number, bool with_name)
{
    struct group *group = getgrgid(getegid());
    if (with_number || !group)
        printf("%u", getegid());
    if (with_name && group)
        printf(with_number ? "(%s)" : "%s", group->gr_name);
}

int main(int argc, char **argv)
{
    bool only_user = false, only_group = false, by_name = false;

    tool_start(argc, argv, help);
    for (int option; (option = getopt(argc, argv, "ugn")) != -1;) {
        if (option == 'u')
            only_user = true;
        else if (option == 'g')
            only_group = true;
        else if (option == 'n')
            by_name = true;
        else
            tool_usage(1);
    }
    if (only_user) {
        print_user(!by_name, by_name);
    } else if (only_group) {
        print_group(!by_name, by_name);
    } else {
        printf("uid=");
        print_user(true, true);
        printf(" gid=");
        print_group(true, true);
    }
    putchar('\n');
    return tool_finish(0);
}
