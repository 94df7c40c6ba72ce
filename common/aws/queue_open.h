#ifndef COMMON_AWS_QUEUE_OPEN_H
#define COMMON_AWS_QUEUE_OPEN_H

#include "common/aws/aws_call.h"

/* Opens a queue. On the embedded store by name: it is created where it is missing (idempotent,
 * default attributes), which gives its URL. On AWS by URL: it is asked whether it is there, and
 * never created. Tries for as long as it takes, with backoff from 0.1 to 5 s: a missing key, a
 * store that is not up yet and every error are waited out, visibly. */
struct queue_open;
struct event_base;

/* url is borrowed for the call. Runs once, never from inside queue_open_start; queue_open_free may
 * be called from inside it. */
typedef void queue_open_cb(void *arg, const char *queue_url);

/* client and endpoint are borrowed and outlive the object; name and url ("" on the embedded store)
 * are copied. */
struct queue_open *queue_open_start(struct event_base *base, struct aws_client *client,
                                    const struct aws_endpoint *endpoint, const char *name,
                                    const char *url, queue_open_cb *done, void *arg);
/* Gives up where it is not done. Before aws_client_free. */
void queue_open_free(struct queue_open *open);

/* For the beat's `waiting`: `queue "genesys": <what is in the way>`, or NULL once it is open.
 * Borrowed until the loop turns. */
const char *queue_open_waiting(const struct queue_open *open);

#endif
