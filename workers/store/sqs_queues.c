#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/base/log.h"
#include "workers/store/db.h"
#include "workers/store/sqs_op.h"

#define COLUMNS                                                                                    \
    "id, name, visibility_s, delay_s, wait_s, max_bytes, retention_s, dead_queue, max_receives, "  \
    "created_at, modified_at, purged_at"

static int read_queue(struct db *db, sqlite3_stmt *st, struct sqs_queue *q)
{
    int rc = db_step(db, st);
    if (rc != 1)
        return rc;
    *q = (struct sqs_queue){
        .id = sqlite3_column_int64(st, 0),
        .visibility_s = sqlite3_column_int64(st, 2),
        .delay_s = sqlite3_column_int64(st, 3),
        .wait_s = sqlite3_column_int64(st, 4),
        .max_bytes = sqlite3_column_int64(st, 5),
        .retention_s = sqlite3_column_type(st, 6) == SQLITE_NULL ? -1 : sqlite3_column_int64(st, 6),
        .dead_queue = sqlite3_column_int64(st, 7),
        .max_receives = sqlite3_column_int64(st, 8),
        .created_at = sqlite3_column_int64(st, 9),
        .modified_at = sqlite3_column_int64(st, 10),
        .purged_at = sqlite3_column_int64(st, 11),
    };
    snprintf(q->name, sizeof(q->name), "%s", (const char *)sqlite3_column_text(st, 1));
    sqlite3_reset(st);
    return 1;
}

int sqs_queue_by_name(struct db *db, const char *name, struct sqs_queue *queue_out)
{
    static const char sql[] = "SELECT " COLUMNS " FROM queues WHERE name = ?1";
    return read_queue(db, db_query(db, sql, "s", name), queue_out);
}

int sqs_queue_by_id(struct db *db, int64_t id, struct sqs_queue *queue_out)
{
    static const char sql[] = "SELECT " COLUMNS " FROM queues WHERE id = ?1";
    return read_queue(db, db_query(db, sql, "i", id), queue_out);
}

static int no_queue(struct sqs_refusal *r)
{
    return sqs_refuse(r, SQS_NO_QUEUE, "The specified queue does not exist.");
}

int sqs_queue_of(struct sqs_op *op, struct sqs_queue *queue_out)
{
    const char *url;
    if (sqs_need_text(op->in, "QueueUrl", &url, &op->refusal) < 0)
        return -1;
    const char *slash = strrchr(url, '/');
    int found = sqs_queue_by_name(op->context->db, slash ? slash + 1 : url, queue_out);
    if (found < 0)
        return sqs_db_failed(&op->refusal);
    return found ? 0 : no_queue(&op->refusal);
}

static json_t *url_answer(const char *name)
{
    char url[sizeof(SQS_URL) + 81];
    snprintf(url, sizeof(url), "%s%s", SQS_URL, name);
    return json_pack("{s:s}", "QueueUrl", url);
}

static int check_name(const char *name, struct sqs_refusal *r)
{
    size_t len = strlen(name);
    if (len > 5 && strcmp(name + len - 5, ".fifo") == 0)
        return sqs_refuse(r, SQS_UNSUPPORTED, "The embedded store has no FIFO queues.");
    size_t good = strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_");
    if (len == 0 || len > 80 || good != len)
        return sqs_refuse(r, SQS_INVALID_PARAMETER,
                          "Can only include alphanumeric characters, hyphens, or underscores. 1 to "
                          "80 in length");
    return 0;
}

