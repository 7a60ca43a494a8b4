/* Memory and load: sysinfo(2). */
#pragma once

struct sysinfo {
    long uptime; /* in seconds */
    unsigned long loads[3];
    unsigned long totalram; /* these in units of mem_unit bytes */
    unsigned long freeram;
    unsigned long sharedram;
    unsigned long bufferram;
    unsigned long totalswap;
    unsigned long freeswap;
    unsigned short procs;
    unsigned short pad;
    unsigned long totalhigh;
    unsigned long freehigh;
    unsigned mem_unit;
    unsigned pad2;
};

int sysinfo(struct sysinfo *info);
