#ifndef COMMON_AWS_OPENING_H
#define COMMON_AWS_OPENING_H

#include <stdbool.h>

#include "common/aws/aws_call.h"

/* What queue_open.c, bucket_open.c and table_open.c share: something is asked for again and again,
 * with backoff from 0.1 to 5 s, for as long as it takes, and what is in the way is kept as a text.
 */
struct opening;
struct event_base;

typedef void opening_ask_fn(void *arg);

struct opening_object {
    const char *what;   /* `bucket "x"` (copied) */
    const char *key;    /* where it stands in the configuration (borrowed) */
    const char *role;   /* who opens it (borrowed) */
    const char *region; /* where (borrowed) */
};

/* ask is called after each pause, never from inside these calls. */
struct opening *opening_new(struct event_base *base, const struct opening_object *object,
                            opening_ask_fn *ask, void *arg);
void opening_free(struct opening *o);

/* Asks again after a pause; reply says what was in the way of the action ("s3:ListBucket"). Each
 * new obstacle is logged once; the ordinary ones of a start are not worth a line. */
void opening_later(struct opening *o, const char *action, const struct aws_reply *reply);
/* The same where the object is there but cannot be used as it is: text (copied) says why. */
void opening_unfit(struct opening *o, const char *text);
/* It is open: there is nothing in the way any more. */
void opening_done(struct opening *o);
/* `bucket "x": <what is in the way>`, or NULL once it is open. */
const char *opening_waiting(const struct opening *o);
/* The same where waiting will not help (obstacle.h), else NULL. */
const char *opening_error(const struct opening *o);

#endif
