#ifndef WORKERS_CONSUMER_THROTTLING_H
#define WORKERS_CONSUMER_THROTTLING_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "workers/consumer/poller.h"

/* What the consumers tell each other of queues that are throttled at AWS. The first throttled polls
 * of one worker slow all down: they pause as long as it does, with fewer polls afterwards. Its
 * third in a row shuts the queue's gate: nobody polls it for THROTTLING_OPEN_MS, then one worker
 * one message at a time until that works, even without a message. Only polls are held back: what
 * was received is delivered, deleted and sent back as ever. */
struct gatekeeper;

#define THROTTLING_OPEN_MS 10000

/* How to poll where the queue's sources allow `mode`. */
enum poller_mode throttling_mode(const struct gatekeeper *gates, const struct queue *queue,
                                 enum poller_mode mode, int64_t now_ms);

/* How a poll went. */
void throttling_answered(struct gatekeeper *gates, const struct queue *queue,
                         const struct poller_result *result, int64_t now_ms);

/* A `gate` of another worker that asks for a pause: of which queue (borrowed of msg), and how long.
 * NULL where it does not. */
const char *throttling_pause(const json_t *msg, int64_t *pause_ms_out);

#endif
