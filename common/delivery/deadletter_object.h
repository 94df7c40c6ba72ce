#ifndef COMMON_DELIVERY_DEADLETTER_OBJECT_H
#define COMMON_DELIVERY_DEADLETTER_OBJECT_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/aws/aws_call.h"
#include "common/delivery/deadletter.h"
#include "common/delivery/ledger_record.h"
#include "common/webhook/webhook.h"

/* The dead letter that is kept in S3: built by the consumer, read and updated by both the consumer
 * (a later round of the same event) and redrives. Pure: no I/O, no clock.
 *
 *   {"trace_id","source","event_id","schema_version",
 *    "original_event"      the event as JSON where Jansson loads it, else null: for people
 *    "original_body", "original_encoding": "raw" | "base64" | "empty"
 *                          the exact bytes; "sha256" (hex) is theirs
 *    "content_type","error","error_class","failed_at","first_failed_at","received_at",
 *    "retry_count","attempts":[{"at","attempt","error","status","ms"}],"sha256",
 *    "redrives","parked","revision",
 *    "message_id"          of the SQS message that died
 *    "dlq"                 whether a copy went to an SQS dead-letter queue too
 *    "ledger_key":{"destination","source","event_id","id"}
 *                          "id" is the record's id, "" where the source has no ledger
 *    "claimed_by","claimed_until"   only while a redrive holds it
 *    "delivered_at"        only where a redrive delivered it and the ledger could not be told}
 *
 * Times are RFC 3339 in UTC with milliseconds. Members that are not in this list are kept. */
#define DEADLETTER_OBJECT_BYTES (7 << 20) /* no object is larger: original_event gives way */
#define DEADLETTER_OBJECT_ATTEMPTS 100    /* entries of "attempts"; the oldest give way */
#define DEADLETTER_OBJECT_KEY_BYTES 1025

struct deadletter_object {
    json_t *json; /* own: all of it. The texts below are borrowed from it and never NULL. */
    const char *trace_id, *source, *event_id, *schema_version, *content_type, *sha256;
    const char *error, *error_class, *message_id;
    const char *claimed_by; /* "" where nobody holds it */
    const char *ledger_id;  /* of its record; "" where there is none */
    const char *destination;
    int64_t failed_at_ms, first_failed_at_ms, received_at_ms, claimed_until_ms;
    int64_t delivered_at_ms; /* 0: no delivery is waiting to be recorded */
    int retry_count, redrives, revision;
    bool parked, dlq;
};

/* What it is computed from; everything borrowed for the call. */
struct deadletter_facts {
    const struct webhook *hook;
    /* dying or dead: error, error_class, failed_at_ms, first_failed_at_ms, history, trace_id,
     * attempts. */
    const struct ledger_record *record;
    const char *destination;
    const char *ledger_id;
    const char *message_id;
    bool dlq;
    bool unread; /* the body may kill who reads it: original_event is null */
};

/* The same facts give the same bytes. Free with deadletter_object_free. */
struct deadletter_object *deadletter_object_new(const struct deadletter_facts *facts);
/* From the bytes of an object; NULL with a reason where it is not a dead letter. */
struct deadletter_object *deadletter_object_parse(const void *bytes, size_t len, char *reason,
                                                  size_t reason_size);
void deadletter_object_free(struct deadletter_object *o); /* NULL is a no-op */

/* The bytes to store (malloc). */
char *deadletter_object_text(const struct deadletter_object *o, size_t *len_out);

/* The exact webhook, for a delivery; free with webhook_free. NULL with a reason where the body does
 * not have its encoding or its SHA-256. */
struct webhook *deadletter_object_webhook(const struct deadletter_object *o, char *reason,
                                          size_t reason_size);

/* Whether somebody holds it at that time. */
bool deadletter_object_is_claimed(const struct deadletter_object *o, int64_t now_ms);
void deadletter_object_claim(struct deadletter_object *o, const char *by, int64_t until_ms);
void deadletter_object_release(struct deadletter_object *o);

/* After a delivery that the ledger could not be told of: the next redrive records it instead of
 * delivering again. The claim is gone. A later round takes the mark away. */
void deadletter_object_delivered(struct deadletter_object *o, int64_t at_ms);

/* After a failed redrive: retry_count, redrives and attempts grow by one, error, class and
 * failed_at are the new ones, parked where redrives >= max_redrives, the claim is gone. first
 * failure and history stay. attempt->attempt is not looked at: it is the new retry_count + 1. */
void deadletter_object_failed(struct deadletter_object *o, const struct deadletter_attempt *attempt,
                              const char *error_class, int max_redrives);

/* The object for a later round of the same event, from what is stored and what the new round gives:
 * the first failure and the history of the stored one are kept, retry_count is the sum of both and
 * one more, redrives start again. Both stay the caller's. */
struct deadletter_object *deadletter_object_next_round(const struct deadletter_object *stored,
                                                       const struct deadletter_object *round);

/* prefix + "year=YYYY/month=MM/day=DD/hour=HH/" + trace_id + ".json", of the first failure in UTC.
 * sha256 is NULL, or the payload's hash: then 16 digits of it follow the trace id ("-…"), for an
 * event whose trace id is already in use for another payload. */
void deadletter_object_key(const char *prefix, int64_t first_failed_at_ms, const char *trace_id,
                           const char *sha256, char out[DEADLETTER_OBJECT_KEY_BYTES]);

/* The user metadata that goes with every PUT: event_id (made ASCII-safe, at most 1,024 bytes),
 * schema_ver, retry_count. The headers point into the structure itself: not to be copied. */
struct deadletter_metadata {
    struct http_header headers[3];
    size_t count;
    char *event_id, *schema_version; /* own */
    char retry_count[16];
};
void deadletter_object_metadata(const struct deadletter_object *o, struct deadletter_metadata *out);
void deadletter_metadata_free(struct deadletter_metadata *m); /* the members */

#endif