/* 's' takes NULL for SQL's NULL; numbers need the format to say so. */
static int save_queue(struct db *db, const struct sqs_queue *q, bool is_new)
{
    static const char insert[] =
        "INSERT INTO queues (name, visibility_s, delay_s, wait_s, max_bytes, retention_s, "
        "dead_queue, max_receives, created_at, modified_at) "
        "VALUES (?1, ?2, ?3, ?4, ?5, nullif(?6, -1), nullif(?7, 0), nullif(?8, 0), ?9, ?10)";
    static const char update[] =
        "UPDATE queues SET visibility_s = ?2, delay_s = ?3, wait_s = ?4, max_bytes = ?5, "
        "retention_s = nullif(?6, -1), dead_queue = nullif(?7, 0), max_receives = nullif(?8, 0), "
        "created_at = ?9, modified_at = ?10 WHERE name = ?1";
    return db_run(db, is_new ? insert : update, "siiiiiiiii", q->name, q->visibility_s, q->delay_s,
                  q->wait_s, q->max_bytes, q->retention_s, q->dead_queue, q->max_receives,
                  q->created_at, q->modified_at);
}

json_t *sqs_create_queue_op(struct sqs_op *op)
{
    struct db *db = op->context->db;
    const char *name;
    struct sqs_settings settings;
    if (sqs_need_text(op->in, "QueueName", &name, &op->refusal) < 0 ||
        check_name(name, &op->refusal) < 0 ||
        sqs_settings_parse(db, name, json_object_get(op->in, "Attributes"), &settings,
                           &op->refusal) < 0)
        return NULL;
    struct sqs_queue q;
    int found = sqs_queue_by_name(db, name, &q);
    if (found > 0) {
        const char *different = sqs_settings_difference(&settings, &q);
        if (!different)
            return url_answer(name);
        sqs_refuse(&op->refusal, SQS_QUEUE_EXISTS,
                   "A queue already exists with the same name and a different value for attribute "
                   "%s",
                   different);
        return NULL;
    }
    if (op->context->full) {
        sqs_refuse(&op->refusal, SQS_NO_SPACE, "The store is full.");
        return NULL;
    }
    q = (struct sqs_queue){.visibility_s = 30,
                           .max_bytes = 1048576,
                           .retention_s = -1,
                           .created_at = op->context->now_ms,
                           .modified_at = op->context->now_ms};
    snprintf(q.name, sizeof(q.name), "%s", name);
    sqs_settings_apply(&settings, &q);
    if (found < 0 || save_queue(db, &q, true) < 0) {
        sqs_db_failed(&op->refusal);
        return NULL;
    }
    log_info("queue \"%s\": created", name);
    return url_answer(name);
}

json_t *sqs_get_queue_url_op(struct sqs_op *op)
{
    const char *name;
    struct sqs_queue q;
    if (sqs_need_text(op->in, "QueueName", &name, &op->refusal) < 0)
        return NULL;
    int found = sqs_queue_by_name(op->context->db, name, &q);
    if (found > 0)
        return url_answer(q.name);
    if (found < 0)
        sqs_db_failed(&op->refusal);
    else
        no_queue(&op->refusal);
    return NULL;
}

json_t *sqs_set_attributes_op(struct sqs_op *op)
{
    static const char expire[] = "UPDATE messages SET expires_at = sent_at + ?2 WHERE queue = ?1";
    struct db *db = op->context->db;
    struct sqs_queue q;
    struct sqs_settings settings;
    const json_t *attributes = json_object_get(op->in, "Attributes");
    if (sqs_queue_of(op, &q) < 0)
        return NULL;
    if (!attributes) {
        sqs_refuse(&op->refusal, SQS_MISSING_PARAMETER,
                   "The request must contain the parameter Attributes.");
        return NULL;
    }
    if (sqs_settings_parse(db, q.name, attributes, &settings, &op->refusal) < 0)
        return NULL;
    sqs_settings_apply(&settings, &q);
    q.modified_at = op->context->now_ms;
    if (save_queue(db, &q, false) < 0 ||
        (settings.has_retention && db_run(db, expire, "ii", q.id, q.retention_s * 1000) < 0)) {
        sqs_db_failed(&op->refusal);
        return NULL;
    }
    log_info("queue \"%s\": attributes changed", q.name);
    return json_object();
}

static void set_number(json_t *out, const char *name, int64_t value)
{
    char text[24];
    snprintf(text, sizeof(text), "%" PRId64, value);
    json_object_set_new(out, name, json_string(text));
}

