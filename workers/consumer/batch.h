#ifndef WORKERS_CONSUMER_BATCH_H
#define WORKERS_CONSUMER_BATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "workers/consumer/queues.h"

/* Deletes and visibility changes of one queue, gathered: what is asked for within a few
 * milliseconds goes in one batch call of up to ten. Entries that the service lists as failed are
 * tried again one by one where their class says that this may help; where a whole call failed its
 * entries are gathered anew. */
struct batch;
struct event_base;

enum batch_kind { BATCH_DELETE, BATCH_VISIBILITY };

struct batch_result {
    bool ok;
    enum aws_class class;
    const char *code;     /* "" when ok */
    const char *message;  /* "" when ok */
    int64_t sent_mono_ms; /* just before the last call that carried it */
};

/* Once for each entry, never from inside batch_add. */
typedef void batch_cb(void *arg, uint64_t id, const struct batch_result *result);

/* tries: how often an entry is sent at most. queue and arg are borrowed. */
struct batch *batch_new(struct event_base *base, struct queue *queue, enum batch_kind kind,
                        int tries, batch_cb *done, void *arg);
void batch_free(struct batch *b); /* cancels, without callbacks */

/* id comes back in the callback. handle is copied; visibility_s is for BATCH_VISIBILITY. */
void batch_add(struct batch *b, uint64_t id, const char *handle, int visibility_s);

#endif
