#ifndef SUPERVISOR_STOP_H
#define SUPERVISOR_STOP_H

#include <stdbool.h>
#include <stdint.h>

/* The order of a stop: ingest, then the consumers and retry, then the store, then the keyring, each
 * told to drain when those before it are gone. */
struct supervisor;

/* Begins it; a second call kills what is left, and ends the supervisor with EXIT_FAILURE. */
void stop_request(struct supervisor *s);

/* Goes as far as the processes that are left allow. True: nothing is left. */
bool stop_progress(struct supervisor *s);

/* Each second. However many are stuck, and whatever a worker was given before (an old generation's
 * drain): half a second after drain_s what is left is killed. */
void stop_tick(struct supervisor *s, int64_t now_ms);

#endif
