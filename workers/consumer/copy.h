#ifndef WORKERS_CONSUMER_COPY_H
#define WORKERS_CONSUMER_COPY_H

#include <jansson.h>
#include <stdbool.h>

#include "workers/consumer/inflight.h"

/* A copy of a message on its way to a queue: to another one with one of our attributes that says
 * why, or to its own one as its next retry. It keeps the message's group. On a FIFO queue one
 * without gets its source's name as its group, and a copy that is sent again, be it by a worker
 * that comes after us, is taken once within five minutes. A failed send is tried again, with
 * growing pauses, for as long as nobody frees the copy. */
struct copy;
struct event_base;

typedef void copy_cb(void *arg, struct work *w); /* confirmed; once; the copy may be freed in it */

/* With the attribute of that name (deadletter.h); takes over json. before and after name the fault
 * points around the send, or are NULL. */
struct copy *copy_start(struct event_base *base, struct work *w, struct queue *to,
                        const char *attribute, json_t *json, const char *before, const char *after,
                        copy_cb *done, void *arg);

/* To the message's own queue: the same body, every attribute, `seq` as its RetryCount, and the
 * attribute `Sluice` where it has none, so that it stays the same event. It becomes visible at
 * at_mono_ms, or after SQS's 900 s. NULL where there is no room for that: the message is deferred
 * instead. */
#define COPY_RETRY_COUNT "RetryCount"
struct copy *copy_start_retry(struct event_base *base, struct work *w, int seq, int64_t at_mono_ms,
                              const char *after, copy_cb *done, void *arg);
/* Whether there is room for it; never on a FIFO queue, where it would stand behind others. */
bool copy_retry_fits(const struct work *w, int seq);

/* Whether a send is under way that may yet be confirmed. */
bool copy_is_sending(const struct copy *c);
void copy_free(struct copy *c); /* cancels; NULL is a no-op */

#endif
