#ifndef SUPERVISOR_PROGRAMS_H
#define SUPERVISOR_PROGRAMS_H

/* The directory of the workers' programs (malloc): beside our own program (a build tree), or in
 * ../lib/sluice from there (an installation, wherever it was moved), or where the build said that
 * they would be. */
char *programs_find(void);

/* 0; -1 after logging each program that is missing there or cannot be executed. */
int programs_check(const char *dir) __attribute__((warn_unused_result));

#endif
