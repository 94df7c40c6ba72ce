#ifndef WORKERS_STORE_SQS_SERVICE_H
#define WORKERS_STORE_SQS_SERVICE_H

#include <stdint.h>

#include "workers/store/service.h"

/* Amazon SQS (AWS JSON 1.0) on the store's database: standard queues, region "local", account
 * 000000000000. Behaviour follows what was recorded from AWS; where the store differs:
 * queues keep messages for ever unless MessageRetentionPeriod was set, there are no FIFO queues and
 * no limit on messages in flight, and numbers of messages are exact. */
#define SQS_REGION "local"
#define SQS_ACCOUNT "000000000000"
#define SQS_URL "http://store.local/" SQS_ACCOUNT "/"
#define SQS_ARN "arn:aws:sqs:" SQS_REGION ":" SQS_ACCOUNT ":"

struct sqs_service;
struct db;

struct sqs_counts { /* since start, durable turns only */
    int64_t sends;  /* SendMessage and SendMessageBatch calls */
    int64_t messages_sent;
    int64_t receives; /* ReceiveMessage calls that were answered */
    int64_t messages_received;
    int64_t deletes;            /* messages deleted */
    int64_t visibility_changes; /* messages whose visibility was changed */
    int64_t redriven;           /* moved to a dead-letter queue by a redrive policy */
    int64_t returned;           /* taken back because the receiver was gone */
    int64_t expired;            /* deleted at the end of MessageRetentionPeriod */
};

struct sqs_service *sqs_service_new(void);
void sqs_service_free(struct sqs_service *s);

/* The table for the turn; lives as long as s. */
const struct service *sqs_service_table(struct sqs_service *s);
struct sqs_counts sqs_service_counts(const struct sqs_service *s);

#endif
