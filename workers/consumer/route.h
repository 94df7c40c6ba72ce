#ifndef WORKERS_CONSUMER_ROUTE_H
#define WORKERS_CONSUMER_ROUTE_H

#include <stdint.h>

#include "common/delivery/delivery.h"
#include "common/delivery/ledger_record.h"
#include "common/webhook/rules.h"
#include "common/webhook/webhook.h"
#include "workers/consumer/source.h"

/* What becomes of a message: pure decisions, before and after an attempt. */
enum route_action {
    ROUTE_DELIVER,
    ROUTE_INSPECT, /* malformed: raw to the inspection queue */
    ROUTE_DEAD,    /* a dead letter */
    ROUTE_BACKOFF, /* again after delay_s */
};

struct route {
    enum route_action action;
    const char *class;               /* of ROUTE_DEAD (static), else "" */
    char reason[RULES_REASON_BYTES]; /* of ROUTE_DEAD and ROUTE_INSPECT, else "" */
    int delay_s;                     /* of ROUTE_BACKOFF */
};

/* How far ahead of the record a message's RetryCount can be and still be one of ours. */
#define ROUTE_RETRY_COUNT_LEAP 1000
/* With attempts counted in the ledger, this many receives beyond their limit end a message. Not on
 * a FIFO queue, where it is received whenever one ahead of it is. */
#define ROUTE_STUCK_RECEIVES 100

/* Whether there is an event in the message; otherwise *route_out is ROUTE_INSPECT with the reason.
 * hook is NULL where webhook_from_message refused it with malformed_reason. */
bool route_readable(const struct source *source, const struct sqs_message *message,
                    const struct webhook *hook, const char *malformed_reason,
                    struct route *route_out);

/* ROUTE_DELIVER or ROUTE_DEAD, before an attempt. record: of the ledger, where the attempts are
 * counted (and not over); NULL: they are the message's receives. receives: those of the message
 * that count. The age counts from the receipt, in a new round from the end of the last one. now_ms
 * is wall time. */
void route_received(const struct source *source, const struct sqs_message *message,
                    const struct webhook *hook, const struct ledger_record *record, int receives,
                    int64_t now_ms, struct route *route_out);

/* The dead letter of a message that has killed so many workers. */
void route_poison(int kills, struct route *route_out);

/* After an attempt that was not DELIVERED. The delay is the backoff's, but not shorter than the
 * destination asked for. */
void route_failed(const struct source *source, const struct webhook *hook, int attempt,
                  const struct delivery_outcome *outcome, struct route *route_out);

/* How long a message waits while the ledger cannot be reached: as after as many failures, but up to
 * ROUTE_OUTAGE_CAP_S, so that an outage of hours does not look like a stuck message (on a FIFO
 * queue none does, and its group waits with it). */
#define ROUTE_OUTAGE_CAP_S 300
int route_outage_delay_s(const struct source *source, const struct sqs_message *message,
                         const struct webhook *hook);

/* The number of a requeued copy: its attribute RetryCount (type Number), 0 where it has none or one
 * that is no whole number from 0 to 2^31 - 1. */
int route_retry_count(const struct sqs_message *message);

/* Whether SQS itself may move the message to a dead-letter queue, bare of any reason, once it has
 * gone back to its queue: its native redrive policy leaves one receive at most, which is kept for a
 * crash. Such a message goes back only as a copy, whose receives count from 1. */
bool route_is_near_redrive(const struct queue_attributes *queue, const struct sqs_message *message);

/* Whether a message belongs to the round of the event that ended as a dead letter: it is the one
 * that died, or was sent no later. False where no round has ended. */
bool route_of_finished_round(const struct sqs_message *message, const struct ledger_record *record);

#endif
