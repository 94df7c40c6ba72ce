#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/base/log.h"
#include "workers/store/db.h"
#include "workers/store/sqs_op.h"

/* A redrive moves at most so many messages in one receive, so that a turn stays short. */
#define MOVES_MAX 200
#define LOOK_AHEAD 20
#define SWEEP_MAX 1000
/* Bodies of one answer together; a message that would go beyond it waits for the next receive. */
#define ANSWER_BYTES_MAX (4 * 1024 * 1024)

struct request {
    struct sqs_queue queue;
    int64_t max;
    int64_t wait_s;
    int64_t visibility_s;
    json_t *system_names; /* own: both name lists together */
    const json_t *names;
};

static const char *const system_attributes[] = {
    "All",
    "SenderId",
    "SentTimestamp",
    "ApproximateReceiveCount",
    "ApproximateFirstReceiveTimestamp",
    "SequenceNumber",
    "MessageDeduplicationId",
    "MessageGroupId",
    "AWSTraceHeader",
    "DeadLetterQueueSourceArn",
};

static int merge_names(json_t *into, const json_t *names, struct sqs_refusal *r)
{
    size_t i;
    json_t *item;
    json_array_foreach(names, i, item)
    {
        const char *name = json_string_value(item);
        size_t k = 0;
        size_t count = sizeof(system_attributes) / sizeof(system_attributes[0]);
        while (k < count && name && strcmp(system_attributes[k], name) != 0)
            k++;
        if (!name || k == count)
            return sqs_refuse(r, SQS_BAD_ATTRIBUTE_NAME, "Unknown Attribute %.100s.",
                              name ? name : "");
        json_object_set_new(into, name, json_true());
    }
    return 0;
}

static int take_request(struct sqs_op *op, struct request *q)
{
    struct sqs_refusal *r = &op->refusal;
    *q = (struct request){.max = 1, .system_names = json_object()};
    if (sqs_queue_of(op, &q->queue) < 0)
        return -1;
    q->wait_s = q->queue.wait_s;
    q->visibility_s = q->queue.visibility_s;
    q->names = json_object_get(op->in, "MessageAttributeNames");
    if (sqs_take_int(op->in, "MaxNumberOfMessages", 1, SERVICE_CLAIMS_MAX, &q->max, r) < 0 ||
        sqs_take_int(op->in, "WaitTimeSeconds", 0, 20, &q->wait_s, r) < 0 ||
        sqs_take_int(op->in, "VisibilityTimeout", 0, 43200, &q->visibility_s, r) < 0 ||
        merge_names(q->system_names, json_object_get(op->in, "AttributeNames"), r) < 0)
        return -1;
    return merge_names(q->system_names, json_object_get(op->in, "MessageSystemAttributeNames"), r);
}

/* ---- the redrive policy */

static int move_one(struct sqs_op *op, const struct sqs_queue *from, const struct sqs_queue *dead,
                    int64_t seq)
{
    static const char sql[] =
        "UPDATE messages SET queue = ?2, visible_at = ?3, received_at = NULL, receipt = NULL, "
        "queue_receives = 0, dead_source = ?4, "
        "expires_at = CASE WHEN ?5 < 0 THEN NULL ELSE sent_at + ?5 * 1000 END WHERE seq = ?1";
    char arn[sizeof(SQS_ARN) + 81];
    snprintf(arn, sizeof(arn), SQS_ARN "%s", from->name);
    if (db_run(op->context->db, sql, "iiisi", seq, dead->id, op->context->now_ms, arn,
               dead->retention_s) < 0)
        return sqs_db_failed(&op->refusal);
    op->counts->redriven++;
    return 0;
}

/* Those of the next messages in line that have been received as often as the policy allows. */
static int exhausted(struct sqs_op *op, const struct sqs_queue *q, int64_t seqs[LOOK_AHEAD])
{
    static const char find[] =
        "SELECT seq FROM (SELECT seq, queue_receives FROM messages WHERE queue = ?1 AND "
        "visible_at <= ?2 ORDER BY visible_at LIMIT ?4) WHERE queue_receives >= ?3";
    struct db *db = op->context->db;
    sqlite3_stmt *st = db_query(db, find, "iiii", q->id, op->context->now_ms, q->max_receives,
                                (int64_t)LOOK_AHEAD);
    int count = 0;
    int rc;
    while ((rc = db_step(db, st)) == 1) {
        assert(count < LOOK_AHEAD);
        seqs[count++] = sqlite3_column_int64(st, 0);
    }
    return rc < 0 ? sqs_db_failed(&op->refusal) : count;
}

