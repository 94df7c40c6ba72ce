#ifndef WORKERS_RETRY_ATTEMPT_H
#define WORKERS_RETRY_ATTEMPT_H

#include <stdint.h>

#include "common/delivery/delivery.h"
#include "common/delivery/ledger.h"

/* One delivery under a claim on the ledger's record: the claim is extended while it runs, and the
 * delivery ends when the claim is lost, when it takes too long, or when the service stops. */
struct attempt;
struct event_base;

enum attempt_end {
    ATTEMPT_ENDED,      /* the outcome says how */
    ATTEMPT_NOT_BEGUN,  /* no free place at the destination in time: nothing has happened */
    ATTEMPT_TOO_LONG,   /* cut off: it may have had its effect */
    ATTEMPT_CLAIM_LOST, /* cut off: somebody else works on it */
    ATTEMPT_STOPPED,    /* cut off, or not begun, since the service stops */
};

/* outcome: with ATTEMPT_ENDED, borrowed for the call; else NULL. Then no write under the claim is
 * under way. Once, never from inside attempt_start; the attempt frees itself after it. */
typedef void attempt_cb(void *arg, enum attempt_end end, const struct delivery_outcome *outcome);

struct attempt_options { /* all borrowed until the end */
    struct event_base *base;
    struct destination *destination;
    struct check *check; /* NULL: none */
    const struct webhook *hook;
    int number;
    int revision;               /* of a corrected payload */
    struct ledger_claim *claim; /* NULL where there is no ledger */
    const char *trace_id;       /* for the log */
    int64_t limit_ms;           /* that it may take, waiting for a place included */
};

struct attempt *attempt_start(const struct attempt_options *options, attempt_cb *done, void *arg);
/* One that has not begun ends at once, one that has at this time (in a later turn of the loop). */
void attempt_drain(struct attempt *a, int64_t until_mono_ms);
/* One that has not begun ends as ATTEMPT_NOT_BEGUN (in a later turn of the loop); else a no-op. */
void attempt_give_up(struct attempt *a);
/* Ends it without its callback. The claim must be freed after it. NULL is a no-op. */
void attempt_cancel(struct attempt *a);

#endif
