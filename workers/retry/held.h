#ifndef WORKERS_RETRY_HELD_H
#define WORKERS_RETRY_HELD_H

#include <jansson.h>
#include <stdint.h>

/* What keeps events from being delivered although all is well with them: sources that somebody has
 * paused, and what the workers hold back from. Pure.
 *
 *   [{"kind": "paused", "name": SOURCE, "by"},
 *    {"kind": "destination"|"queue", "name", "why"} ...]
 *
 * each with "sources" (whose events wait), "since", and "until": when it is tried again, null where
 * it is being tried with one event, or waits for a person. Times are RFC 3339. */

/* conf: the slice; answer: the supervisor's (inquiry.h). A new reference. */
json_t *held_list(const json_t *conf, const json_t *answer, int64_t wall_ms);

#endif
