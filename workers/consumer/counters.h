#ifndef WORKERS_CONSUMER_COUNTERS_H
#define WORKERS_CONSUMER_COUNTERS_H

#include <stdint.h>

/* What this worker has done since it started; each only grows. */
struct counters {
    int64_t received;      /* messages taken in */
    int64_t delivered;     /* verdict delivered */
    int64_t retried;       /* failed attempts that get another one */
    int64_t dead;          /* dead letters confirmed by each of their places */
    int64_t malformed;     /* copies confirmed by an inspection queue */
    int64_t extended;      /* leases extended */
    int64_t released;      /* made visible again without a verdict */
    int64_t deleted;       /* deletes confirmed */
    int64_t delete_failed; /* deletes given up: the message comes again */
    int64_t expired;       /* past the age limit */
    int64_t lost;          /* leases lost while in work: another consumer has it */
    int64_t duplicates;    /* deleted undelivered: delivered or dead already, or an older copy */
    int64_t key_conflict;  /* an event id came with another payload */
    int64_t deferred;      /* received while in progress elsewhere or before its time */
    int64_t held_back;     /* given back: the source is paused, or its destination out */
    int64_t requeued;      /* copies sent by the strategy requeue */
    int64_t claims_lost;   /* ledger claims lost while in work */
    int64_t unreachable;   /* receives for which the ledger gave no answer */
    int64_t settled;       /* messages of dead consumers given back */
    int64_t polls;         /* receives answered */
    int64_t throttled;     /* pauses because a queue throttles receives */
};

#endif
