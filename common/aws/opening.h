#ifndef COMMON_AWS_OPENING_H
#define COMMON_AWS_OPENING_H

#include <stdint.h>

#include "common/aws/aws_call.h"
#include "common/aws/obstacle.h"

/* An object at AWS that is being opened, by queue_open.c, bucket_open.c or table_open.c: asked for
 * again and again for as long as it takes, with backoff from 0.1 to 5 s, while what is in the way
 * is kept as a text. A missing key, a store that is not up yet and every error are waited out.
 */
struct opening;
struct event_base;

/* ---- for whoever waits for it ---- */

/* Gives up where it is not done; may be called from inside the callback that says that it is done.
 * Before aws_client_free. NULL is a no-op. */
void opening_free(struct opening *o);

/* For the beat's `waiting`: `bucket "x": <what is in the way>`, or NULL once it is open, and of
 * NULL. Borrowed until the loop turns. */
const char *opening_waiting(const struct opening *o);
/* The same where waiting will not help (obstacle.h), else NULL. */
const char *opening_error(const struct opening *o);

/* ---- for those three ---- */

struct opening_kind {
    uint64_t (*ask)(void *arg); /* makes the first call of an attempt; its id */
    void (*drop)(void *arg);    /* frees arg */
};

/* Asks for the first time. client, kind, and the object's role and region are borrowed; arg is
 * dropped by opening_free. */
struct opening *opening_new(struct event_base *base, struct aws_client *client,
                            const struct obstacle_object *object, const struct opening_kind *kind,
                            void *arg);

/* The attempt's next call is under way. */
void opening_goes_on(struct opening *o, uint64_t call_id);
/* Asks again after a pause; reply says what was in the way of the action ("s3:ListBucket"). Each
 * new obstacle is logged once; the ordinary ones of a start are not worth a line. */
void opening_later(struct opening *o, const char *action, const struct aws_reply *reply);
/* The same where the object is there but cannot be used as it is: text (copied) says why. */
void opening_unfit(struct opening *o, const char *text);
/* It is open: there is nothing in the way any more. */
void opening_done(struct opening *o);

#endif
