#ifndef WORKERS_CONSUMER_OBJECTS_H
#define WORKERS_CONSUMER_OBJECTS_H

#include <jansson.h>
#include <stdbool.h>

#include "common/aws/aws_call.h"
#include "common/delivery/deadletter_object.h"
#include "workers/consumer/inflight.h"

/* The dead letters that this worker writes to S3. One is created once; where its key is taken, what
 * is there decides: the same round of the same event is done, an earlier round is updated in place,
 * and an object of another payload is left alone: ours then goes beside it. Every refusal is waited
 * out, for as long as nobody frees the write. */
struct objects;
struct object_write;
struct event_base;

/* Opens the bucket (creates it where it is missing). All is borrowed and outlives it. trouble tells
 * what is in the way. */
typedef void objects_trouble_fn(void *arg, const char *text);
typedef void objects_ready_fn(void *arg); /* the bucket is open */
struct objects *objects_new(struct event_base *base, struct aws_client *client,
                            const struct aws_endpoint *endpoint, const char *bucket,
                            const char *prefix, objects_ready_fn *ready,
                            objects_trouble_fn *trouble, void *arg);
void objects_free(struct objects *all); /* no write may be under way */
bool objects_open(const struct objects *all);
/* Why the bucket cannot be used where waiting will not help, else NULL. */
const char *objects_error(const struct objects *all);
/* Appends what is in the way to an array of texts. */
void objects_waiting(const struct objects *all, json_t *list);

/* The object is stored under key. Once; the write may be freed in it. */
typedef void object_write_cb(struct work *w, const char *key);

/* Takes over o, the dead letter of w (borrowed: it frees us before it leaves). by_message: rounds
 * are told apart by the message id, not by failed_at (there is no ledger that would remember it).
 */
struct object_write *object_write_start(struct objects *all, struct work *w,
                                        struct deadletter_object *o, bool by_message,
                                        object_write_cb *done);
/* Whether a request is under way that may yet be confirmed. */
bool object_write_is_sending(const struct object_write *w);
void object_write_free(struct object_write *w); /* cancels; NULL is a no-op */

#endif