/* Moves them out of the way of the others. */
static int redrive(struct sqs_op *op, const struct sqs_queue *q)
{
    if (q->dead_queue == 0)
        return 0;
    struct sqs_queue dead;
    int64_t seqs[LOOK_AHEAD];
    int moved = 0;
    int count;
    while ((count = exhausted(op, q, seqs)) > 0 && moved < MOVES_MAX) {
        if (sqs_queue_by_id(op->context->db, q->dead_queue, &dead) != 1)
            return sqs_db_failed(&op->refusal);
        for (int i = 0; i < count; i++)
            if (move_one(op, q, &dead, seqs[i]) < 0)
                return -1;
        moved += count;
    }
    if (moved > 0)
        log_info("queue \"%s\": %d messages moved to dead-letter queue \"%s\": each was received "
                 "%" PRId64 " times",
                 q->name, moved, dead.name, q->max_receives);
    return count < 0 ? -1 : 0;
}

/* ---- messages */

static bool asked(const struct request *q, const char *name)
{
    return json_object_get(q->system_names, name) || json_object_get(q->system_names, "All");
}

static void set_text(json_t *out, const struct request *q, const char *name, const char *text)
{
    if (text && asked(q, name))
        json_object_set_new(out, name, json_string(text));
}

static void set_number(json_t *out, const struct request *q, const char *name, int64_t value)
{
    char text[24];
    snprintf(text, sizeof(text), "%" PRId64, value);
    set_text(out, q, name, text);
}

enum { SEQ, ID, BODY, MD5, ATTRIBUTES, SENT, COUNT, FIRST, SENDER, DEAD_SOURCE, GROUP, TRACE };

static const char *text_at(sqlite3_stmt *st, int column)
{
    return (const char *)sqlite3_column_text(st, column);
}

static json_t *system_of(const struct request *q, sqlite3_stmt *st, int64_t now_ms)
{
    json_t *out = json_object();
    bool first = sqlite3_column_type(st, FIRST) == SQLITE_NULL;
    set_text(out, q, "SenderId", text_at(st, SENDER));
    set_number(out, q, "SentTimestamp", sqlite3_column_int64(st, SENT));
    set_number(out, q, "ApproximateReceiveCount", sqlite3_column_int64(st, COUNT) + 1);
    set_number(out, q, "ApproximateFirstReceiveTimestamp",
               first ? now_ms : sqlite3_column_int64(st, FIRST));
    set_text(out, q, "DeadLetterQueueSourceArn", text_at(st, DEAD_SOURCE));
    set_text(out, q, "MessageGroupId", text_at(st, GROUP));
    set_text(out, q, "AWSTraceHeader", text_at(st, TRACE));
    return out;
}

static json_t *message_of(const struct request *q, sqlite3_stmt *st, const char *handle,
                          int64_t now_ms)
{
    json_t *m = json_object();
    char md5[33];
    json_object_set_new(m, "MessageId", json_string(text_at(st, ID)));
    json_object_set_new(m, "ReceiptHandle", json_string(handle));
    json_object_set_new(m, "MD5OfBody", json_string(text_at(st, MD5)));
    json_object_set_new(m, "Body", json_string(text_at(st, BODY)));
    json_t *system = system_of(q, st, now_ms);
    if (json_object_size(system) > 0)
        json_object_set(m, "Attributes", system);
    json_decref(system);
    json_t *user = sqs_attributes_select(text_at(st, ATTRIBUTES), q->names, md5);
    if (user) {
        json_object_set_new(m, "MD5OfMessageAttributes", json_string(md5));
        json_object_set_new(m, "MessageAttributes", user);
    }
    return m;
}

/* Reads what is visible into messages and notes the claims; changes nothing yet. */
static int collect(struct sqs_op *op, const struct request *q, json_t *messages)
{
    static const char sql[] =
        "SELECT m.seq, id, body, body_md5, attributes, sent_at, receive_count, "
        "first_received_at, sender, dead_source, group_id, trace_header FROM messages m JOIN "
        "contents c ON c.seq = m.seq WHERE queue = ?1 AND visible_at <= ?2 AND (expires_at IS NULL "
        "OR expires_at > ?2) ORDER BY visible_at LIMIT ?3";
    int64_t now = op->context->now_ms;
    struct service_call *call = op->call;
    size_t bytes = 0;
    sqlite3_stmt *st = db_query(op->context->db, sql, "iii", q->queue.id, now, q->max);
    int rc;
    call->claim_count = 0;
    while ((rc = db_step(op->context->db, st)) == 1) {
        bytes += (size_t)sqlite3_column_bytes(st, BODY);
        if (call->claim_count > 0 && bytes > ANSWER_BYTES_MAX) {
            sqlite3_reset(st);
            return 0;
        }
        assert(call->claim_count < SERVICE_CLAIMS_MAX);
        struct service_claim *claim = &call->claims[call->claim_count++];
        struct sqs_receipt receipt = {.queue = q->queue.id, .seq = sqlite3_column_int64(st, SEQ)};
        char handle[SQS_RECEIPT_TEXT_BYTES];
        sqs_receipt_new_token(receipt.token);
        sqs_receipt_text(&receipt, handle);
        claim->seq = receipt.seq;
        memcpy(claim->token, receipt.token, sizeof(claim->token));
        json_array_append_new(messages, message_of(q, st, handle, now));
    }
    return rc;
}

