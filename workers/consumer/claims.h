#ifndef WORKERS_CONSUMER_CLAIMS_H
#define WORKERS_CONSUMER_CLAIMS_H

#include <stdbool.h>

#include "common/delivery/ledger.h"
#include "workers/consumer/counters.h"
#include "workers/consumer/inflight.h"

/* The ledger claims of the messages in work: asked for once, extended at half of their length for
 * as long as the message is held, and written through one at a time. The claim, not the SQS lease,
 * says who may work on an event. */
struct claims;
struct event_base;

struct claims_callbacks {
    /* The answer to claims_ask; w->claim and w->record (a copy of our own) are set where it was
     * LEDGER_CLAIMED and there is a claim. */
    void (*answer)(void *arg, struct work *w, const struct ledger_result *result);
    /* The claim is over without a verdict having been offered: it was not extended in time, or
     * somebody else has it. w->claim is NULL by now. */
    void (*lost)(void *arg, struct work *w);
};

/* All are borrowed and outlive it. */
struct claims *claims_new(struct event_base *base, struct inflight *inflight,
                          struct counters *counters, const struct claims_callbacks *callbacks,
                          void *arg);
/* Before the inflight table and the ledgers. */
void claims_free(struct claims *c);

/* Asks the ledger of the message's source for the event; the message is WORK_CLAIMING then. Any
 * number at once. */
void claims_ask(struct claims *c, struct work *w);

/* Offers w->record to the ledger, again and again until it is answered; done(arg, w, true) once it
 * is written, and false where the claim is somebody else's (it is gone then). arg is that of
 * claims_new. releases: the claim is given back with the same write (and gone after it). One at a
 * time. */
void claims_write(struct claims *c, struct work *w, bool releases, work_written_cb *done);

#endif
