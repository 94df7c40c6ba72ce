#ifndef WORKERS_STORE_SQS_OP_H
#define WORKERS_STORE_SQS_OP_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "workers/store/service.h"
#include "workers/store/sqs_service.h"

/* Shared by the files of the SQS service (sqs_*.c) and used by nobody else. */

enum sqs_error {
    SQS_FINE,
    SQS_DATABASE, /* db_state says how */
    SQS_NO_SPACE, /* 503 */
    SQS_NO_QUEUE,
    SQS_QUEUE_EXISTS,
    SQS_PURGE_IN_PROGRESS,
    SQS_BAD_RECEIPT,
    SQS_NOT_IN_FLIGHT,
    SQS_INVALID_PARAMETER,
    SQS_MISSING_PARAMETER,
    SQS_BAD_CONTENTS,
    SQS_BAD_ATTRIBUTE_NAME,
    SQS_BAD_ATTRIBUTE_VALUE,
    SQS_IDS_NOT_DISTINCT,
    SQS_BATCH_TOO_LONG,
    SQS_BATCH_EMPTY,
    SQS_BAD_BATCH_ID,
    SQS_BATCH_TOO_MANY,
    SQS_UNSUPPORTED,
    SQS_UNKNOWN_OPERATION,
    SQS_SERIALIZATION,
};

struct sqs_refusal {
    enum sqs_error error;
    char message[512];
};

struct sqs_op {
    struct sqs_service *service;
    const struct service_context *context; /* borrow, like all here */
    struct service_call *call;
    struct sqs_counts *counts; /* of this turn */
    const json_t *in;
    struct sqs_refusal refusal;
    bool waits; /* set by receive: run again later */
};

/* Operations: the answer's object (new), or NULL with op->refusal or op->waits set. */
typedef json_t *sqs_operation(struct sqs_op *op);
sqs_operation sqs_create_queue_op, sqs_get_queue_url_op, sqs_get_attributes_op,
    sqs_set_attributes_op, sqs_list_queues_op, sqs_purge_queue_op;
sqs_operation sqs_send_op, sqs_send_batch_op;
sqs_operation sqs_receive_op;
sqs_operation sqs_delete_op, sqs_delete_batch_op, sqs_visibility_op, sqs_visibility_batch_op;

/* Records a refusal (printf); returns -1. */
int sqs_refuse(struct sqs_refusal *r, enum sqs_error error, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* The database failed; returns -1. */
int sqs_db_failed(struct sqs_refusal *r);

/* "InvalidParameterValue": the code as entries of a batch and x-amzn-query-error have it. */
const char *sqs_error_code(enum sqs_error error);
void sqs_error_answer(const struct sqs_refusal *r, struct service_answer *answer);

/* Members of a request. 0, or -1 with the refusal set where it is of the wrong type, out of range
 * or, for a required one, missing. */
int sqs_need_text(const json_t *in, const char *name, const char **text_out, struct sqs_refusal *r);
int sqs_take_text(const json_t *in, const char *name, const char **text_out,
                  struct sqs_refusal *r); /* NULL where absent */
int sqs_take_int(const json_t *in, const char *name, int64_t low, int64_t high,
                 int64_t *value_inout, struct sqs_refusal *r); /* unchanged where absent */

/* ---- queues (sqs_queues.c) */
struct sqs_queue {
    int64_t id;
    char name[81];
    int64_t visibility_s;
    int64_t delay_s;
    int64_t wait_s;
    int64_t max_bytes;
    int64_t retention_s; /* -1: for ever */
    int64_t dead_queue;  /* 0: none */
    int64_t max_receives;
    int64_t created_at;
    int64_t modified_at;
    int64_t purged_at; /* 0: never */
};

/* 1 found, 0 not there, -1 the database failed. */
int sqs_queue_by_name(struct db *db, const char *name, struct sqs_queue *queue_out);
int sqs_queue_by_id(struct db *db, int64_t id, struct sqs_queue *queue_out);
/* The queue that QueueUrl names (its last path part; any host). */
int sqs_queue_of(struct sqs_op *op, struct sqs_queue *queue_out);

/* ---- queue attributes (sqs_settings.c) */
struct sqs_settings { /* what may be set; has_* where it was given */
    struct sqs_queue values;
    bool has_visibility, has_delay, has_wait, has_max_bytes, has_retention, has_redrive;
};
int sqs_settings_parse(struct db *db, const char *queue_name, const json_t *attributes,
                       struct sqs_settings *settings_out, struct sqs_refusal *r);
/* The first attribute whose given value differs from the queue's, or NULL. */
const char *sqs_settings_difference(const struct sqs_settings *s, const struct sqs_queue *queue);
/* Lays what was given over queue. */
void sqs_settings_apply(const struct sqs_settings *s, struct sqs_queue *queue);

/* ---- user attributes (sqs_attributes.c) */
/* Checks MessageAttributes (or NULL). *json_out (malloc, NULL where there are none) is what is
 * kept, *bytes_out what it counts towards the message's size, md5_out "" where there are none. */
int sqs_attributes_take(const json_t *attributes, char **json_out, size_t *bytes_out,
                        char md5_out[33], struct sqs_refusal *r);
/* MessageSystemAttributes: AWSTraceHeader. */
int sqs_system_attributes_take(const json_t *attributes, const char **trace_out, char md5_out[33],
                               struct sqs_refusal *r);
/* What is kept, filtered by MessageAttributeNames (new; NULL where nothing is left), and its MD5.
 */
json_t *sqs_attributes_select(const char *kept, const json_t *names, char md5_out[33]);

/* ---- receipt handles (sqs_receipt.c) */
struct sqs_receipt {
    int64_t queue;
    int64_t seq;
    unsigned char token[16];
};
#define SQS_RECEIPT_TEXT_BYTES 96
void sqs_receipt_new_token(unsigned char token_out[16]);
void sqs_receipt_text(const struct sqs_receipt *receipt, char out[SQS_RECEIPT_TEXT_BYTES]);
/* 0, or -1 where text is no handle of ours. */
int sqs_receipt_parse(const char *text, struct sqs_receipt *receipt_out);

/* ---- batches (sqs_batch.c) */
/* Does what one request, or one entry of a batch, asks for. The answer to it (new), or NULL with
 * the refusal set. */
typedef json_t *sqs_one_fn(struct sqs_op *op, const struct sqs_queue *q, const json_t *in,
                           struct sqs_refusal *r);
/* Checks Entries: an array of 1..10 objects with good, distinct Ids. */
int sqs_batch_entries(struct sqs_op *op, const char *entry_type, const json_t **entries_out);
/* Does it for each of them: {"Successful": [...], "Failed": [...]} without those that are empty.
 * NULL with op's refusal set where the database failed. */
json_t *sqs_batch_run(struct sqs_op *op, const struct sqs_queue *q, const json_t *entries,
                      sqs_one_fn *one);

/* ---- receiving (sqs_receive.c) */
int64_t sqs_receive_due_ms(const struct service_context *context, int64_t queue);
int sqs_receive_undo(const struct service_context *context, const struct service_call *call,
                     struct sqs_counts *counts);
/* Deletes what is past its retention, at most 1,000 messages. */
int sqs_receive_sweep(const struct service_context *context, struct sqs_counts *counts);

#endif
