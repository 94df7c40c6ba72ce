#ifndef SUPERVISOR_STOP_H
#define SUPERVISOR_STOP_H

#include <stdbool.h>

/* The order of a stop: ingest, then the consumers and retry, then the store, then the keyring, each
 * told to drain when those before it are gone. */
struct supervisor;

/* Begins it; a second call kills what is left, and ends the supervisor with EXIT_FAILURE. */
void stop_request(struct supervisor *s);

/* Goes as far as the processes that are left allow. True: nothing is left. */
bool stop_progress(struct supervisor *s);

#endif
