#ifndef COMMON_WEBHOOK_WEBHOOK_H
#define COMMON_WEBHOOK_WEBHOOK_H

#include <stddef.h>
#include <stdint.h>

#include "common/aws/sqs.h"
#include "common/base/buf.h"

/* An event as it travels: the exact body bytes and what we know about them.
 *
 * On SQS the message body is the raw bytes where SQS takes them, base64 of them where it does not,
 * and one blank for an empty body. Everything else is in one String attribute, `Sluice`, a JSON
 * object: {"v":1,"trace","source","event_id","at" (received, ms),"ct" (content type),
 * "enc":"raw"|"base64"|"empty","sha256" (of the exact bytes),"sv" (schema version)}. A message
 * without that attribute was put on the queue by somebody else: its body is the event. */
#define WEBHOOK_ATTRIBUTE "Sluice"
#define WEBHOOK_TRACE_BYTES 41
#define WEBHOOK_ID_BYTES 513 /* event id and NUL; longer ids are replaced by their SHA-256 */
#define WEBHOOK_CONTENT_TYPE_BYTES 256
#define WEBHOOK_OVERHEAD_BYTES 16384 /* of a message, kept free for attributes */

struct webhook {
    char trace_id[WEBHOOK_TRACE_BYTES];
    char *source;         /* own */
    char *event_id;       /* own */
    char *content_type;   /* own, "" where none was sent */
    char *schema_version; /* own, "" where the source has none */
    int64_t received_at_ms;
    void *body; /* own, the exact bytes */
    size_t body_len;
};

void webhook_free(struct webhook *h); /* the members and h; NULL is a no-op */

/* A new trace id: time-ordered (48 bits of milliseconds), unique across hosts (80 random bits), 26
 * characters of Crockford base32 (a ULID). Within one millisecond each is greater than the one
 * before it, as far as this process goes. */
void webhook_new_trace(int64_t wall_ms, char out[WEBHOOK_TRACE_BYTES]);

/* For messages that others put on the queue: "DLQ-" + 32 hex digits of
 * SHA-256(queue, event id or MessageId). */
void webhook_derived_trace(const char *queue, const char *id, char out[WEBHOOK_TRACE_BYTES]);

/* The SQS form: body_out is what goes into MessageBody, attribute_out the value of `Sluice`
 * (ASCII). The event id is made safe and bounded (event_id_safe), the content type too (at most
 * WEBHOOK_CONTENT_TYPE_BYTES, cut). */
void webhook_to_message(const struct webhook *h, struct buf *body_out, struct buf *attribute_out);

/* The reverse (malloc). Without the attribute: source and queue as given, trace derived from the
 * MessageId (webhook_derived_trace again where the caller finds an event id), event id "" for the
 * caller to fill in, received when SQS got it. NULL with a reason where the attribute or the
 * encoding is broken or the SHA-256 does not match: the message belongs in the inspection queue.
 * m->damaged is not looked at. */
struct webhook *webhook_from_message(const struct sqs_message *m, const char *source,
                                     const char *queue, char *reason, size_t reason_size);

/* How many bytes of event fit into a message of `limit` bytes when sent raw (limit − 16 KiB). */
size_t webhook_max_body(size_t limit);

#endif
