#ifndef WORKERS_STORE_DYNAMODB_OP_H
#define WORKERS_STORE_DYNAMODB_OP_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "workers/store/dynamodb_service.h"
#include "workers/store/service.h"

/* Shared by the files of the DynamoDB service (dynamodb_*.c) and used by nobody else. */

enum dynamodb_error {
    DYNAMODB_FINE,
    DYNAMODB_DATABASE, /* db_state says how */
    DYNAMODB_NO_SPACE, /* 503 */
    DYNAMODB_NO_TABLE,
    DYNAMODB_TABLE_EXISTS,
    DYNAMODB_INVALID,
    DYNAMODB_CONDITION_FAILED,
    DYNAMODB_UNKNOWN_OPERATION,
};

struct dynamodb_refusal {
    enum dynamodb_error error;
    json_t *item; /* own: shown with a failed condition, or NULL */
    char message[512];
};

struct dynamodb_table {
    int64_t id;
    char name[256];
    char hash_key[256];
    char ttl_attribute[256]; /* "": items do not expire */
    int64_t created_at;
};

struct dynamodb_op {
    const struct service_context *context; /* borrow, like all here */
    struct dynamodb_counts *counts;        /* of this turn */
    json_t *in;
    struct dynamodb_table table; /* found before the operation runs, but for CreateTable */
    struct dynamodb_refusal refusal;
};

/* Operations: the answer's object (new), or NULL with op->refusal. */
typedef json_t *dynamodb_operation(struct dynamodb_op *op);
dynamodb_operation dynamodb_create_table_op, dynamodb_describe_table_op,
    dynamodb_update_time_to_live_op, dynamodb_describe_time_to_live_op;
dynamodb_operation dynamodb_get_item_op, dynamodb_put_item_op, dynamodb_update_item_op,
    dynamodb_delete_item_op;

/* Records a refusal (printf); returns NULL. */
json_t *dynamodb_refuse(struct dynamodb_op *op, enum dynamodb_error error, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* A member that is a string; fallback where it is absent, NULL with the refusal where it is
 * something else. */
const char *dynamodb_take_text(struct dynamodb_op *op, const json_t *in, const char *name,
                               const char *fallback);

/* ---- tables (dynamodb_tables.c) */
/* op->table by TableName. 0, or -1 with the refusal. */
int dynamodb_table_of(struct dynamodb_op *op);

/* ---- expiry (dynamodb_ttl.c) */
/* The item's time to live in epoch seconds, or 0 where it has none. */
int64_t dynamodb_expires_at(const struct dynamodb_table *table, const json_t *item);
/* Deletes expired items, at most a batch. 1 more are there, 0 done, -1 the database failed. */
int dynamodb_expire(const struct service_context *context, struct dynamodb_counts *counts);

#endif
