/* Streams over files: formats, seeking, reading back, temporary names, large output. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int main(void)
{
    char line[100], word[20];
    int number;
    double real;
    FILE *file = fopen("stream", "w+");
    if (file == NULL) {
        perror("stream");
        return 1;
    }
    fprintf(file, "%d %s %.3f\n%08x|%-6s|%+ld\n", 17, "word", 3.14159, 0xbeefu, "left", 123456789L);
    rewind(file);
    printf("fscanf: %d", fscanf(file, "%d %19s %lf", &number, word, &real));
    printf(" %d %s %.2f\n", number, word, real);
    fgets(line, sizeof(line), file);
    printf("rest of the line: %zu\n", strlen(line));
    fgets(line, sizeof(line), file);
    printf("second: %s", line);
    printf("end: %d\n", fgetc(file) == EOF && feof(file));
    fseek(file, 3, SEEK_SET);
    fputs("WORD", file);
    fseek(file, 0, SEEK_SET);
    fgets(line, sizeof(line), file);
    printf("overwritten: %s", line);
    printf("ftell: %ld\n", ftell(file));
    fclose(file);

    file = fopen("large", "w");
    for (int i = 0; i < 20000; i++)
        fprintf(file, "line %d\n", i);
    fclose(file);
    file = fopen("large", "r");
    int lines = 0, wrong = 0;
    while (fgets(line, sizeof(line), file) != NULL)
        wrong += atoi(line + 5) != lines++;
    printf("lines %d, wrong %d, size %ld\n", lines, wrong, ftell(file));
    fclose(file);
    printf("remove: %d\n", remove("large"));
    printf("and again: %d\n", remove("large"));
    printf("a directory for writing: %d\n", fopen("/tmp", "w") == NULL);
    char name[] = "tempXXXXXX";
    int fd = mkstemp(name);
    printf("mkstemp: %d\n", fd >= 0 && access(name, F_OK) == 0);
    for (int i = 0; i < 300; i++)
        printf("%d%c", i * i, i % 20 == 19 ? '\n' : ' ');
    return 0;
}
