/* Each call builds a JSON body, keeps what it needs to check the answer in a `struct op`, and hands
 * both to aws_call, which releases them. */
#include "common/aws/sqs.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/base/log.h"
#include "common/base/xalloc.h"

/* A receive may bring ten messages, and each character may be escaped. */
#define RECEIVE_CAP_BYTES ((size_t)SQS_BATCH_MAX * (6 * SQS_MESSAGE_BYTES + 65536))
#define BATCH_CAP_BYTES 262144
/* On top of the wait: connecting, and the way of a large answer. */
#define RECEIVE_SLACK_MS 8000

struct op {
    char *body; /* own: the request */
    size_t body_len;
    size_t count; /* of a batch's entries, or of messages at most */
    bool sends;
    char body_md5[SQS_BATCH_MAX][33];
    char attributes_md5[SQS_BATCH_MAX][33]; /* "" where nothing is to be checked */
    union {
        sqs_batch_cb *batch;
        sqs_receive_cb *receive;
        sqs_url_cb *url;
        aws_reply_cb *plain;
    } done;
    void *arg;
};

static void op_free(void *arg)
{
    struct op *op = arg;
    free(op->body);
    free(op);
}

static uint64_t call(struct aws_client *c, const struct aws_endpoint *e, const char *operation,
                     json_t *body, const struct sqs_options *o, bool long_poll, size_t cap_bytes,
                     aws_reply_cb *done, struct op *op)
{
    op->body = json_dumps(body, JSON_COMPACT);
    json_decref(body);
    assert(op->body); /* every string was UTF-8: see sqs_body_allowed */
    op->body_len = strlen(op->body);
    char *target = xasprintf("AmazonSQS.%s", operation);
    const struct http_header headers[] = {
        {"Content-Type", "application/x-amz-json-1.0"},
        {"X-Amz-Target", target},
        {"x-amzn-query-mode", "true"},
    };
    struct aws_request request = {
        .method = "POST",
        .path = "/",
        .query = "",
        .headers = headers,
        .header_count = sizeof(headers) / sizeof(headers[0]),
        .body = op->body,
        .body_len = op->body_len,
        .timeout_ms = o->timeout_ms,
        .deadline_ms = o->deadline_ms,
        .max_attempts = o->max_attempts,
        .json_answer = true,
        .answer_cap_bytes = cap_bytes,
        .long_poll = long_poll,
    };
    uint64_t id = aws_call(c, e, &request, done, op_free, op);
    free(target);
    return id;
}

static struct op *op_new(void *arg)
{
    struct op *op = xcalloc(1, sizeof(*op));
    op->arg = arg;
    return op;
}

static const char *text_of(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));
    return text ? text : "";
}

/* ---- batches ---- */

static const char BATCH_IDS[] = "0123456789";

/* The position an Id stands for, or -1. */
static int index_of(const struct op *op, const json_t *entry)
{
    const char *id = text_of(entry, "Id");
    if (id[0] < '0' || id[0] > '9' || id[1])
        return -1;
    size_t i = (size_t)(id[0] - '0');
    return i < op->count ? (int)i : -1;
}

static void fail_entry(struct sqs_entry_result *result, const char *code, const char *message)
{
    *result = (struct sqs_entry_result){
        .class = AWS_TRANSIENT, .code = code, .message = message, .message_id = ""};
}

static bool md5_differs(const char *ours, const char *theirs)
{
    return *ours && *theirs && strcasecmp(ours, theirs);
}

static void take_success(const struct op *op, const json_t *entry, size_t i,
                         struct sqs_entry_result *result)
{
    const char *message_id = text_of(entry, "MessageId");
    if (op->sends && !*message_id)
        fail_entry(result, "NoMessageId", "the answer names no message id");
    else if (md5_differs(op->body_md5[i], text_of(entry, "MD5OfMessageBody")))
        fail_entry(result, "BodyDamaged", "MD5OfMessageBody is not that of the body we sent");
    else if (md5_differs(op->attributes_md5[i], text_of(entry, "MD5OfMessageAttributes")))
        fail_entry(result, "AttributesDamaged",
                   "MD5OfMessageAttributes is not that of the attributes we sent");
    else
        *result = (struct sqs_entry_result){
            .ok = true, .class = AWS_OK, .code = "", .message = "", .message_id = message_id};
}

