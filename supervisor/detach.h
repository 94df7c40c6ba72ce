#ifndef SUPERVISOR_DETACH_H
#define SUPERVISOR_DETACH_H

#include <jansson.h>
#include <stdbool.h>

/* `sluiced -d`: goes on in the background, while the process that was started waits and ends with a
 * true exit status: 0 only once every worker is ready. */
struct detach;

/* Returns in the daemon (a second child, in a session of its own, in /, its standard descriptors on
 * /dev/null); NULL with errno where no process can be made. The process that called does not
 * return: it exits with the status that the daemon tells, or EX_SOFTWARE where the daemon dies
 * without one. Until then log_error writes to its standard error too, so that the reason is seen.
 * To be called before anything is locked, opened or printed half. */
struct detach *detach_start(void) __attribute__((warn_unused_result));

/* Whether the starter still waits. False for NULL: a foreground service has none. */
bool detach_is_waited_for(const struct detach *d);

/* Every worker is up: the starter ends with 0. Later calls, and NULL, do nothing. */
void detach_ready(struct detach *d);

/* The daemon ends with this status; where it never was ready the starter gets it, and
 * EX_UNAVAILABLE for 0: something stopped it before. Frees d; NULL does nothing. */
void detach_end(struct detach *d, int status);

/* A daemon must have a log: gives a normalised configuration that names no file
 * state_dir/sluiced.log. Returns whether it did. */
bool detach_default_log(json_t *conf);

#endif
