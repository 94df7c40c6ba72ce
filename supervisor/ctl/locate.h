#ifndef SUPERVISOR_CTL_LOCATE_H
#define SUPERVISOR_CTL_LOCATE_H

#include <jansson.h>

struct ctl;

/* The run directory (malloc): --run-dir, else what the configuration says. NULL after printing why
 * not; the exit status is then EX_CONFIG. */
char *locate_run_dir(const struct ctl *ctl);

/* The configuration (new reference), of which these parts (NULL-terminated paths) are sound. NULL
 * after printing what is wrong with them. Faults elsewhere do not matter. */
json_t *locate_conf(const struct ctl *ctl, const char *const *parts);

#endif