static void take_failure(const json_t *entry, struct sqs_entry_result *result)
{
    const char *code = text_of(entry, "Code");
    bool sender_fault = json_is_true(json_object_get(entry, "SenderFault"));
    *result = (struct sqs_entry_result){
        .sender_fault = sender_fault,
        .class = aws_entry_class(code, sender_fault),
        .code = *code ? code : "Failed",
        .message = text_of(entry, "Message"),
        .message_id = "",
    };
}

static void on_batch(void *arg, const struct aws_reply *reply)
{
    struct op *op = arg;
    if (reply->class != AWS_OK) {
        op->done.batch(op->arg, reply, NULL, op->count);
        return;
    }
    struct sqs_entry_result results[SQS_BATCH_MAX];
    size_t i;
    json_t *entry;
    for (i = 0; i < op->count; i++)
        fail_entry(&results[i], "NotAnswered", "the answer does not mention this entry");
    json_array_foreach(json_object_get(reply->json, "Successful"), i, entry)
    {
        int at = index_of(op, entry);
        if (at >= 0)
            take_success(op, entry, (size_t)at, &results[at]);
    }
    /* After the successes: where an answer contradicts itself the entry is failed. */
    json_array_foreach(json_object_get(reply->json, "Failed"), i, entry)
    {
        int at = index_of(op, entry);
        if (at >= 0)
            take_failure(entry, &results[at]);
    }
    op->done.batch(op->arg, reply, results, op->count);
}

static uint64_t batch(struct aws_client *c, const struct aws_endpoint *e, const char *operation,
                      const char *queue_url, json_t *entries, const struct sqs_options *o,
                      struct op *op)
{
    op->count = json_array_size(entries);
    assert(op->count >= 1 && op->count <= SQS_BATCH_MAX);
    json_t *body = json_pack("{s:s, s:o}", "QueueUrl", queue_url, "Entries", entries);
    return call(c, e, operation, body, o, false, BATCH_CAP_BYTES, on_batch, op);
}

/* {"Id": "<i>"} to add members to. */
static json_t *entry_new(size_t i)
{
    return json_pack("{s:s%}", "Id", &BATCH_IDS[i], (size_t)1);
}

static json_t *attributes_json(const struct sqs_outgoing *m)
{
    json_t *all = json_object();
    for (size_t i = 0; i < m->attribute_count; i++) {
        const struct sqs_attribute *a = &m->attributes[i];
        const char *member = strncmp(a->type, "Binary", 6) ? "StringValue" : "BinaryValue";
        json_object_set_new(all, a->name,
                            json_pack("{s:s, s:s}", "DataType", a->type, member, a->value));
    }
    return all;
}

uint64_t sqs_send_batch(struct aws_client *c, const struct aws_endpoint *e, const char *queue_url,
                        const struct sqs_outgoing *messages, size_t count,
                        const struct sqs_options *o, sqs_batch_cb *done, void *arg)
{
    assert(count >= 1 && count <= SQS_BATCH_MAX);
    struct op *op = op_new(arg);
    op->done.batch = done;
    op->sends = true;
    json_t *entries = json_array();
    for (size_t i = 0; i < count; i++) {
        const struct sqs_outgoing *m = &messages[i];
        json_t *text = json_stringn(m->body, m->body_len);
        assert(text); /* the caller asked sqs_body_allowed */
        json_t *entry = entry_new(i);
        json_object_set_new(entry, "MessageBody", text);
        sqs_md5_hex(m->body, m->body_len, op->body_md5[i]);
        if (m->delay_s)
            json_object_set_new(entry, "DelaySeconds", json_integer(m->delay_s));
        if (m->group)
            json_object_set_new(entry, "MessageGroupId", json_string(m->group));
        if (m->deduplication_id)
            json_object_set_new(entry, "MessageDeduplicationId",
                                json_string(m->deduplication_id));
        if (m->attribute_count) {
            json_object_set_new(entry, "MessageAttributes", attributes_json(m));
            sqs_attributes_md5_hex(m->attributes, m->attribute_count, op->attributes_md5[i]);
        }
        json_array_append_new(entries, entry);
    }
    return batch(c, e, "SendMessageBatch", queue_url, entries, o, op);
}

