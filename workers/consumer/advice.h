#ifndef WORKERS_CONSUMER_ADVICE_H
#define WORKERS_CONSUMER_ADVICE_H

#include "common/aws/queue_attributes.h"

/* What should be set otherwise at the queues of a source, although it works as it is. Pure. */

/* Receives that a source needs: its attempts, and room for drains, outages and crashes. */
#define ADVICE_SPARE_RECEIVES 10

/* Each gives a text (malloc) with the command that mends it, or NULL where all is well. */

/* The native redrive policy of the source's queue takes messages away before their retries are
 * over. On a FIFO queue no count is surely high enough. */
char *advice_redrive(const char *queue, const char *url, const struct queue_attributes *a,
                     int max_retries);
/* SQS counts a moved message's age from its first send, so a dead-letter queue that keeps no longer
 * than the source's queue may lose it at once. dead and source are the attributes of the two. */
char *advice_retention(const char *dead_queue, const char *dead_url,
                       const struct queue_attributes *dead, const struct queue_attributes *source);

#endif
