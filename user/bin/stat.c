/* stat: show all that is known about files. */
#include <err.h>
#include <grp.h>
#include <pwd.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <tool.h>
#include <unistd.h>

static const char help[] =
    "usage: stat [-L] [-c FORMAT] FILE...\n"
    "Show the status of files.\n"
    "  -L  of what links point to\n"
    "  -c  in this FORMAT: %n name %N name and target %F type %s size %b blocks %B their unit\n"
    "      %a octal mode %A mode %f all of st_mode %h links %i inode %d device %t %T its number\n"
    "      %u %U owner %g %G group %X %x %Y %y %Z %z times of access, change, status change\n"
    "      %o preferred size of transfers\n";

static const char default_format[] = "  File: %N\n"
                                     "  Size: %s\tBlocks: %b\tIO Block: %o\t%F\n"
                                     "Device: %d\tInode: %i\tLinks: %h\n"
                                     "Access: (%04a/%A)\tUid: (%u/%U)\tGid: (%g/%G)\n"
                                     "Access: %x\nModify: %y\nChange: %z";

static const char *type_name(const struct stat *status)
{
    switch (status->st_mode & S_IFMT) {
    case S_IFREG:
        return status->st_size ? "regular file" : "regular empty file";
    case S_IFDIR:
        return "directory";
    case S_IFLNK:
        return "symbolic link";
    case S_IFCHR:
        return "character special file";
    case S_IFBLK:
        return "block special file";
    case S_IFIFO:
        return "fifo";
    case S_IFSOCK:
        return "socket";
    default:
        return "unknown file";
    }
}

static void print_time(const struct timespec *time)
{
    char text[32];
    strftime(text, sizeof(text), "%F %T", gmtime(&time->tv_sec));
    printf("%s.%09ld +0000", text, (long)time->tv_nsec);
}

static void print_name_and_target(const char *path, const struct stat *status)
{
    char target[PATH_MAX];
    ssize_t length = S_ISLNK(status->st_mode) ? readlink(path, target, sizeof(target)) : -1;

    printf("%s", path);
    if (length >= 0)
        printf(" -> %.*s", (int)length, target);
}

static void print_owner(char letter, const struct stat *status)
{
    struct passwd *user = letter == 'U' ? getpwuid(status->st_uid) : NULL;
    struct group *group = letter == 'G' ? getgrgid(status->st_gid) : NULL;
    printf("%s", user ? user->pw_name : group ? group->gr_name : "UNKNOWN");
}

static void print_field(char letter, const char *path, const struct stat *status)
{
    char mode[11];

    switch (letter) {
    case 'n':
        printf("%s", path);
        break;
    case 'N':
        print_name_and_target(path, status);
        break;
    case 'F':
        printf("%s", type_name(status));
        break;
    case 's':
        printf("%ld", (long)status->st_size);
        break;
    case 'b':
        printf("%ld", (long)status->st_blocks);
        break;
    case 'B':
        printf("512");
        break;
    case 'o':
        printf("%ld", (long)status->st_blksize);
        break;
    case 'a':
        printf("%o", status->st_mode & 07777);
        break;
    case 'A':
        tool_mode_string(status->st_mode, mode);
        printf("%s", mode);
        break;
    case 'f':
        printf("%x", status->st_mode);
        break;
    case 'h':
        printf("%lu", (unsigned long)status->st_nlink);
        break;
    case 'i':
        printf("%lu", (unsigned long)status->st_ino);
        break;
    case 'd':
        printf("%lu", (unsigned long)status->st_dev);
        break;
    case 't':
        printf("%x", major(status->st_rdev));
        break;
    case 'T':
        printf("%x", minor(status->st_rdev));
        break;
    case 'u':
        printf("%u", status->st_uid);
        break;
    case 'g':
        printf("%u", status->st_gid);
        break;
    case 'U':
    case 'G':
        print_owner(letter, status);
        break;
    case 'X':
        printf("%ld", (long)status->st_atime);
        break;
    case 'Y':
        printf("%ld", (long)status->st_mtime);
        break;
    case 'Z':
        printf("%ld", (long)status->st_ctime);
        break;
    case 'x':
        print_time(&status->st_atim);
        break;
    case 'y':
        print_time(&status->st_mtim);
        break;
    case 'z':
        print_time(&status->st_ctim);
        break;
    case '%':
        putchar('%');
        break;
    default:
        printf("?");
    }
}

/* The format is the user's; a width like %04a means nothing but for the mode. */
static void print_status(const char *format, const char *path, const struct stat *status)
{
    for (; *format; format++) {
        if (*format != '%' || !format[1]) {
            putchar(*format);
        } else if (strncmp(format, "%04a", 4) == 0) {
            printf("%04o", status->st_mode & 07777);
            format += 3;
        } else {
            print_field(*++format, path, status);
        }
    }
    putchar('\n');
}

int main(int argc, char **argv)
{
    const char *format = default_format;
    bool follows = false;
    int exit_status = 0;

    tool_start(argc, argv, help);
    for (int option; (option = getopt(argc, argv, "Lc:")) != -1;) {
        if (option == 'L')
            follows = true;
        else if (option == 'c')
            format = optarg;
        else
            tool_usage(1);
    }
    if (optind == argc)
        tool_usage(1);
    for (int i = optind; i < argc; i++) {
        struct stat status;
        if ((follows ? stat : lstat)(argv[i], &status) < 0) {
            warn("%s", argv[i]);
            exit_status = 1;
            continue;
        }
        print_status(format, argv[i], &status);
    }
    return tool_finish(exit_status);
}
