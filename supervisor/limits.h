#ifndef SUPERVISOR_LIMITS_H
#define SUPERVISOR_LIMITS_H

#include <jansson.h>

/* Sets this process's limits, which the workers inherit: no core files, since bodies and keys are
 * in memory, and as many open files as the configured connections need. That limit is only ever
 * raised; where it may not be raised far enough, a warning says so. Our environment, which may hold
 * keys, is closed to other processes of this account. */
void limits_set(const json_t *conf);

#endif
