/* Directories through another libc: opendir, scandir, nftw's calls, getcwd, stat in its layout. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int visible(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

int main(void)
{
    char name[32];
    struct stat status;
    mkdir("directory", 0750);
    for (int i = 0; i < 50; i++) {
        snprintf(name, sizeof(name), "directory/file%02d", i);
        FILE *file = fopen(name, "w");
        fprintf(file, "%*d", i, i);
        fclose(file);
    }
    symlink("file07", "directory/link");
    mkdir("directory/sub", 0700);
    struct dirent **entries;
    int count = scandir("directory", &entries, visible, alphasort);
    printf("entries: %d, first %s, last %s, type %d\n", count, entries[0]->d_name,
           entries[count - 1]->d_name, entries[count - 1]->d_type == DT_DIR);
    long total = 0;
    for (int i = 0; i < count; i++) {
        snprintf(name, sizeof(name), "directory/%.20s", entries[i]->d_name);
        lstat(name, &status);
        if (S_ISREG(status.st_mode))
            total += status.st_size;
    }
    printf("bytes in files: %ld\n", total);
    stat("directory", &status);
    printf("mode %o, links %lu\n", (unsigned)status.st_mode, (unsigned long)status.st_nlink);
    stat("directory/link", &status);
    printf("through the link: size %ld\n", (long)status.st_size);
    chdir("directory/sub");
    char path[1000];
    printf("getcwd ends in %s\n", strstr(getcwd(path, sizeof(path)), "/directory"));
    printf("realpath ends in %s\n", strstr(realpath("../link", path), "/directory"));
    chdir("../..");
    DIR *directory = opendir("directory");
    struct dirent *entry;
    int removed = 0;
    while ((entry = readdir(directory)) != NULL) {
        snprintf(name, sizeof(name), "directory/%.20s", entry->d_name);
        removed += visible(entry) && remove(name) == 0;
    }
    closedir(directory);
    printf("removed %d, rmdir %d\n", removed, rmdir("directory"));
    return 0;
}
