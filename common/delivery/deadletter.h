#ifndef COMMON_DELIVERY_DEADLETTER_H
#define COMMON_DELIVERY_DEADLETTER_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/aws/sqs.h"

/* What goes with a message to the SQS dead-letter queue or to the inspection queue: its own
 * attributes and one of ours, a JSON text that says why. Pure: no I/O, no clock.
 *
 * Nothing of the message is ever given up. Where SQS's limits leave no room for everything, this
 * yields, and the JSON says "cut":true:
 *   1. more than ten attributes: those of the user, but for `Sluice`, move into the JSON under
 *      "attributes": {name: {"type", "value"}};
 *   2. too many bytes: the history loses its oldest attempts, then the error (reason) is shortened,
 *      then everything but "v", "cut", "trace_id", "source", "error_class" and "attributes" goes;
 *   3. still too many: the message goes as it was received, without our attribute. */
#define DEADLETTER_ATTRIBUTE "SluiceDeadLetter"
#define DEADLETTER_INSPECTION "SluiceInspection"

struct deadletter_attempt {
    int64_t at_ms;
    int attempt; /* from 1 */
    const char *error;
    int status; /* HTTP or exit status, 0 where there is none */
    int64_t took_ms;
};

struct deadletter_reason { /* texts are borrowed for the call; any bytes */
    const char *trace_id;
    const char *source;
    const char *event_id;
    const char *error;
    const char *error_class;
    int64_t failed_at_ms;
    int64_t first_failed_at_ms;
    int64_t received_at_ms;
    int retry_count;
    const struct deadletter_attempt *attempts; /* oldest first */
    size_t attempt_count;
    const char *history; /* instead of attempts: their JSON, as in a ledger record; or NULL */
};

struct deadletter_inspection {
    const char *source;
    const char *queue;
    const char *message_id;
    const char *reason;
    const char *trace_id;
    int64_t at_ms;
};

/* The JSON of DEADLETTER_ATTRIBUTE and DEADLETTER_INSPECTION (new references). */
json_t *deadletter_reason_json(const struct deadletter_reason *reason);
json_t *deadletter_inspection_json(const struct deadletter_inspection *inspection);

/* The attributes to send. An older attribute of the same name is replaced. json is changed where
 * something has to be cut. limit is what a message may have in bytes (SQS_MESSAGE_BYTES). The
 * result borrows from the message, which must outlive it. */
struct deadletter;
struct deadletter *deadletter_new(const char *name, json_t *json, const struct sqs_message *message,
                                  size_t limit);
void deadletter_free(struct deadletter *d);
const struct sqs_attribute *deadletter_attributes(const struct deadletter *d, size_t *count_out);
bool deadletter_is_cut(const struct deadletter *d);

#endif
