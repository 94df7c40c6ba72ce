#ifndef COMMON_AWS_QUEUE_ATTRIBUTES_H
#define COMMON_AWS_QUEUE_ATTRIBUTES_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

/* What GetQueueAttributes says of a queue, as far as we act on it. Pure. */
struct queue_attributes {
    int64_t max_message_bytes; /* at most SQS_MESSAGE_BYTES */
    int64_t visibility_s;
    int64_t retention_s; /* 0: it keeps messages for ever */
    bool is_fifo;        /* by its name, as ingest knows it too: FifoQueue says nothing else */
    /* The native redrive policy: SQS moves a message by itself when it has been received so often.
     * 0: there is none. */
    int max_receives;
    char dead_letter_arn[256]; /* of that policy, or "" */
};

/* attributes is the answer's "Attributes", NULL or incomplete ones give SQS's defaults, and a
 * policy that cannot be read is none. */
void queue_attributes_read(const char *queue_url, const json_t *attributes,
                           struct queue_attributes *out);

/* What is another now, by SQS's names: "maxReceiveCount 0 -> 5" (malloc); NULL: nothing. */
char *queue_attributes_changes(const struct queue_attributes *before,
                               const struct queue_attributes *now);

#endif
