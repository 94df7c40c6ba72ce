#ifndef WORKERS_RETRY_TRACE_H
#define WORKERS_RETRY_TRACE_H

#include "workers/retry/listing.h"

/* What became of one event: its dead letter, searched by trace id, and its record in the ledger.
 *
 *   {"trace_id","source","event_id","dead_letter":{…as in listing_events}|null,
 *    "ledger":{"id","state","attempts","seq","revision","trace_id","first_failed_at","failed_at",
 *              "at","not_before","error","error_class","history":[…],"dlq_key","claimed_until"}|null,
 *    "complete": whether all keys that could be it were looked at, "errors":[text]}
 *
 * 404 with the same body where there is neither. */

/* trace_id is NULL or one that dlq_key_is_trace accepts; params (source and event_id, both or none)
 * is taken over. One of the two must be given. */
void trace_start(const struct dead_letters *d, const char *trace_id, struct params *params,
                 listing_cb *done, void *arg);

#endif
