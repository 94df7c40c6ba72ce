#ifndef WORKERS_CONSUMER_SETTLE_H
#define WORKERS_CONSUMER_SETTLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "workers/consumer/counters.h"
#include "workers/consumer/inflight.h"
#include "workers/consumer/lease.h"

/* How a message leaves this worker, and where its copies go before it does. Copies come first: a
 * message that becomes a dead letter is deleted from its queue only after each of its places has
 * confirmed it, one that is requeued only after its copy has been sent. What fails is tried again
 * for as long as the message may be held. */
struct settle;
struct objects;

struct settle_callbacks {
    /* What becomes of the message is certain: it is done with and about to be deleted, or it comes
     * again. Once, before it has left. */
    void (*decided)(void *arg, struct work *w, bool is_done);
    /* The message has left (whatever became of it); it is removed right after. */
    void (*gone)(void *arg, struct work *w);
    /* After settle_dead or settle_requeue: everything is confirmed. The message is the caller's
     * again. */
    void (*copied)(void *arg, struct work *w);
};

/* All are borrowed and outlive it. objects: NULL where no source writes to S3. */
struct settle *settle_new(struct event_base *base, struct queues *queues, struct inflight *inflight,
                          struct lease *lease, struct counters *counters, struct objects *objects,
                          const struct settle_callbacks *callbacks, void *arg);
void settle_free(struct settle *s); /* cancels, without callbacks */

/* Each of these takes the message over; its delivery must have ended. */
void settle_delete(struct settle *s, struct work *w);
void settle_defer(struct settle *s, struct work *w, int delay_s); /* hide for delay_s */
void settle_release(
    struct settle *s,
    struct work *w); /* make visible, as soon as no dying poll of ours can take it */
void settle_inspect(struct settle *s, struct work *w, const char *reason);
/* The dead letter that w->record (dying) describes, to the places of the source: first S3, which
 * leaves its key in w->dlq_key, then the queue. */
void settle_dead(struct settle *s, struct work *w);
/* A copy to its own queue with w->record->seq, visible at at_mono_ms. False where there is no room
 * for the number (settle_can_requeue says so before); the message stays the caller's then. */
bool settle_can_requeue(const struct work *w, int seq);
bool settle_requeue(struct settle *s, struct work *w, int64_t at_mono_ms)
    __attribute__((warn_unused_result));

/* For a message without a claim: a copy to its own queue with the same number, visible after
 * delay_s, then the delete. False where there is no room for that; the message stays the caller's
 * then. */
bool settle_pass_on(struct settle *s, struct work *w, int delay_s)
    __attribute__((warn_unused_result));

/* Of lease.c: the extension of a message that we want to yield has been answered. */
void settle_lease_stopped(struct settle *s, struct work *w);
/* The message may be another consumer's. A copy that is only waiting for its next try is given up,
 * since the message comes again elsewhere; a step under way is finished. */
void settle_lease_lost(struct settle *s, struct work *w);
/* Ends a copy that is not confirmed. False where there is none; else the message is the caller's
 * again. */
bool settle_give_up(struct settle *s, struct work *w);
/* The message leaves as it is: nothing more is done about it here. */
void settle_leave(struct settle *s, struct work *w);

#endif
