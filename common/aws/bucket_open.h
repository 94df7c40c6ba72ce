#ifndef COMMON_AWS_BUCKET_OPEN_H
#define COMMON_AWS_BUCKET_OPEN_H

#include "common/aws/opening.h"

/* Makes sure that the bucket of the dead letters is there. Where it is missing it is created
 * (idempotent), but at AWS nothing ever is; there a server that does not keep conditions
 * (conditions.h) is refused, unless the endpoint says that none are sent. */

struct bucket_open_options {
    const char *name;   /* copied */
    const char *prefix; /* of the dead letters' keys (copied) */
    const char *role;   /* who opens it, for its policy (literal) */
};

/* Runs once, never from inside bucket_open_start. */
typedef void bucket_open_cb(void *arg);

/* client and endpoint (service "s3") are borrowed and outlive the opening (opening.h). */
struct opening *bucket_open_start(struct event_base *base, struct aws_client *client,
                                  const struct aws_endpoint *endpoint,
                                  const struct bucket_open_options *options, bucket_open_cb *done,
                                  void *arg);

#endif
