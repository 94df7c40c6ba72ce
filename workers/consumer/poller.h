#ifndef WORKERS_CONSUMER_POLLER_H
#define WORKERS_CONSUMER_POLLER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "workers/consumer/counters.h"
#include "workers/consumer/inflight.h"
#include "workers/consumer/queues.h"
#include "workers/consumer/source.h"

/* The long polls: one for each queue that is read, up to four while its batches come back full. A
 * poll asks only for messages for which there is a free in-flight slot, and each queue keeps a few
 * slots that the others cannot take. After a failure a queue pauses, longer each time, and for up
 * to a second after an empty answer that came before the poll's wait was over; where it is
 * throttled there are fewer polls, too (common/aws/limiter.h), each for as many messages as one can
 * bring. */
struct poller;

/* How a queue may be polled. */
enum poller_mode {
    POLLER_FREELY,
    POLLER_ONE,   /* one poll for one message */
    POLLER_PROBE, /* the same, but a short one, to see whether it is throttled still */
    POLLER_SWEEP, /* one short poll for a batch */
    POLLER_NOT,
};

/* How a poll went. */
struct poller_result { /* borrowed for the call */
    bool worked;       /* with or without messages */
    bool is_throttled;
    bool is_probe;
    int64_t
        pause_ms; /* of a throttled one: the pause that begins with it; 0: there is one already */
    int64_t began_mono_ms;
    const char *why; /* for people; "" where it worked */
};

struct poller_callbacks {
    /* What a poll has brought, one or more. */
    void (*messages)(void *arg, struct queue *q, const struct sqs_message *messages, size_t count,
                     int visibility_s, int64_t first_byte_mono_ms);
    /* After poller_stop returned false: the last poll is over. */
    void (*ended)(void *arg);
    /* Asked before each poll; NULL: POLLER_FREELY. While it is POLLER_NOT the polls under way are
     * withdrawn as in poller_stop; poller_kick has it asked again. */
    enum poller_mode (*mode)(void *arg, const struct queue *q);
    /* A poll of POLLER_SWEEP was answered, before its messages are handed over; with `mode`. */
    void (*swept)(void *arg, const struct queue *q, size_t count);
    /* Each poll was answered, before its messages are handed over; with `mode`. */
    void (*answered)(void *arg, const struct queue *q, const struct poller_result *result);
};

/* All are borrowed and outlive it. slots: in-flight messages of this worker. */
struct poller *poller_new(struct event_base *base, struct queues *queues,
                          const struct sources *sources, const struct inflight *inflight, int slots,
                          struct counters *counters, const struct poller_callbacks *callbacks,
                          void *arg);
void poller_free(struct poller *p); /* cancels */

/* Something changed (a queue is known, a slot is free): polls are started in the next turn. */
void poller_kick(struct poller *p);

/* Another worker met this queue (a key under "queues") throttled, and pauses for so long. */
void poller_slow_down(struct poller *p, const char *queue, int64_t pause_ms);

/* Ends polling for good. The embedded store is told that nobody waits any more (aws_hang_up): it
 * forgets the poll, but what it has answered by then still comes, else those messages would be
 * nobody's until their visibility timeout ends. AWS withdraws nothing: there each poll is let go to
 * its end, and the queue's polled_until_mono_ms says when that is. True where no poll is left;
 * otherwise `message` may still be called, and `ended` once. */
bool poller_stop(struct poller *p) __attribute__((warn_unused_result));

/* After poller_stop: cancels what is left, without `ended`. What such a poll has taken comes again
 * when its visibility timeout ends. */
void poller_cancel(struct poller *p);

int poller_active(const struct poller *p);
/* False where a queue has not been polled successfully for a while; names it. */
bool poller_healthy(const struct poller *p, char *reason, size_t reason_size);

/* Pure: how many messages queue `self` may ask for in one poll. taken[i]: messages in work and
 * asked for, of each of `count` queues. Each queue keeps slots (its share, at most 10) that only it
 * may take. 0..10. */
int poller_room(const int *taken, size_t count, size_t self, int slots);

#endif
