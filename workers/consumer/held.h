#ifndef WORKERS_CONSUMER_HELD_H
#define WORKERS_CONSUMER_HELD_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/delivery/delivery.h"
#include "workers/consumer/inflight.h"
#include "workers/consumer/poller.h"
#include "workers/consumer/source.h"

/* What is held back: the sources that are paused, those whose destination has a gate, and queues
 * that are throttled (throttling.h). Their queues are not polled, but for
 *
 *   the probe  granted to this worker: one message at a time, until one could be delivered
 *   the sweep  once in sweep_ms where this worker sweeps: what is past its age limit becomes a dead
 *              letter, and the rest goes back; one batch, and more while there was such an event
 *
 * and what was received before goes back unless its delivery has begun. A queue that several
 * sources share is held back as a whole. */
struct held;
struct event_base;
struct gatekeeper;

#define HELD_SWEEP_MS (3600 * 1000)

struct held_options {
    struct event_base *base; /* borrow, as are the others */
    const struct sources *sources;
    const struct inflight *inflight;
    int64_t sweep_ms;                     /* 0: this worker does not */
    void (*send)(void *arg, json_t *msg); /* to the supervisor; msg is the receiver's */
    /* What is held back, or what may be polled, is not what it was. */
    void (*changed)(void *arg);
    /* Another worker met this queue throttled. */
    void (*slow_down)(void *arg, const char *queue, int64_t pause_ms);
    void *arg;
};

struct held *held_new(const struct held_options *options);
void held_free(struct held *h); /* NULL is a no-op */

/* A message of the supervisor: `gate`, `pause` or `resume`; others are left alone. */
void held_take(struct held *h, const json_t *msg);

/* How a queue may be polled now. */
enum poller_mode held_mode(struct held *h, const struct queue *queue);
/* A poll for a sweep was answered. */
void held_swept(struct held *h, const struct queue *queue, size_t count);

/* Any poll was answered. */
void held_polled(struct held *h, const struct queue *queue, const struct poller_result *result);

enum held_answer {
    HELD_DELIVER,
    HELD_PROBE, /* deliver: it is the probe from now on, w->is_probe is set */
    HELD_BACK,  /* not now; back to the queue for *delay_s_out */
};
/* What to do with an event that is to be delivered. */
enum held_answer held_ask(struct held *h, struct work *w, int *delay_s_out);
/* The same for one that waits for a place at its destination; never HELD_PROBE. */
enum held_answer held_ask_again(const struct held *h, const struct work *w, int *delay_s_out);
/* An event past its age limit was found. */
void held_expired(struct held *h, const struct work *w);

/* A delivery has ended. Where its check speaks against the event alone it tells nothing of the
 * destination, and a probe is used again. True where it has failed as part of an outage of its
 * destination: then nothing speaks against the event, and it goes back for *delay_s_out. */
bool held_outcome(struct held *h, struct work *w, const struct delivery_outcome *outcome,
                  int *delay_s_out);
/* It was cut off. */
void held_cancelled(struct held *h, struct work *w);
/* Whether it was or is held back since then (wall clock, as far as this worker knows): the receives
 * since then may have been no attempts. */
bool held_since(const struct held *h, const struct source *source, int64_t since_ms);

size_t held_paused(const struct held *h); /* sources */
size_t held_gates(const struct held *h);

#endif
