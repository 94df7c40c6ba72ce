#ifndef WORKERS_DELIVERY_GATE_H
#define WORKERS_DELIVERY_GATE_H

#include <jansson.h>
#include <stdint.h>

#include "common/delivery/delivery.h"

/* The gate of a source's deliveries: what many events may find out of order alike, a destination
 * that is not of this host, or an API that is asked before. With a check the gate is the source's
 * own, for the other sources of its destination do not need that API. Pure; conf is a normalised
 * configuration with its sources and destinations. */

/* NULL: it has none. Else the caller frees it. */
char *delivery_gate_key(const json_t *conf, const char *source);

/* How long it is held back from after a failure, where it has one. */
int64_t delivery_gate_open_ms(const json_t *conf, const char *source);

/* What a failure of it asks for instead; 0: nothing. 429 and 503 say with Retry-After how long the
 * destination, not the event, is to be left alone. Without a token nothing was sent, so one event
 * has shown it for all. */
int64_t delivery_gate_wait_ms(const struct delivery_outcome *outcome, int64_t open_ms);

#endif
