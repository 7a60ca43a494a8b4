/*
 * Which solutions of the labs this kernel has: all, unless `make LAB=NAME SKELETON=1` says
 * otherwise. A file in which there is something for students to write includes this, and has
 *
 *      #if SOL_COW
 *      ... the solution, whole functions ...
 *      #else
 *      ... what students find instead: it compiles, and the comment says what to do ...
 *      #endif
 *
 * Both are always compiled by the tests. What students get has neither this file nor the
 * solutions (docs/write-a-lab.md).
 */
#pragma once

#ifndef SOL_COW
#define SOL_COW 1
#endif

#ifndef SOL_PAGETABLE
#define SOL_PAGETABLE 1
#endif

#ifndef SOL_SYNC
#define SOL_SYNC 1
#endif