static int claim_all(struct sqs_op *op, const struct request *q)
{
    static const char sql[] =
        "UPDATE messages SET visible_at = ?2, received_at = ?3, receipt = ?4, receive_count = "
        "receive_count + 1, queue_receives = queue_receives + 1, first_received_at = "
        "coalesce(first_received_at, ?3) WHERE seq = ?1";
    int64_t now = op->context->now_ms;
    for (size_t i = 0; i < op->call->claim_count; i++) {
        const struct service_claim *claim = &op->call->claims[i];
        if (db_run(op->context->db, sql, "iiib", claim->seq, now + q->visibility_s * 1000, now,
                   claim->token, sizeof(claim->token)) < 0)
            return -1;
    }
    return 0;
}

static bool must_answer(struct sqs_op *op, const struct request *q)
{
    struct service_call *call = op->call;
    if (q->wait_s == 0 || op->context->draining)
        return true;
    if (call->deadline_ms == 0)
        call->deadline_ms = op->context->now_ms + q->wait_s * 1000;
    call->wait_key = q->queue.id;
    return op->context->now_ms >= call->deadline_ms;
}

static json_t *receive(struct sqs_op *op, const struct request *q)
{
    json_t *messages = json_array();
    json_t *out = NULL;
    if (redrive(op, &q->queue) < 0 || collect(op, q, messages) < 0 || claim_all(op, q) < 0) {
        sqs_db_failed(&op->refusal);
    } else if (json_array_size(messages) > 0) {
        out = json_pack("{s:O}", "Messages", messages);
    } else if (must_answer(op, q)) {
        out = json_object();
    } else {
        op->waits = true;
    }
    if (out) {
        op->counts->receives++;
        op->counts->messages_received += (int64_t)json_array_size(messages);
    }
    json_decref(messages);
    return out;
}

json_t *sqs_receive_op(struct sqs_op *op)
{
    struct request q;
    json_t *out = NULL;
    if (take_request(op, &q) == 0)
        out = receive(op, &q);
    json_decref(q.system_names);
    return out;
}

int64_t sqs_receive_due_ms(const struct service_context *context, int64_t queue)
{
    static const char sql[] =
        "SELECT visible_at FROM messages WHERE queue = ?1 AND (expires_at IS NULL OR expires_at > "
        "?2) ORDER BY visible_at LIMIT 1";
    sqlite3_stmt *st = db_query(context->db, sql, "ii", queue, context->now_ms);
    int64_t due = INT64_MAX;
    if (db_step(context->db, st) == 1) {
        due = sqlite3_column_int64(st, 0);
        sqlite3_reset(st);
    }
    return due;
}

int sqs_receive_undo(const struct service_context *context, const struct service_call *call,
                     struct sqs_counts *counts)
{
    /* The token says that nobody has received it since. */
    static const char sql[] =
        "UPDATE messages SET visible_at = ?3, receive_count = receive_count - 1, queue_receives = "
        "queue_receives - 1, receipt = NULL, received_at = NULL, first_received_at = CASE WHEN "
        "receive_count = 1 THEN NULL ELSE first_received_at END WHERE seq = ?1 AND receipt = ?2";
    for (size_t i = 0; i < call->claim_count; i++) {
        const struct service_claim *claim = &call->claims[i];
        if (db_run(context->db, sql, "ibi", claim->seq, claim->token, sizeof(claim->token),
                   context->now_ms) < 0)
            return -1;
        counts->returned += db_changes(context->db);
    }
    return 0;
}

int sqs_receive_sweep(const struct service_context *context, struct sqs_counts *counts)
{
    static const char sql[] = "DELETE FROM messages WHERE seq IN (SELECT seq FROM messages WHERE "
                              "expires_at <= ?1 LIMIT ?2)";
    if (db_run(context->db, sql, "ii", context->now_ms, (int64_t)SWEEP_MAX) < 0)
        return -1;
    int count = db_changes(context->db);
    if (count > 0)
        log_info(
            "%d messages were older than their queue's MessageRetentionPeriod and were deleted",
            count);
    counts->expired += count;
    return 0;
}
