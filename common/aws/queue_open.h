#ifndef COMMON_AWS_QUEUE_OPEN_H
#define COMMON_AWS_QUEUE_OPEN_H

#include "common/aws/opening.h"
#include "common/aws/queue_attributes.h"

/* Opens a queue: finds its URL and reads its attributes. On the embedded store it is created by its
 * name where it is missing (idempotent, default attributes); elsewhere its URL is given and nothing
 * is ever created. */

struct queue_open_options {
    const char *key;  /* under "queues" in the configuration (copied) */
    const char *name; /* on the embedded store (copied) */
    const char *url;  /* of a queue elsewhere (copied); "" or NULL: on the embedded store */
    const char *role; /* who opens it, for its policy (literal) */
};

/* url and attributes are borrowed for the call. Runs once, never from inside queue_open_start. */
typedef void queue_open_cb(void *arg, const char *queue_url,
                           const struct queue_attributes *attributes);

/* client and endpoint are borrowed and outlive the opening (opening.h). */
struct opening *queue_open_start(struct event_base *base, struct aws_client *client,
                                 const struct aws_endpoint *endpoint,
                                 const struct queue_open_options *options, queue_open_cb *done,
                                 void *arg);

#endif
