#ifndef WORKERS_CONSUMER_OUTCOME_H
#define WORKERS_CONSUMER_OUTCOME_H

#include <stdbool.h>

#include "workers/consumer/claims.h"
#include "workers/consumer/counters.h"
#include "workers/consumer/held.h"
#include "workers/consumer/inflight.h"
#include "workers/consumer/lease.h"
#include "workers/consumer/settle.h"
#include "workers/consumer/trouble.h"

/* The half of process.c that begins with an attempt: delivering, what its outcome asks for, and the
 * order in which that is written down. With a claim each step goes to the ledger before SQS hears
 * of it; without one (no ledger, or an outage) SQS is all there is. */
struct process {
    const struct sources *sources; /* borrow */
    struct inflight *inflight;     /* borrow */
    struct counters *counters;     /* borrow */
    struct held *held;             /* borrow */
    struct kills *kills;           /* own; its callback's arg is this process */
    struct lease *lease;           /* own */
    struct claims *claims;         /* own; its callbacks' arg is this process */
    struct settle *settle;         /* own; as above */
    const struct process_callbacks *callbacks;
    void *arg;
    struct event *next; /* own: begins what no longer has to wait (groups.h) */
    bool draining;
    struct trouble ledger_trouble;
};

/* Each of these takes the message over. */

/* Delivers what may be delivered (route.h); the claim's attempt is taken back from what may not. */
void outcome_deliver(struct process *p, struct work *w);
/* w->record has the attempts and the history: dying, the copies, dead, the delete. */
void outcome_die(struct process *p, struct work *w, const char *class, const char *error);
/* The copy of a requeue; w->record is moving. */
void outcome_send_retry(struct process *p, struct work *w);
/* Deletes it undelivered: the event is done with already, or another message stands for it. */
void outcome_duplicate(struct process *p, struct work *w, const char *why);
/* The one way of a message back to its queue without a verdict: visible after delay_s. The record
 * stays as it is, without the claim. */
void outcome_give_back(struct process *p, struct work *w, int delay_s);
/* The same without the attempt that its claim has counted; nor do the receives so far speak against
 * it, but for its attempts. */
void outcome_uncount(struct process *p, struct work *w, int delay_s);
/* Back to the queue for delay_s, without a claim: nothing has been decided about the event. */
void outcome_defer(struct process *p, struct work *w, int delay_s);

/* Whether the message must not go back as it is (route_is_near_redrive): each of the above sends a
 * copy instead, or makes a dead letter of our own where none can be sent. */
bool outcome_is_near_redrive(const struct work *w);
/* Whether the worker drains, and the message goes back as it is: it is not near the redrive. */
bool outcome_only_goes_back(const struct process *p, const struct work *w);

/* Ends the delivery under way; the message stays the caller's. */
void outcome_cancel(struct work *w);

/* Offers w->record to the ledger; done decides how it goes on. */
void outcome_write(struct process *p, struct work *w, bool releases, work_written_cb *done);
/* For such a callback: where it was not written somebody else has the claim, and the message is
 * theirs; it has left then. */
bool outcome_is_lost(struct process *p, struct work *w, bool written);

/* Of settle.c, arg is the process: the places of a dead letter, or the queue of a requeued copy,
 * have confirmed. */
void outcome_copied(void *arg, struct work *w);

/* A fault point (common/base/fault.h). */
void outcome_passed(const char *point);

#endif