/* Only what is hidden or expired is counted; how many there are in all stands in the queue. What is
 * hidden was received or delayed a short while ago, and what has expired is soon swept away, so
 * neither grows with the backlog. */
static int set_counts(struct db *db, int64_t queue, int64_t now_ms, json_t *out)
{
    static const char sql[] =
        "SELECT q.messages,"
        " count(m.seq) FILTER (WHERE m.received_at IS NOT NULL),"
        " count(m.seq) FILTER (WHERE m.received_at IS NULL),"
        " (SELECT count(*) FROM messages WHERE expires_at <= ?2 AND +queue = ?1)"
        " FROM queues q LEFT JOIN messages m ON m.queue = q.id AND m.visible_at > ?2"
        " AND (m.expires_at IS NULL OR m.expires_at > ?2) WHERE q.id = ?1";
    sqlite3_stmt *st = db_query(db, sql, "ii", queue, now_ms);
    if (db_step(db, st) != 1)
        return -1;
    int64_t taken = sqlite3_column_int64(st, 1);
    int64_t delayed = sqlite3_column_int64(st, 2);
    int64_t visible = sqlite3_column_int64(st, 0) - sqlite3_column_int64(st, 3) - taken - delayed;
    sqlite3_reset(st);
    set_number(out, "ApproximateNumberOfMessages", visible);
    set_number(out, "ApproximateNumberOfMessagesNotVisible", taken);
    set_number(out, "ApproximateNumberOfMessagesDelayed", delayed);
    return 0;
}

static int set_redrive(struct db *db, const struct sqs_queue *q, json_t *out)
{
    struct sqs_queue dead;
    if (q->dead_queue == 0)
        return 0;
    int found = sqs_queue_by_id(db, q->dead_queue, &dead);
    if (found <= 0)
        return found;
    char text[256];
    snprintf(text, sizeof(text),
             "{\"deadLetterTargetArn\":\"" SQS_ARN "%s\",\"maxReceiveCount\":%" PRId64 "}",
             dead.name, q->max_receives);
    json_object_set_new(out, "RedrivePolicy", json_string(text));
    return 0;
}

static json_t *all_attributes(struct db *db, const struct sqs_queue *q, int64_t now_ms)
{
    json_t *all = json_object();
    char arn[sizeof(SQS_ARN) + 81];
    snprintf(arn, sizeof(arn), SQS_ARN "%s", q->name);
    json_object_set_new(all, "QueueArn", json_string(arn));
    set_number(all, "VisibilityTimeout", q->visibility_s);
    set_number(all, "MaximumMessageSize", q->max_bytes);
    set_number(all, "DelaySeconds", q->delay_s);
    set_number(all, "ReceiveMessageWaitTimeSeconds", q->wait_s);
    set_number(all, "CreatedTimestamp", q->created_at / 1000);
    set_number(all, "LastModifiedTimestamp", q->modified_at / 1000);
    if (q->retention_s >= 0)
        set_number(all, "MessageRetentionPeriod", q->retention_s);
    if (set_redrive(db, q, all) < 0 || set_counts(db, q->id, now_ms, all) < 0) {
        json_decref(all);
        return NULL;
    }
    return all;
}

/* Names that AWS knows but this queue has no value for are simply absent. */
static bool known_attribute(const char *name, const json_t *all)
{
    static const char *const others[] = {"All",
                                         "Policy",
                                         "MessageRetentionPeriod",
                                         "RedrivePolicy",
                                         "RedriveAllowPolicy",
                                         "KmsMasterKeyId",
                                         "KmsDataKeyReusePeriodSeconds",
                                         "SqsManagedSseEnabled",
                                         "FifoQueue",
                                         "ContentBasedDeduplication",
                                         "DeduplicationScope",
                                         "FifoThroughputLimit"};
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        if (strcmp(others[i], name) == 0)
            return true;
    return json_object_get(all, name) != NULL;
}

