#ifndef WORKERS_CONSUMER_ROUTE_H
#define WORKERS_CONSUMER_ROUTE_H

#include <stdint.h>

#include "common/delivery/delivery.h"
#include "common/webhook/rules.h"
#include "common/webhook/webhook.h"
#include "workers/consumer/source.h"

/* What becomes of a message: pure decisions, before and after an attempt. Attempts are the
 * message's receives (ApproximateReceiveCount). */
enum route_action {
    ROUTE_DELIVER,
    ROUTE_INSPECT, /* malformed: raw to the inspection queue */
    ROUTE_DEAD,    /* to the dead-letter queue */
    ROUTE_BACKOFF, /* hidden for delay_s, then again */
};

struct route {
    enum route_action action;
    const char *class;               /* of ROUTE_DEAD (static), else "" */
    char reason[RULES_REASON_BYTES]; /* of ROUTE_DEAD and ROUTE_INSPECT, else "" */
    int delay_s;                     /* of ROUTE_BACKOFF */
};

/* A message as it was received. hook is NULL where webhook_from_message refused it with
 * malformed_reason. now_ms is wall time. */
void route_received(const struct source *source, const struct sqs_message *message,
                    const struct webhook *hook, const char *malformed_reason, int64_t now_ms,
                    struct route *route_out);

/* After an attempt that was not DELIVERED. held_ms: how long the message has been held already (SQS
 * allows 12 h in all). */
void route_failed(const struct source *source, const struct webhook *hook, int attempt,
                  const struct delivery_outcome *outcome, int64_t held_ms, struct route *route_out);

#endif
