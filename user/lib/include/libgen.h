/* Parts of path names: basename(3), dirname(3). Both may write to their argument. */
#pragma once

char *basename(char *path);
char *dirname(char *path);
