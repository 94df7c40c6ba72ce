#ifndef WORKERS_CONSUMER_PROCESS_H
#define WORKERS_CONSUMER_PROCESS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "workers/consumer/counters.h"
#include "workers/consumer/inflight.h"
#include "workers/consumer/queues.h"
#include "workers/consumer/source.h"

/* What becomes of a received message: claimed in the ledger, then what the record's state says
 * (claimed.c is the table of that), then what the destination says (outcome.c), each step written
 * down before the next. The steps are in claims.c, settle.c and route.c. Owns the heartbeats of
 * lease and claim. */
struct process;
struct held;
struct objects;
struct event_base;

struct process_callbacks {
    void (*gone)(void *arg); /* a message is about to leave: a slot will be free */
    void (*trouble)(void *arg, const char *text);
};

/* All are borrowed and outlive it. objects: NULL where no source writes to S3. */
struct process *process_new(struct event_base *base, struct queues *queues,
                            const struct sources *sources, struct inflight *inflight,
                            struct objects *objects, struct held *held, struct counters *counters,
                            const struct process_callbacks *callbacks, void *arg);
void process_free(struct process *p); /* before the sources, the objects and the queues */

/* Messages have been received, at most SQS_BATCH_MAX: all of them are noted before the first is
 * looked at. */
void process_messages(struct process *p, struct queue *q, const struct sqs_message *messages,
                      size_t count, int visibility_s, int64_t first_byte_mono_ms);

/* From now on nothing new is begun: messages whose delivery has not begun go back, their attempt
 * uncounted; with begun_too (the drain's deadline) all do. */
void process_release(struct process *p, bool begun_too);

/* Something is held back (held.h): messages that wait for a place at its destination go back. */
void process_hold(struct process *p);

/* Appends what is in the way to an array of texts. */
void process_waiting(const struct process *p, json_t *list);

#endif
