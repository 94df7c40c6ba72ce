#ifndef WORKERS_CONSUMER_COUNTERS_H
#define WORKERS_CONSUMER_COUNTERS_H

#include <stdint.h>

/* What this worker has done since it started; each only grows. */
struct counters {
    int64_t received;      /* messages taken in */
    int64_t delivered;     /* verdict delivered */
    int64_t retried;       /* failed attempts that get another one */
    int64_t dead;          /* copies confirmed by a dead-letter queue */
    int64_t malformed;     /* copies confirmed by an inspection queue */
    int64_t extended;      /* leases extended */
    int64_t released;      /* made visible again without a verdict */
    int64_t deleted;       /* deletes confirmed */
    int64_t delete_failed; /* deletes given up: the message comes again */
    int64_t expired;       /* past the age limit */
    int64_t lost;          /* leases lost while in work: another consumer has it */
    int64_t polls;         /* receives answered */
};

#endif