static json_t *chosen(const json_t *names, json_t *all, struct sqs_refusal *r)
{
    json_t *out = json_object();
    size_t i;
    json_t *item;
    json_array_foreach(names, i, item)
    {
        const char *name = json_string_value(item);
        if (!name || !known_attribute(name, all)) {
            sqs_refuse(r, SQS_BAD_ATTRIBUTE_NAME, "Unknown Attribute %.100s.", name ? name : "");
            json_decref(out);
            return NULL;
        }
        if (strcmp(name, "All") == 0)
            json_object_update(out, all);
        else if (json_object_get(all, name))
            json_object_set(out, name, json_object_get(all, name));
    }
    json_t *result = json_object();
    if (json_object_size(out) > 0)
        json_object_set(result, "Attributes", out);
    json_decref(out);
    return result;
}

json_t *sqs_get_attributes_op(struct sqs_op *op)
{
    struct sqs_queue q;
    if (sqs_queue_of(op, &q) < 0)
        return NULL;
    json_t *all = all_attributes(op->context->db, &q, op->context->now_ms);
    if (!all) {
        sqs_db_failed(&op->refusal);
        return NULL;
    }
    json_t *out = chosen(json_object_get(op->in, "AttributeNames"), all, &op->refusal);
    json_decref(all);
    return out;
}

json_t *sqs_list_queues_op(struct sqs_op *op)
{
    static const char sql[] = "SELECT name FROM queues WHERE substr(name, 1, length(?1)) = ?1 "
                              "AND name > ?2 ORDER BY name LIMIT ?3";
    const char *prefix;
    const char *after;
    int64_t max = 0;
    if (sqs_take_text(op->in, "QueueNamePrefix", &prefix, &op->refusal) < 0 ||
        sqs_take_text(op->in, "NextToken", &after, &op->refusal) < 0 ||
        sqs_take_int(op->in, "MaxResults", 1, 1000, &max, &op->refusal) < 0)
        return NULL;
    int64_t limit = max ? max : 1000;
    sqlite3_stmt *st =
        db_query(op->context->db, sql, "ssi", prefix ? prefix : "", after ? after : "", limit + 1);
    json_t *urls = json_array();
    char last[81] = "";
    int rc;
    bool more = false;
    while ((rc = db_step(op->context->db, st)) == 1) {
        if ((int64_t)json_array_size(urls) == limit) {
            more = true;
            sqlite3_reset(st);
            rc = 0;
            break;
        }
        char url[sizeof(SQS_URL) + 81];
        snprintf(last, sizeof(last), "%s", (const char *)sqlite3_column_text(st, 0));
        snprintf(url, sizeof(url), "%s%s", SQS_URL, last);
        json_array_append_new(urls, json_string(url));
    }
    json_t *out = json_object();
    if (json_array_size(urls) > 0)
        json_object_set(out, "QueueUrls", urls);
    json_decref(urls);
    if (more && max)
        json_object_set_new(out, "NextToken", json_string(last));
    if (rc == 0)
        return out;
    json_decref(out);
    sqs_db_failed(&op->refusal);
    return NULL;
}

json_t *sqs_purge_queue_op(struct sqs_op *op)
{
    static const char purge[] = "DELETE FROM messages WHERE queue = ?1";
    static const char mark[] = "UPDATE queues SET purged_at = ?2 WHERE id = ?1";
    struct db *db = op->context->db;
    struct sqs_queue q;
    if (sqs_queue_of(op, &q) < 0)
        return NULL;
    int64_t now = op->context->now_ms;
    if (q.purged_at && now - q.purged_at < 60000 && now >= q.purged_at) {
        sqs_refuse(&op->refusal, SQS_PURGE_IN_PROGRESS,
                   "Only one PurgeQueue operation on %s is allowed every 60 seconds.", q.name);
        return NULL;
    }
    if (db_run(db, purge, "i", q.id) < 0) {
        sqs_db_failed(&op->refusal);
        return NULL;
    }
    log_warn("queue \"%s\": purged, %d messages deleted", q.name, db_changes(db));
    if (db_run(db, mark, "ii", q.id, now) < 0) {
        sqs_db_failed(&op->refusal);
        return NULL;
    }
    return json_object();
}
