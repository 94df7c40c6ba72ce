#ifndef COMMON_AWS_OBSTACLE_H
#define COMMON_AWS_OBSTACLE_H

#include <stdbool.h>

#include "common/aws/aws_call.h"

/* What keeps us from a queue, a bucket or a table, in words for the operator: what happened, to
 * which object, what to do next. Pure. */
struct obstacle {
    const char *what;   /* `queue "orders"` */
    const char *key;    /* where it stands in the configuration: "queues.orders" */
    const char *action; /* what was tried, as IAM calls it: "sqs:GetQueueAttributes" */
    const char *role;   /* whose policy, etc/iam/<role>.json, has to allow that */
    const char *region;
    const struct aws_reply *reply; /* not AWS_OK */
};

/* One line that begins with `what` (malloc). */
char *obstacle_text(const struct obstacle *o);

/* The same of a call that failed although the object had been opened: where it passes by itself, or
 * only the message to be sent is at fault, `failure` says what did not work ("cannot receive"). */
char *obstacle_failure(const struct obstacle *o, const char *failure);

/* Whether waiting will not help: denied, missing, in another region, or asked for wrongly. */
bool obstacle_is_definite(const struct aws_reply *reply);

#endif
