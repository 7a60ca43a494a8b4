/* getopt(3); there are no long options but `--help`, which tool.h handles. */
#pragma once

extern char *optarg;
extern int optind, opterr, optopt;

int getopt(int argc, char *const argv[], const char *options);
