#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "common/aws/sqs.h"
#include "workers/store/db.h"
#include "workers/store/sqs_op.h"

struct outgoing {
    const char *body; /* borrow: the request */
    const char *trace_header;
    const char *group;
    char *attributes; /* own, or NULL */
    size_t bytes;
    int64_t delay_s;
    char id[37];
    char body_md5[33];
    char attributes_md5[33];
    char system_md5[33];
};

/* A random UUID (version 4). */
static void new_id(char out[37])
{
    unsigned char b[16];
    sqs_receipt_new_token(b);
    b[6] = (unsigned char)((b[6] & 0x0f) | 0x40);
    b[8] = (unsigned char)((b[8] & 0x3f) | 0x80);
    snprintf(out, 37, "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0],
             b[1], b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13],
             b[14], b[15]);
}

static int take_group(const json_t *in, const char **group_out, struct sqs_refusal *r)
{
    const char *dedup;
    if (sqs_take_text(in, "MessageGroupId", group_out, r) < 0 ||
        sqs_take_text(in, "MessageDeduplicationId", &dedup, r) < 0)
        return -1;
    if (dedup)
        return sqs_refuse(r, SQS_INVALID_PARAMETER,
                          "Value %.130s for parameter MessageDeduplicationId is invalid. Reason: "
                          "The request include parameter that is not valid for this queue type.",
                          dedup);
    if (!*group_out)
        return 0;
    size_t len = strlen(*group_out);
    for (size_t i = 0; i < len; i++)
        if ((*group_out)[i] < 0x21 || (*group_out)[i] > 0x7e)
            len = 0;
    if (len < 1 || len > 128)
        return sqs_refuse(r, SQS_INVALID_PARAMETER,
                          "Value for parameter MessageGroupId is invalid. Reason: MessageGroupId "
                          "can only include alphanumeric and punctuation characters. 1 to 128 in "
                          "length.");
    return 0;
}

/* Reads and checks one message of a request. The caller frees o->attributes in any case. */
static int take(const json_t *in, const struct sqs_queue *q, struct outgoing *o,
                struct sqs_refusal *r)
{
    *o = (struct outgoing){.delay_s = q->delay_s};
    size_t attribute_bytes = 0;
    if (sqs_need_text(in, "MessageBody", &o->body, r) < 0 ||
        sqs_take_int(in, "DelaySeconds", 0, 900, &o->delay_s, r) < 0 ||
        take_group(in, &o->group, r) < 0 ||
        sqs_attributes_take(json_object_get(in, "MessageAttributes"), &o->attributes,
                            &attribute_bytes, o->attributes_md5, r) < 0 ||
        sqs_system_attributes_take(json_object_get(in, "MessageSystemAttributes"), &o->trace_header,
                                   o->system_md5, r) < 0)
        return -1;
    size_t len = strlen(o->body);
    o->bytes = len + attribute_bytes;
    if (o->bytes > (size_t)q->max_bytes)
        return sqs_refuse(r, SQS_INVALID_PARAMETER,
                          "One or more parameters are invalid. Reason: Message must be shorter "
                          "than %" PRId64 " bytes.",
                          q->max_bytes);
    if (!sqs_body_allowed(o->body, len))
        return sqs_refuse(r, SQS_BAD_CONTENTS,
                          "Invalid characters were found in the message body. Valid characters "
                          "are: #x9 | #xA | #xD | #x20 to #xD7FF | #xE000 to #xFFFD | #x10000 to "
                          "#x10FFFF");
    sqs_md5_hex(o->body, len, o->body_md5);
    new_id(o->id);
    return 0;
}

static int insert(struct sqs_op *op, const struct sqs_queue *q, const struct outgoing *o,
                  struct sqs_refusal *r)
{
    static const char message[] =
        "INSERT INTO messages (queue, visible_at, sent_at, expires_at, id, sender, group_id, "
        "trace_header, body_md5) VALUES (?1, ?2, ?3, nullif(?4, 0), ?5, ?6, ?7, ?8, ?9)";
    static const char contents[] =
        "INSERT INTO contents (seq, attributes, body) VALUES (last_insert_rowid(), ?1, ?2)";
    struct db *db = op->context->db;
    int64_t now = op->context->now_ms;
    int64_t expires = q->retention_s < 0 ? 0 : now + q->retention_s * 1000;
    if (db_run(db, message, "iiiisssss", q->id, now + o->delay_s * 1000, now, expires, o->id,
               op->call->caller, o->group, o->trace_header, o->body_md5) < 0 ||
        db_run(db, contents, "ss", o->attributes, o->body) < 0)
        return sqs_db_failed(r);
    op->counts->messages_sent++;
    return 0;
}

static json_t *sent(const struct outgoing *o)
{
    json_t *out = json_object();
    json_object_set_new(out, "MessageId", json_string(o->id));
    json_object_set_new(out, "MD5OfMessageBody", json_string(o->body_md5));
    if (o->attributes_md5[0])
        json_object_set_new(out, "MD5OfMessageAttributes", json_string(o->attributes_md5));
    if (o->system_md5[0])
        json_object_set_new(out, "MD5OfMessageSystemAttributes", json_string(o->system_md5));
    return out;
}

static json_t *send_one(struct sqs_op *op, const struct sqs_queue *q, const json_t *in,
                        struct sqs_refusal *r)
{
    struct outgoing o;
    json_t *out = NULL;
    if (take(in, q, &o, r) == 0 && insert(op, q, &o, r) == 0)
        out = sent(&o);
    free(o.attributes);
    return out;
}

static int take_queue(struct sqs_op *op, struct sqs_queue *q)
{
    if (sqs_queue_of(op, q) < 0)
        return -1;
    if (op->context->full)
        return sqs_refuse(&op->refusal, SQS_NO_SPACE,
                          "The store is full and takes no messages now; deletes work.");
    op->counts->sends++;
    return 0;
}

json_t *sqs_send_op(struct sqs_op *op)
{
    struct sqs_queue q;
    return take_queue(op, &q) < 0 ? NULL : send_one(op, &q, op->in, &op->refusal);
}

/* All messages together: a rule about the whole call. */
static int check_batch_bytes(const json_t *entries, struct sqs_refusal *r)
{
    size_t total = 0;
    size_t i;
    json_t *entry;
    json_array_foreach(entries, i, entry)
    {
        struct sqs_refusal ignored;
        char *kept = NULL;
        char md5[33];
        size_t bytes = 0;
        if (sqs_attributes_take(json_object_get(entry, "MessageAttributes"), &kept, &bytes, md5,
                                &ignored) == 0)
            total += bytes;
        free(kept);
        total += json_string_length(json_object_get(entry, "MessageBody"));
    }
    if (total > SQS_BATCH_BYTES)
        return sqs_refuse(r, SQS_BATCH_TOO_LONG,
                          "Batch requests cannot be longer than 1048576 bytes. You have sent %zu "
                          "bytes.",
                          total);
    return 0;
}

json_t *sqs_send_batch_op(struct sqs_op *op)
{
    struct sqs_queue q;
    const json_t *entries;
    if (take_queue(op, &q) < 0 ||
        sqs_batch_entries(op, "SendMessageBatchRequestEntry", &entries) < 0 ||
        check_batch_bytes(entries, &op->refusal) < 0)
        return NULL;
    return sqs_batch_run(op, &q, entries, send_one);
}
