#ifndef COMMON_AWS_QUEUE_OPEN_H
#define COMMON_AWS_QUEUE_OPEN_H

#include "common/aws/aws_call.h"
#include "common/aws/queue_attributes.h"

/* Opens a queue: finds its URL and reads its attributes. On the embedded store it is created by its
 * name where it is missing (idempotent, default attributes); elsewhere its URL is given and nothing
 * is ever created. Tries for as long as it takes, with backoff from 0.1 to 5 s: a missing key, a
 * store that is not up yet and every error are waited out, visibly. */
struct queue_open;
struct event_base;

struct queue_open_options {
    const char *key;  /* under "queues" in the configuration (copied) */
    const char *name; /* on the embedded store (copied) */
    const char *url;  /* of a queue elsewhere (copied); "" or NULL: on the embedded store */
    const char *role; /* who opens it, for its policy (literal) */
};

/* url and attributes are borrowed for the call. Runs once, never from inside queue_open_start;
 * queue_open_free may be called from inside it. */
typedef void queue_open_cb(void *arg, const char *queue_url,
                           const struct queue_attributes *attributes);

/* client and endpoint are borrowed and outlive the object. */
struct queue_open *queue_open_start(struct event_base *base, struct aws_client *client,
                                    const struct aws_endpoint *endpoint,
                                    const struct queue_open_options *options, queue_open_cb *done,
                                    void *arg);
/* Gives up where it is not done. Before aws_client_free. */
void queue_open_free(struct queue_open *open);

/* For the beat's `waiting`: `queue "genesys": <what is in the way>`, or NULL once it is open.
 * Borrowed until the loop turns. */
const char *queue_open_waiting(const struct queue_open *open);
/* The same where waiting will not help (denied, missing, in another region), else NULL. */
const char *queue_open_error(const struct queue_open *open);

#endif
