#ifndef WORKERS_CONSUMER_LEASE_H
#define WORKERS_CONSUMER_LEASE_H

#include <stdbool.h>
#include <stdint.h>

#include "workers/consumer/counters.h"
#include "workers/consumer/inflight.h"

/* The heartbeat of the messages in work: half a visibility timeout after the last confirmed
 * extension the next is asked for, for as long as the message is held, up to the 12 h that SQS
 * allows. A lease runs from the first byte of the receive answer (later: from when the extension
 * was sent), less a margin of LEASE_MARGIN_MS. Without a confirmed extension by then, or where the
 * service says that the handle is no longer good, it is lost. */
#define LEASE_MARGIN_MS 2000

struct lease;

struct lease_callbacks {
    /* The message may be another consumer's now. Called once for a message; it may be removed. */
    void (*lost)(void *arg, struct work *w);
    /* After a lease_stop that returned false: the extension has been answered. */
    void (*stopped)(void *arg, struct work *w);
};

/* All are borrowed and outlive it. */
struct lease *lease_new(struct event_base *base, struct queues *queues, struct inflight *inflight,
                        struct counters *counters, const struct lease_callbacks *callbacks,
                        void *arg);
void lease_free(struct lease *l);

/* A message has just been received. */
void lease_begin(struct lease *l, struct work *w, int visibility_s, int64_t first_byte_mono_ms);

/* No further extension. True where none is under way; otherwise `stopped` tells when it has been
 * answered (an extension that arrives after a backoff would overwrite it). */
bool lease_stop(struct lease *l, struct work *w) __attribute__((warn_unused_result));

#endif