uint64_t sqs_delete_batch(struct aws_client *c, const struct aws_endpoint *e, const char *queue_url,
                          const char *const *receipt_handles, size_t count,
                          const struct sqs_options *o, sqs_batch_cb *done, void *arg)
{
    assert(count >= 1 && count <= SQS_BATCH_MAX);
    struct op *op = op_new(arg);
    op->done.batch = done;
    json_t *entries = json_array();
    for (size_t i = 0; i < count; i++) {
        json_t *entry = entry_new(i);
        json_object_set_new(entry, "ReceiptHandle", json_string(receipt_handles[i]));
        json_array_append_new(entries, entry);
    }
    return batch(c, e, "DeleteMessageBatch", queue_url, entries, o, op);
}

uint64_t sqs_change_visibility_batch(struct aws_client *c, const struct aws_endpoint *e,
                                     const char *queue_url, const char *const *receipt_handles,
                                     const int *visibility_s, size_t count,
                                     const struct sqs_options *o, sqs_batch_cb *done, void *arg)
{
    assert(count >= 1 && count <= SQS_BATCH_MAX);
    struct op *op = op_new(arg);
    op->done.batch = done;
    json_t *entries = json_array();
    for (size_t i = 0; i < count; i++) {
        json_t *entry = entry_new(i);
        json_object_set_new(entry, "ReceiptHandle", json_string(receipt_handles[i]));
        json_object_set_new(entry, "VisibilityTimeout", json_integer(visibility_s[i]));
        json_array_append_new(entries, entry);
    }
    return batch(c, e, "ChangeMessageVisibilityBatch", queue_url, entries, o, op);
}

/* ---- receiving ---- */

/* System attributes are strings, also numbers; 0 where one is missing or no number. */
static int64_t number_of(const json_t *attributes, const char *name)
{
    const json_t *value = json_object_get(attributes, name);
    if (json_is_integer(value))
        return json_integer_value(value);
    const char *text = json_string_value(value);
    return text ? strtoll(text, NULL, 10) : 0;
}

static size_t take_attributes(const json_t *object, struct sqs_attribute **list_out)
{
    struct sqs_attribute *list = xcalloc(json_object_size(object) + 1, sizeof(*list));
    size_t count = 0;
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)object, name, value)
    {
        const char *type = text_of(value, "DataType");
        const char *member = strncmp(type, "Binary", 6) ? "StringValue" : "BinaryValue";
        list[count++] = (struct sqs_attribute){name, type, text_of(value, member)};
    }
    *list_out = list;
    return count;
}

static void take_message(const json_t *json, struct sqs_message *m)
{
    const json_t *system = json_object_get(json, "Attributes");
    const json_t *body = json_object_get(json, "Body");
    struct sqs_attribute *attributes;
    size_t count = take_attributes(json_object_get(json, "MessageAttributes"), &attributes);
    int64_t receives = number_of(system, "ApproximateReceiveCount");
    *m = (struct sqs_message){
        .id = text_of(json, "MessageId"),
        .receipt_handle = text_of(json, "ReceiptHandle"),
        .body = text_of(json, "Body"),
        .body_len = json_string_length(body),
        .attributes = attributes,
        .attribute_count = count,
        .receive_count = receives < 0           ? 0
                         : receives > INT32_MAX ? INT32_MAX
                                                : (int)receives,
        .sent_at_ms = number_of(system, "SentTimestamp"),
        .first_received_ms = number_of(system, "ApproximateFirstReceiveTimestamp"),
        .group = json_string_value(json_object_get(system, "MessageGroupId")),
    };
    char body_md5[33], attributes_md5[33];
    sqs_md5_hex(m->body, m->body_len, body_md5);
    sqs_attributes_md5_hex(attributes, count, attributes_md5);
    m->damaged = !json_is_string(body) || md5_differs(body_md5, text_of(json, "MD5OfBody")) ||
                 (count && md5_differs(attributes_md5, text_of(json, "MD5OfMessageAttributes")));
}

