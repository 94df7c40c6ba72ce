#ifndef COMMON_AWS_OBSTACLE_H
#define COMMON_AWS_OBSTACLE_H

#include <stdbool.h>

#include "common/aws/aws_call.h"

/* What keeps us from a queue, a bucket or a table, in words for the operator: what happened, to
 * which object, what to do next. Pure. */
struct obstacle_object {
    const char *what;   /* `queue "orders"` */
    const char *key;    /* where it stands in the configuration: "queues.orders" */
    const char *role;   /* whose policy, etc/iam/<role>.json, has to allow what is tried */
    const char *region; /* where it is looked for */
};

/* One line that begins with `what` (malloc). action: what was tried, as IAM calls it
 * ("sqs:GetQueueAttributes"); reply is not AWS_OK. */
char *obstacle_text(const struct obstacle_object *o, const char *action,
                    const struct aws_reply *reply);

/* The same of a call that failed although the object had been opened: where nobody has to do
 * anything (obstacle_is_for_people), `failure` says what did not work ("cannot receive"). */
char *obstacle_failure(const struct obstacle_object *o, const char *action, const char *failure,
                       const struct aws_reply *reply);

/* Whether somebody has to mend it: permissions, credentials, clock, region or a missing object.
 * Else it passes by itself, or only what was sent is at fault. */
bool obstacle_is_for_people(const struct aws_reply *reply);

/* Whether waiting will not help: denied, missing, in another region, or asked for wrongly. */
bool obstacle_is_definite(const struct aws_reply *reply);

#endif
