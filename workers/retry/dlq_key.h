#ifndef WORKERS_RETRY_DLQ_KEY_H
#define WORKERS_RETRY_DLQ_KEY_H

#include <stdbool.h>
#include <stdint.h>

/* The shape of a dead letter's key, and nothing else is ever asked for:
 *
 *   PREFIXyear=YYYY/month=MM/day=DD/hour=HH/TRACE.json
 *
 * TRACE is 1..128 of A-Z a-z 0-9 - _. Pure. */
#define DLQ_KEY_BYTES 1025
#define DLQ_KEY_TRACE_BYTES 129

struct dlq_key {
    int64_t hour_ms; /* the beginning of its hour */
    char trace_id[DLQ_KEY_TRACE_BYTES];
};

/* False where it is not such a key under that prefix. out may be NULL. */
bool dlq_key_parse(const char *prefix, const char *key, struct dlq_key *out);

bool dlq_key_is_trace(const char *text);

/* What sorts before every key of the hour that this time is in, and after every key of the hours
 * before it. */
void dlq_key_first(const char *prefix, char out[DLQ_KEY_BYTES]);
void dlq_key_before_hour(const char *prefix, int64_t wall_ms, char out[DLQ_KEY_BYTES]);

/* When a trace id that ingest gave was made (a ULID), or -1: it is another kind of id. */
int64_t dlq_key_trace_ms(const char *trace_id);

#endif