static void on_receive(void *arg, const struct aws_reply *reply)
{
    struct op *op = arg;
    if (reply->class != AWS_OK) {
        op->done.receive(op->arg, reply, NULL, 0);
        return;
    }
    const json_t *list = json_object_get(reply->json, "Messages");
    struct sqs_message *messages = xcalloc(json_array_size(list) + 1, sizeof(*messages));
    size_t i, count = 0;
    json_t *json;
    json_array_foreach(list, i, json)
    {
        if (count == op->count)
            break; /* nobody keeps room for what was not asked for */
        if (*text_of(json, "ReceiptHandle"))
            take_message(json, &messages[count++]);
        else
            log_warn("received a message without a receipt handle: it comes again when its "
                     "visibility timeout ends; message_id=%s",
                     text_of(json, "MessageId"));
    }
    op->done.receive(op->arg, reply, messages, count);
    for (i = 0; i < count; i++)
        free((struct sqs_attribute *)messages[i].attributes);
    free(messages);
}

uint64_t sqs_receive(struct aws_client *c, const struct aws_endpoint *e, const char *queue_url,
                     int max, int wait_s, int visibility_s, sqs_receive_cb *done, void *arg)
{
    struct op *op = op_new(arg);
    op->done.receive = done;
    op->count = (size_t)max;
    json_t *body = json_pack("{s:s, s:i, s:i, s:i, s:[s, s, s, s], s:[s]}", "QueueUrl", queue_url,
                             "MaxNumberOfMessages", max, "WaitTimeSeconds", wait_s,
                             "VisibilityTimeout", visibility_s, "MessageSystemAttributeNames",
                             "ApproximateReceiveCount", "SentTimestamp",
                             "ApproximateFirstReceiveTimestamp", "MessageGroupId",
                             "MessageAttributeNames", "All");
    int64_t whole_ms = wait_s * 1000 + RECEIVE_SLACK_MS;
    struct sqs_options options = {whole_ms, whole_ms, 1};
    return call(c, e, "ReceiveMessage", body, &options, true, RECEIVE_CAP_BYTES, on_receive, op);
}

/* ---- queues ---- */

static void on_url(void *arg, const struct aws_reply *reply)
{
    struct op *op = arg;
    const char *url = text_of(reply->json, "QueueUrl");
    if (reply->class == AWS_OK && !*url) {
        struct aws_reply unreadable = *reply;
        unreadable.class = AWS_TRANSIENT;
        unreadable.code = "UnreadableAnswer";
        unreadable.message = "the answer names no queue URL";
        op->done.url(op->arg, &unreadable, NULL);
        return;
    }
    op->done.url(op->arg, reply, reply->class == AWS_OK ? url : NULL);
}

static uint64_t ask_url(struct aws_client *c, const struct aws_endpoint *e, const char *operation,
                        const char *name, const struct sqs_options *o, sqs_url_cb *done, void *arg)
{
    struct op *op = op_new(arg);
    op->done.url = done;
    return call(c, e, operation, json_pack("{s:s}", "QueueName", name), o, false, 0, on_url, op);
}

uint64_t sqs_create_queue(struct aws_client *c, const struct aws_endpoint *e, const char *name,
                          const struct sqs_options *o, sqs_url_cb *done, void *arg)
{
    return ask_url(c, e, "CreateQueue", name, o, done, arg);
}

uint64_t sqs_get_queue_url(struct aws_client *c, const struct aws_endpoint *e, const char *name,
                           const struct sqs_options *o, sqs_url_cb *done, void *arg)
{
    return ask_url(c, e, "GetQueueUrl", name, o, done, arg);
}

static void on_plain(void *arg, const struct aws_reply *reply)
{
    struct op *op = arg;
    op->done.plain(op->arg, reply);
}

uint64_t sqs_get_queue_attributes(struct aws_client *c, const struct aws_endpoint *e,
                                  const char *queue_url, const struct sqs_options *o,
                                  aws_reply_cb *done, void *arg)
{
    struct op *op = op_new(arg);
    op->done.plain = done;
    json_t *body = json_pack("{s:s, s:[s]}", "QueueUrl", queue_url, "AttributeNames", "All");
    return call(c, e, "GetQueueAttributes", body, o, false, 0, on_plain, op);
}
