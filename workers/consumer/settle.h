#ifndef WORKERS_CONSUMER_SETTLE_H
#define WORKERS_CONSUMER_SETTLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "workers/consumer/counters.h"
#include "workers/consumer/inflight.h"
#include "workers/consumer/lease.h"

/* How a message leaves this worker. Copies come first: a message that goes to another queue is
 * deleted from its own only after the send was confirmed, and a failed send is tried again for as
 * long as the lease can be kept. */
struct settle;

struct settle_death { /* texts are borrowed for the call */
    const char *class;
    const char *error;
    int attempts; /* that were made */
    int status;   /* of the last one */
    int64_t took_ms;
};

/* The message has left (whatever became of it); it is removed right after. */
typedef void settle_cb(void *arg, struct work *w);

/* All are borrowed and outlive it. */
struct settle *settle_new(struct event_base *base, struct queues *queues, struct inflight *inflight,
                          struct lease *lease, struct counters *counters, settle_cb *gone,
                          void *arg);
void settle_free(struct settle *s); /* cancels, without callbacks */

/* Each of these takes the message over; its delivery must have ended. */
void settle_delivered(struct settle *s, struct work *w);          /* delete */
void settle_retry(struct settle *s, struct work *w, int delay_s); /* hide for delay_s */
void settle_release(struct settle *s, struct work *w);            /* make visible now */
void settle_dead(struct settle *s, struct work *w, const struct settle_death *death);
void settle_inspect(struct settle *s, struct work *w, const char *reason);

/* Of lease.c: the extension of a message that we want to yield has been answered. */
void settle_lease_stopped(struct settle *s, struct work *w);
/* The lease is lost. A copy that is only waiting for its next try is given up, since the message
 * comes again elsewhere; a step under way is finished. */
void settle_lease_lost(struct settle *s, struct work *w);
/* For the drain's deadline: gives up a copy that is not confirmed and releases the message. */
void settle_give_up(struct settle *s, struct work *w);

#endif
