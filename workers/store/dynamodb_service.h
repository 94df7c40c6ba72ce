#ifndef WORKERS_STORE_DYNAMODB_SERVICE_H
#define WORKERS_STORE_DYNAMODB_SERVICE_H

#include <stdint.h>

#include "workers/store/service.h"

/* Amazon DynamoDB (AWS JSON 1.0) on the store's database: tables with a hash key of type S, items
 * one by one (no queries, scans, batches, transactions), conditions, update expressions and time to
 * live. Expressions name top-level attributes. Items past their time to live stay visible until
 * the sweep deletes them, as on AWS, only sooner. */
struct dynamodb_service;

struct dynamodb_counts { /* since start, durable turns only */
    int64_t item_reads;
    int64_t item_writes; /* puts, updates and deletes that happened */
    int64_t items_expired;
    int64_t conditions_failed;
};

struct dynamodb_service *dynamodb_service_new(void);
void dynamodb_service_free(struct dynamodb_service *s);

const struct service *dynamodb_service_table(struct dynamodb_service *s);
struct dynamodb_counts dynamodb_service_counts(const struct dynamodb_service *s);

#endif
