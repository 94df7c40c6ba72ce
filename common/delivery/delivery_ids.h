#ifndef COMMON_DELIVERY_DELIVERY_IDS_H
#define COMMON_DELIVERY_DELIVERY_IDS_H

/* What an attempt is called outside. Pure. */
#define DELIVERY_IDS_KEY_BYTES 65
#define DELIVERY_IDS_TRACEPARENT_BYTES 56

/* The idempotency key, hex: SHA-256(ledger id "|" revision). The same for every attempt at one
 * payload of an event, so that a receiver can tell a repeat; another one for a corrected payload.
 */
void delivery_ids_key(const char *ledger_id, int revision, char out[DELIVERY_IDS_KEY_BYTES]);

/* W3C Trace Context: the trace is the event's, the parent id this attempt's. Both are hashes, so
 * they can be computed from a trace id in a log. Sampled. */
void delivery_ids_traceparent(const char *trace_id, int attempt,
                              char out[DELIVERY_IDS_TRACEPARENT_BYTES]);

#endif
