#ifndef SUPERVISOR_ANNOUNCE_H
#define SUPERVISOR_ANNOUNCE_H

#include <stdint.h>

/* What those outside are told of the workers being up: the log, the service manager, and whoever
 * waits for a daemon's start. */
struct supervisor;

/* Says so where all are up, or one is missing since. */
void announce_look(struct supervisor *s);

/* Each second. Where somebody waits for the start (detach.h) and it has taken SUPERVISOR_GRACE_MS
 * longer than ready_s, names what is missing and stops with EX_UNAVAILABLE. */
void announce_tick(struct supervisor *s, int64_t now_ms);

#endif
