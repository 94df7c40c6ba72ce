#ifndef COMMON_AWS_BUCKET_OPEN_H
#define COMMON_AWS_BUCKET_OPEN_H

#include "common/aws/aws_call.h"

/* Makes sure that the bucket of the dead letters is there. Where it is missing it is created
 * (idempotent), but at AWS nothing ever is; there a server that does not keep conditions
 * (conditions.h) is refused, unless the endpoint says that none are sent. Tries for as long as it
 * takes, with backoff from 0.1 to 5 s: a missing key, a store that is not up yet and every error
 * are waited out, visibly. */
struct bucket_open;
struct event_base;

struct bucket_open_options {
    const char *name;   /* copied */
    const char *prefix; /* of the dead letters' keys (copied) */
    const char *role;   /* who opens it, for its policy (literal) */
};

/* Runs once, never from inside bucket_open_start; bucket_open_free may be called from inside it. */
typedef void bucket_open_cb(void *arg);

/* client and endpoint (service "s3") are borrowed and outlive the object. */
struct bucket_open *bucket_open_start(struct event_base *base, struct aws_client *client,
                                      const struct aws_endpoint *endpoint,
                                      const struct bucket_open_options *options,
                                      bucket_open_cb *done, void *arg);
/* Gives up where it is not done. Before aws_client_free. NULL is a no-op. */
void bucket_open_free(struct bucket_open *open);

/* For the beat's `waiting`: `bucket "x": <what is in the way>`, or NULL once it is open. Borrowed
 * until the loop turns. */
const char *bucket_open_waiting(const struct bucket_open *open);
/* The same where waiting will not help (denied, missing, in another region,
 * without conditions), else NULL. */
const char *bucket_open_error(const struct bucket_open *open);

#endif
