#ifndef COMMON_AWS_QUEUE_WATCH_H
#define COMMON_AWS_QUEUE_WATCH_H

#include <stdint.h>

#include "common/aws/aws_call.h"
#include "common/aws/queue_attributes.h"

/* Reads the attributes of an open queue again, now and then: somebody may give it a redrive policy
 * or another limit while we run. A call that fails changes nothing; the next one may work. */
struct queue_watch;
struct event_base;

struct queue_watch_options {
    const char *name; /* for the log: its key in the configuration (borrowed) */
    const char *url;  /* borrowed */
    int64_t every_ms; /* about; 0: QUEUE_WATCH_MS */
};

#define QUEUE_WATCH_MS 300000

/* Each time that something has changed, which is logged; attributes are borrowed for the call. */
typedef void queue_watch_cb(void *arg, const struct queue_attributes *attributes);

/* client and endpoint are borrowed and outlive it; attributes: those that are known (copied). */
struct queue_watch *queue_watch_new(struct event_base *base, struct aws_client *client,
                                    const struct aws_endpoint *endpoint,
                                    const struct queue_watch_options *options,
                                    const struct queue_attributes *attributes,
                                    queue_watch_cb *changed, void *arg);
/* May be called from inside changed. Before aws_client_free. NULL is a no-op. */
void queue_watch_free(struct queue_watch *w);

#endif
