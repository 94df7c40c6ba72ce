#include <inttypes.h>
#include <string.h>

#include "workers/store/db.h"
#include "workers/store/sqs_op.h"

/* DeleteMessage and ChangeMessageVisibility, alone and in batches. Both go by the receipt handle:
 * the newest one of a message is good until the next receive, also after the timeout. */

#define TOTAL_MS_MAX 43200000

/* The handle of one request or entry. */
static int take_receipt(const json_t *in, const struct sqs_queue *q, struct sqs_receipt *receipt,
                        struct sqs_refusal *r)
{
    const char *text;
    if (sqs_need_text(in, "ReceiptHandle", &text, r) < 0)
        return -1;
    if (sqs_receipt_parse(text, receipt) < 0 || receipt->queue != q->id)
        return sqs_refuse(r, SQS_BAD_RECEIPT,
                          "The input receipt handle \"%.100s\" is not a valid "
                          "receipt handle.",
                          text);
    return 0;
}

static json_t *delete_one(struct sqs_op *op, const struct sqs_queue *q, const json_t *in,
                          struct sqs_refusal *r)
{
    static const char sql[] = "DELETE FROM messages WHERE seq = ?1 AND queue = ?2 AND receipt = ?3";
    struct sqs_receipt receipt;
    if (take_receipt(in, q, &receipt, r) < 0)
        return NULL;
    if (db_run(op->context->db, sql, "iib", receipt.seq, q->id, receipt.token,
               sizeof(receipt.token)) < 0) {
        sqs_db_failed(r);
        return NULL;
    }
    op->counts->deletes += db_changes(op->context->db);
    return json_object();
}

static int change(struct sqs_op *op, const struct sqs_queue *q, const json_t *in,
                  struct sqs_refusal *r)
{
    static const char find[] =
        "SELECT received_at FROM messages WHERE seq = ?1 AND queue = ?2 AND receipt = ?3";
    static const char hide[] = "UPDATE messages SET visible_at = ?2 WHERE seq = ?1";
    struct db *db = op->context->db;
    struct sqs_receipt receipt;
    int64_t seconds = -1;
    if (take_receipt(in, q, &receipt, r) < 0 ||
        sqs_take_int(in, "VisibilityTimeout", 0, 43200, &seconds, r) < 0)
        return -1;
    if (seconds < 0)
        return sqs_refuse(r, SQS_MISSING_PARAMETER,
                          "The request must contain the parameter VisibilityTimeout.");
    sqlite3_stmt *st =
        db_query(db, find, "iib", receipt.seq, q->id, receipt.token, sizeof(receipt.token));
    int found = db_step(db, st);
    if (found < 0)
        return sqs_db_failed(r);
    if (found == 0)
        return sqs_refuse(r, SQS_INVALID_PARAMETER,
                          "Value %.100s for parameter ReceiptHandle is invalid. Reason: Message "
                          "does not exist or is not available for visibility timeout change.",
                          json_string_value(json_object_get(in, "ReceiptHandle")));
    int64_t received_at = sqlite3_column_int64(st, 0);
    sqlite3_reset(st);
    int64_t visible_at = op->context->now_ms + seconds * 1000;
    if (visible_at - received_at > TOTAL_MS_MAX && seconds > 0)
        return sqs_refuse(r, SQS_INVALID_PARAMETER,
                          "Value %" PRId64 " for parameter VisibilityTimeout is invalid. Reason: "
                          "Total VisibilityTimeout for the message is beyond the limit [43200 "
                          "seconds].",
                          seconds);
    if (db_run(db, hide, "ii", receipt.seq, visible_at) < 0)
        return sqs_db_failed(r);
    op->counts->visibility_changes++;
    return 0;
}

static json_t *change_one(struct sqs_op *op, const struct sqs_queue *q, const json_t *in,
                          struct sqs_refusal *r)
{
    return change(op, q, in, r) < 0 ? NULL : json_object();
}

static json_t *settle(struct sqs_op *op, sqs_one_fn *one)
{
    struct sqs_queue q;
    return sqs_queue_of(op, &q) < 0 ? NULL : one(op, &q, op->in, &op->refusal);
}

static json_t *settle_batch(struct sqs_op *op, const char *entry_type, sqs_one_fn *one)
{
    struct sqs_queue q;
    const json_t *entries;
    if (sqs_queue_of(op, &q) < 0 || sqs_batch_entries(op, entry_type, &entries) < 0)
        return NULL;
    return sqs_batch_run(op, &q, entries, one);
}

json_t *sqs_delete_op(struct sqs_op *op)
{
    return settle(op, delete_one);
}

json_t *sqs_delete_batch_op(struct sqs_op *op)
{
    return settle_batch(op, "DeleteMessageBatchRequestEntry", delete_one);
}

json_t *sqs_visibility_op(struct sqs_op *op)
{
    return settle(op, change_one);
}

json_t *sqs_visibility_batch_op(struct sqs_op *op)
{
    return settle_batch(op, "ChangeMessageVisibilityBatchRequestEntry", change_one);
}
