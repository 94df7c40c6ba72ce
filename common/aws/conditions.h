#ifndef COMMON_AWS_CONDITIONS_H
#define COMMON_AWS_CONDITIONS_H

#include "common/aws/aws_call.h"

/* Whether a bucket's server keeps the conditions that dead letters rely on: an object that is there
 * is neither made a second time (If-None-Match: *) nor replaced by those who know another version
 * of it (If-Match).
 *
 * Tried on the one object PREFIX.sluice-probe: it is made unless it is there, made again, and
 * replaced with an ETag that it never had; the last two must be refused. Every worker that writes
 * dead letters tries for itself, which needs s3:PutObject alone, so that none of them writes to a
 * server that was not tried. The object stays: a server that keeps conditions stores it once, ever,
 * and a worker that deleted it would make another's try fail. Its key is none of a dead letter. */
struct conditions;

enum conditions_verdict {
    CONDITIONS_KEPT,
    CONDITIONS_IGNORED, /* or not known to the server */
    CONDITIONS_UNKNOWN, /* the reply tells what is in the way of s3:PutObject */
};

/* text (borrowed for the call) says what was tried and how that ended where they are ignored, else
 * it is NULL; reply is borrowed for the call. Runs once, never from inside conditions_try;
 * conditions_free may be called from inside it. */
typedef void conditions_cb(void *arg, enum conditions_verdict verdict, const char *text,
                           const struct aws_reply *reply);

/* client and endpoint (service "s3") are borrowed and outlive the object. */
struct conditions *conditions_try(struct aws_client *client, const struct aws_endpoint *endpoint,
                                  const char *bucket, const char *prefix, conditions_cb *done,
                                  void *arg);
void conditions_free(struct conditions *c); /* gives up where it is not done; NULL is a no-op */

#endif
