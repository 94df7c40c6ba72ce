#ifndef WORKERS_CONSUMER_PARSE_H
#define WORKERS_CONSUMER_PARSE_H

#include <stdbool.h>

#include "workers/consumer/inflight.h"
#include "workers/consumer/route.h"
#include "workers/consumer/source.h"

/* The event in a received message: fills in w->source, w->hook, w->sha256 and w->retry_count. One
 * that did not come through our ingest gets its id and its trace; a poisonous message is not read
 * (poison.h). False where there is no event in it, with ROUTE_INSPECT and the reason in *route_out;
 * w->source is known even then. */
bool parse_message(const struct sources *sources, struct work *w, struct route *route_out);

#endif
