/* Every SQS operation and refusal, driven as the turn drives them but without HTTP, on an injected
 * clock. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/log.h"
#include "common/base/xalloc.h"
#include "workers/store/db.h"
#include "common/base/clock.h"
#include "workers/store/kept_time.h"
#include "workers/store/sqs_service.h"

#define URL "http://store.local/000000000000/"

struct fixture {
    char dir[64];
    struct db *db;
    struct sqs_service *sqs;
    int64_t now_ms;
    bool full;
    bool draining;
    int status;     /* of the last answer */
    char code[128]; /* x-amzn-query-error of the last answer */
    bool waits;
    struct service_call last; /* the last call, for undo */
};

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    (void)st;
    (void)flag;
    (void)ftw;
    return remove(path);
}

static int set_up(void **state)
{
    struct fixture *f = xcalloc(1, sizeof(*f));
    log_setup(LOG_LEVEL_ERROR, false);
    strcpy(f->dir, "/tmp/sluice-sqs-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    struct db_options options = {.dir = f->dir, .lock_fd = -1};
    f->db = db_open(&options);
    assert_non_null(f->db);
    f->sqs = sqs_service_new();
    f->now_ms = 1800000000000;
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    service_call_clear(&f->last);
    sqs_service_free(f->sqs);
    db_close(f->db);
    nftw(f->dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    free(f);
    return 0;
}

/* One turn with one call; input is stolen. The answer's object, or NULL where the call waits. */
static json_t *call(struct fixture *f, const char *operation, json_t *input)
{
    const struct service *s = sqs_service_table(f->sqs);
    struct service_context context = {
        .db = f->db, .now_ms = f->now_ms, .full = f->full, .draining = f->draining};
    struct service_answer answer = {0};
    bool wrote;
    assert_non_null(input);
    service_call_clear(&f->last);
    f->last.operation = xstrdup(operation);
    f->last.input = input;
    strcpy(f->last.caller, "AKID");
    assert_int_equal(db_begin(f->db), 0);
    assert_int_equal(db_savepoint(f->db), 0);
    enum service_verdict verdict = s->run(s->state, &context, &f->last, &answer);
    assert_int_not_equal(verdict, SERVICE_FAILED);
    assert_int_equal(db_release(f->db), 0);
    assert_int_equal(db_commit(f->db, &wrote), 0);
    s->committed(s->state);
    f->waits = verdict == SERVICE_WAITS;
    f->status = answer.status;
    snprintf(f->code, sizeof(f->code), "%s", answer.query_error);
    json_t *out = answer.body ? json_loads(answer.body, 0, NULL) : NULL;
    service_answer_clear(&answer);
    return out;
}

static json_t *ok(struct fixture *f, const char *operation, json_t *input)
{
    json_t *out = call(f, operation, input);
    if (f->status != 200)
        print_error("%s: %d %s\n", operation, f->status, f->code);
    assert_int_equal(f->status, 200);
    assert_non_null(out);
    return out;
}

static void done(struct fixture *f, const char *operation, json_t *input)
{
    json_decref(ok(f, operation, input));
}

/* The call is refused with this legacy code, type and text (NULL: any). */
static void refused(struct fixture *f, int status, const char *code, const char *type,
                    const char *message, const char *operation, json_t *input)
{
    char expected[160];
    char full_type[160];
    json_t *out = call(f, operation, input);
    snprintf(expected, sizeof(expected), "%s;Sender", code);
    snprintf(full_type, sizeof(full_type), "com.amazonaws.sqs#%s", type);
    assert_string_equal(f->code, expected);
    assert_int_equal(f->status, status);
    assert_string_equal(json_string_value(json_object_get(out, "__type")), full_type);
    if (message)
        assert_string_equal(json_string_value(json_object_get(out, "message")), message);
    json_decref(out);
}

static void make_queue(struct fixture *f, const char *name, const char *attribute,
                       const char *value)
{
    json_t *in = json_pack("{s:s}", "QueueName", name);
    if (attribute)
        json_object_set_new(in, "Attributes", json_pack("{s:s}", attribute, value));
    done(f, "CreateQueue", in);
}

static void send_text(struct fixture *f, const char *queue, const char *body)
{
    char url[160];
    snprintf(url, sizeof(url), URL "%s", queue);
    done(f, "SendMessage", json_pack("{s:s, s:s}", "QueueUrl", url, "MessageBody", body));
}

/* Receives one message with all attributes; NULL where there is none. */
static json_t *receive(struct fixture *f, const char *queue)
{
    char url[160];
    snprintf(url, sizeof(url), URL "%s", queue);
    json_t *out = ok(f, "ReceiveMessage",
                     json_pack("{s:s, s:[s], s:[s]}", "QueueUrl", url, "AttributeNames", "All",
                               "MessageAttributeNames", "All"));
    json_t *m = json_array_get(json_object_get(out, "Messages"), 0);
    json_incref(m);
    if (!m)
        assert_int_equal(json_object_size(out), 0);
    json_decref(out);
    return m;
}

static const char *text_of(const json_t *m, const char *name)
{
    return json_string_value(json_object_get(m, name));
}

static const char *system_of(const json_t *m, const char *name)
{
    return text_of(json_object_get(m, "Attributes"), name);
}

static json_t *with_handle(const char *queue, const char *handle)
{
    char url[160];
    snprintf(url, sizeof(url), URL "%s", queue);
    return json_pack("{s:s, s:s}", "QueueUrl", url, "ReceiptHandle", handle);
}

static json_t *with_visibility(const char *queue, const char *handle, int seconds)
{
    json_t *in = with_handle(queue, handle);
    json_object_set_new(in, "VisibilityTimeout", json_integer(seconds));
    return in;
}

static int attribute_number(struct fixture *f, const char *queue, const char *name)
{
    char url[160];
    snprintf(url, sizeof(url), URL "%s", queue);
    json_t *out = ok(f, "GetQueueAttributes",
                     json_pack("{s:s, s:[s]}", "QueueUrl", url, "AttributeNames", name));
    const char *text = text_of(json_object_get(out, "Attributes"), name);
    int value = text ? atoi(text) : -1;
    json_decref(out);
    return value;
}

/* ---- queues */

static void queues_are_created_once(void **state)
{
    struct fixture *f = *state;
    json_t *out =
        ok(f, "CreateQueue",
           json_pack("{s:s, s:{s:s}}", "QueueName", "q", "Attributes", "DelaySeconds", "3"));
    assert_string_equal(text_of(out, "QueueUrl"), URL "q");
    json_decref(out);
    make_queue(f, "q", NULL, NULL);
    make_queue(f, "q", "DelaySeconds", "3");
    refused(f, 400, "QueueAlreadyExists", "QueueNameExists",
            "A queue already exists with the same name and a different value for attribute "
            "DelaySeconds",
            "CreateQueue",
            json_pack("{s:s, s:{s:s}}", "QueueName", "q", "Attributes", "DelaySeconds", "4"));
    refused(f, 400, "MissingParameter", "MissingRequiredParameterException",
            "The request must contain the parameter QueueName.", "CreateQueue", json_object());
    refused(f, 400, "InvalidParameterValue", "InvalidParameterValueException", NULL, "CreateQueue",
            json_pack("{s:s}", "QueueName", "a b"));
    refused(f, 400, "AWS.SimpleQueueService.UnsupportedOperation", "UnsupportedOperation", NULL,
            "CreateQueue", json_pack("{s:s}", "QueueName", "a.fifo"));
    refused(f, 400, "InvalidAttributeName", "InvalidAttributeName", "Unknown Attribute FifoQueue.",
            "CreateQueue",
            json_pack("{s:s, s:{s:s}}", "QueueName", "z", "Attributes", "FifoQueue", "false"));
    static const char *const bad[][2] = {
        {"DelaySeconds", "901"},           {"DelaySeconds", "-1"},
        {"VisibilityTimeout", "43201"},    {"VisibilityTimeout", ""},
        {"MaximumMessageSize", "1023"},    {"ReceiveMessageWaitTimeSeconds", "21"},
        {"MessageRetentionPeriod", "59"},  {"MessageRetentionPeriod", "1209601"},
        {"MaximumMessageSize", "1048577"}, {"DelaySeconds", "1x"},
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        refused(f, 400, "InvalidAttributeValue", "InvalidAttributeValue", NULL, "CreateQueue",
                json_pack("{s:s, s:{s:s}}", "QueueName", "z", "Attributes", bad[i][0], bad[i][1]));
}

static void queues_are_found_and_listed(void **state)
{
    struct fixture *f = *state;
    make_queue(f, "a1", NULL, NULL);
    make_queue(f, "a2", NULL, NULL);
    make_queue(f, "b", NULL, NULL);
    json_t *out = ok(f, "GetQueueUrl", json_pack("{s:s}", "QueueName", "b"));
    assert_string_equal(text_of(out, "QueueUrl"), URL "b");
    json_decref(out);
    refused(f, 400, "AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist",
            "The specified queue does not exist.", "GetQueueUrl",
            json_pack("{s:s}", "QueueName", "none"));
    out = ok(f, "ListQueues", json_pack("{s:s}", "QueueNamePrefix", "a"));
    assert_int_equal(json_array_size(json_object_get(out, "QueueUrls")), 2);
    assert_null(json_object_get(out, "NextToken"));
    json_decref(out);
    out = ok(f, "ListQueues", json_pack("{s:i}", "MaxResults", 2));
    assert_string_equal(text_of(out, "NextToken"), "a2");
    json_decref(out);
    out = ok(f, "ListQueues", json_pack("{s:i, s:s}", "MaxResults", 2, "NextToken", "a2"));
    assert_int_equal(json_array_size(json_object_get(out, "QueueUrls")), 1);
    assert_null(json_object_get(out, "NextToken"));
    json_decref(out);
    out = ok(f, "ListQueues", json_pack("{s:s}", "QueueNamePrefix", "%"));
    assert_int_equal(json_object_size(out), 0);
    json_decref(out);
}

static void attributes_are_read_and_set(void **state)
{
    struct fixture *f = *state;
    make_queue(f, "q", "VisibilityTimeout", "7");
    assert_int_equal(attribute_number(f, "q", "VisibilityTimeout"), 7);
    assert_int_equal(attribute_number(f, "q", "MessageRetentionPeriod"), -1); /* for ever */
    f->now_ms += 5000;
    done(f, "SetQueueAttributes",
         json_pack("{s:s, s:{s:s, s:s}}", "QueueUrl", URL "q", "Attributes",
                   "MessageRetentionPeriod", "60", "MaximumMessageSize", "2048"));
    assert_int_equal(attribute_number(f, "q", "MessageRetentionPeriod"), 60);
    assert_int_equal(attribute_number(f, "q", "MaximumMessageSize"), 2048);
    assert_int_equal(attribute_number(f, "q", "VisibilityTimeout"), 7);
    assert_int_equal(attribute_number(f, "q", "LastModifiedTimestamp"), 1800000005);
    assert_int_equal(attribute_number(f, "q", "CreatedTimestamp"), 1800000000);
    json_t *out = ok(f, "GetQueueAttributes", json_pack("{s:s}", "QueueUrl", "https://h:1/x/q"));
    assert_int_equal(json_object_size(out), 0);
    json_decref(out);
    refused(f, 400, "InvalidAttributeName", "InvalidAttributeName", "Unknown Attribute Nope.",
            "GetQueueAttributes",
            json_pack("{s:s, s:[s]}", "QueueUrl", URL "q", "AttributeNames", "Nope"));
    refused(f, 400, "MissingParameter", "MissingRequiredParameterException", NULL,
            "SetQueueAttributes", json_pack("{s:s}", "QueueUrl", URL "q"));
    refused(f, 400, "AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist", NULL,
            "SetQueueAttributes", json_pack("{s:s, s:{}}", "QueueUrl", URL "none", "Attributes"));
}

static void purge_empties_once_a_minute(void **state)
{
    struct fixture *f = *state;
    make_queue(f, "q", NULL, NULL);
    send_text(f, "q", "x");
    done(f, "PurgeQueue", json_pack("{s:s}", "QueueUrl", URL "q"));
    assert_int_equal(attribute_number(f, "q", "ApproximateNumberOfMessages"), 0);
    refused(f, 403, "AWS.SimpleQueueService.PurgeQueueInProgress", "PurgeQueueInProgress",
            "Only one PurgeQueue operation on q is allowed every 60 seconds.", "PurgeQueue",
            json_pack("{s:s}", "QueueUrl", URL "q"));
    f->now_ms += 60000;
    done(f, "PurgeQueue", json_pack("{s:s}", "QueueUrl", URL "q"));
}

/* ---- sending */

static void send_returns_md5s_and_receive_the_same(void **state)
{
    struct fixture *f = *state;
    make_queue(f, "q", NULL, NULL);
    json_t *in = json_pack(
        "{s:s, s:s, s:{s:{s:s, s:s}, s:{s:s, s:s}, s:{s:s, s:s}}, s:{s:{s:s, s:s}}}", "QueueUrl",
        URL "q", "MessageBody", "h\xc3\xa9", "MessageAttributes", "trace", "DataType", "String",
        "StringValue", "h\xc3\xa9", "attempt", "DataType", "Number", "StringValue", "3", "blob",
        "DataType", "Binary.gzip", "BinaryValue", "AAH+/w==", "MessageSystemAttributes",
        "AWSTraceHeader", "DataType", "String", "StringValue", "Root=1");
    json_t *out = ok(f, "SendMessage", in);
    assert_string_equal(text_of(out, "MD5OfMessageBody"), "33fcd01258e6ba07ef405dc9e721f3a7");
    assert_string_equal(text_of(out, "MD5OfMessageAttributes"), "0e7f5a99c23b623c111039e42a8d033b");
    assert_non_null(text_of(out, "MD5OfMessageSystemAttributes"));
    f->now_ms += 1500;
    json_t *m = receive(f, "q");
    assert_string_equal(text_of(m, "MessageId"), text_of(out, "MessageId"));
    assert_string_equal(text_of(m, "Body"), "h\xc3\xa9");
    assert_string_equal(text_of(m, "MD5OfBody"), "33fcd01258e6ba07ef405dc9e721f3a7");
    assert_string_equal(text_of(m, "MD5OfMessageAttributes"), "0e7f5a99c23b623c111039e42a8d033b");
    assert_int_equal(json_object_size(json_object_get(m, "MessageAttributes")), 3);
    assert_string_equal(system_of(m, "SentTimestamp"), "1800000000000");
    assert_string_equal(system_of(m, "ApproximateFirstReceiveTimestamp"), "1800000001500");
    assert_string_equal(system_of(m, "ApproximateReceiveCount"), "1");
    assert_string_equal(system_of(m, "SenderId"), "AKID");
    assert_string_equal(system_of(m, "AWSTraceHeader"), "Root=1");
    json_decref(m);
    json_decref(out);
}

static json_t *with_attribute(const char *name, const char *type, const char *member,
                              const char *value)
{
    return json_pack("{s:s, s:s, s:{s:{s:s, s:s}}}", "QueueUrl", URL "q", "MessageBody", "x",
                     "MessageAttributes", name, "DataType", type, member, value);
}

static void bad_messages_are_refused(void **state)
{
    struct fixture *f = *state;
    make_queue(f, "q", "MaximumMessageSize", "1024");
    refused(f, 400, "MissingParameter", "MissingRequiredParameterException",
            "The request must contain the parameter MessageBody.", "SendMessage",
            json_pack("{s:s}", "QueueUrl", URL "q"));
    refused(f, 400, "MissingParameter", "MissingRequiredParameterException", NULL, "SendMessage",
            json_pack("{s:s, s:s}", "QueueUrl", URL "q", "MessageBody", ""));
    refused(f, 400, "MissingParameter", "MissingRequiredParameterException", NULL, "SendMessage",
            json_pack("{s:s}", "MessageBody", "x"));
    refused(f, 400, "MalformedInput", "SerializationException", NULL, "SendMessage",
            json_pack("{s:s, s:i}", "QueueUrl", URL "q", "MessageBody", 5));
    refused(f, 400, "InvalidMessageContents", "InvalidMessageContents", NULL, "SendMessage",
            json_pack("{s:s, s:s}", "QueueUrl", URL "q", "MessageBody", "\x1b"));
    refused(f, 400, "InvalidMessageContents", "InvalidMessageContents", NULL, "SendMessage",
            json_pack("{s:s, s:s}", "QueueUrl", URL "q", "MessageBody", "\xef\xbf\xbf"));
    refused(
        f, 400, "InvalidParameterValue", "InvalidParameterValueException",
        "Value 901 for parameter DelaySeconds is invalid. Reason: Must be >= 0 and <= 900, if "
        "provided.",
        "SendMessage",
        json_pack("{s:s, s:s, s:i}", "QueueUrl", URL "q", "MessageBody", "x", "DelaySeconds", 901));
    char body[1026];
    memset(body, 'x', sizeof(body));
    body[1024] = '\0';
    send_text(f, "q", body);
    body[1024] = 'x';
    body[1025] = '\0';
    refused(f, 400, "InvalidParameterValue", "InvalidParameterValueException",
            "One or more parameters are invalid. Reason: Message must be shorter than 1024 bytes.",
            "SendMessage", json_pack("{s:s, s:s}", "QueueUrl", URL "q", "MessageBody", body));
    refused(f, 400, "InvalidParameterValue", "InvalidParameterValueException",
            "Message (user) attribute 'X' must contain a non-empty value of type 'String'.",
            "SendMessage", with_attribute("X", "String", "StringValue", ""));
    static const char *const bad[][4] = {
        {"a..b", "String", "StringValue", "1"},  {".a", "String", "StringValue", "1"},
        {"AWS.x", "String", "StringValue", "1"}, {"amazon.x", "String", "StringValue", "1"},
        {"a b", "String", "StringValue", "1"},   {"a", "Text", "StringValue", "1"},
        {"a", "String.", "StringValue", "1"},    {"a", "", "StringValue", "1"},
        {"a", "Number", "StringValue", "1x"},    {"a", "Binary", "BinaryValue", "AA="},
        {"a", "Binary", "StringValue", "AAAA"},  {"a", "Binary", "BinaryValue", "A*=="},
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        refused(f, 400, "InvalidParameterValue", "InvalidParameterValueException", NULL,
                "SendMessage", with_attribute(bad[i][0], bad[i][1], bad[i][2], bad[i][3]));
    json_t *many = json_object();
    for (int i = 0; i < 11; i++) {
        char name[8];
        snprintf(name, sizeof(name), "a%d", i);
        json_object_set_new(many, name,
                            json_pack("{s:s, s:s}", "DataType", "String", "StringValue", "1"));
    }
    refused(f, 400, "InvalidParameterValue", "InvalidParameterValueException", NULL, "SendMessage",
            json_pack("{s:s, s:s, s:o}", "QueueUrl", URL "q", "MessageBody", "x",
                      "MessageAttributes", many));
    refused(f, 400, "InvalidParameterValue", "InvalidParameterValueException", NULL, "SendMessage",
            json_pack("{s:s, s:s, s:s}", "QueueUrl", URL "q", "MessageBody", "x",
                      "MessageDeduplicationId", "1"));
    refused(f, 400, "InvalidParameterValue", "InvalidParameterValueException", NULL, "SendMessage",
            json_pack("{s:s, s:s, s:s}", "QueueUrl", URL "q", "MessageBody", "x", "MessageGroupId",
                      "a b"));
    assert_int_equal(attribute_number(f, "q", "ApproximateNumberOfMessages"), 1);
}

static json_t *entry(const char *id, const char *body)
{
    return json_pack("{s:s, s:s}", "Id", id, "MessageBody", body);
}

static json_t *batch(json_t *entries)
{
    return json_pack("{s:s, s:o}", "QueueUrl", URL "q", "Entries", entries);
}

/* Names and handles are cut in messages: never so that the answer cannot be written. */
static void refusals_that_quote_are_text(void **state)
{
    struct fixture *f = *state;
    char name[202] = "a";
    make_queue(f, "q", NULL, NULL);
    for (int i = 0; i < 100; i++)
        strcat(name, "\xc3\xa9");
    json_t *bad = entry("b", "x");
    json_object_set_new(
        bad, "MessageAttributes",
        json_pack("{s:{s:s, s:s}}", name, "DataType", "String", "StringValue", "1"));
    json_t *out = ok(f, "SendMessageBatch", batch(json_pack("[o, o]", entry("a", "1"), bad)));
    assert_int_equal(json_array_size(json_object_get(out, "Failed")), 1);
    json_t *failed = json_array_get(json_object_get(out, "Failed"), 0);
    assert_string_equal(text_of(failed, "Id"), "b");
    assert_non_null(strstr(text_of(failed, "Message"), "a\xc3\xa9"));
    json_decref(out);
    refused(f, 404, "ReceiptHandleIsInvalid", "ReceiptHandleIsInvalid", NULL, "DeleteMessage",
            with_handle("q", name));
    refused(f, 400, "InvalidAction", "UnknownOperationException", NULL, "Send\xff", json_object());
}

static void batches_fail_whole_or_by_entry(void **state)
{
    struct fixture *f = *state;
    make_queue(f, "q", NULL, NULL);
    json_t *out =
        ok(f, "SendMessageBatch",
           batch(json_pack("[o, o, o]", entry("a", "1"), entry("b", "\x01"), entry("c", "3"))));
    assert_int_equal(json_array_size(json_object_get(out, "Successful")), 2);
    json_t *failed = json_array_get(json_object_get(out, "Failed"), 0);
    assert_string_equal(text_of(failed, "Id"), "b");
    assert_string_equal(text_of(failed, "Code"), "InvalidMessageContents");
    assert_true(json_is_true(json_object_get(failed, "SenderFault")));
    json_decref(out);
    out = ok(f, "SendMessageBatch", batch(json_pack("[o]", entry("a", "1"))));
    assert_null(json_object_get(out, "Failed"));
    json_decref(out);
    assert_int_equal(attribute_number(f, "q", "ApproximateNumberOfMessages"), 3);

    refused(f, 400, "AWS.SimpleQueueService.EmptyBatchRequest", "EmptyBatchRequest", NULL,
            "SendMessageBatch", batch(json_array()));
    json_t *many = json_array();
    for (int i = 0; i < 20; i++) {
        char id[8];
        snprintf(id, sizeof(id), "%d", i);
        json_array_append_new(many, entry(id, "x"));
    }
    refused(f, 400, "AWS.SimpleQueueService.TooManyEntriesInBatchRequest",
            "TooManyEntriesInBatchRequest",
            "Maximum number of entries per request are 10. You have sent 20.", "SendMessageBatch",
            batch(many));
    refused(f, 400, "AWS.SimpleQueueService.BatchEntryIdsNotDistinct", "BatchEntryIdsNotDistinct",
            "Id a repeated.", "SendMessageBatch",
            batch(json_pack("[o, o]", entry("a", "1"), entry("a", "2"))));
    refused(f, 400, "AWS.SimpleQueueService.InvalidBatchEntryId", "InvalidBatchEntryId", NULL,
            "SendMessageBatch", batch(json_pack("[o]", entry("a b", "1"))));
    refused(f, 400, "AWS.SimpleQueueService.InvalidBatchEntryId", "InvalidBatchEntryId", NULL,
            "SendMessageBatch", batch(json_pack("[o]", entry("", "1"))));
    refused(f, 400, "MissingParameter", "MissingRequiredParameterException", NULL,
            "SendMessageBatch", json_pack("{s:s}", "QueueUrl", URL "q"));
    refused(f, 400, "MalformedInput", "SerializationException", NULL, "SendMessageBatch",
            json_pack("{s:s, s:s}", "QueueUrl", URL "q", "Entries", "x"));
    char *half = xmalloc(524290);
    memset(half, 'x', 524289);
    half[524289] = '\0';
    json_t *second = entry("b", half);
    half[524288] = '\0';
    refused(f, 400, "AWS.SimpleQueueService.BatchRequestTooLong", "BatchRequestTooLong",
            "Batch requests cannot be longer than 1048576 bytes. You have sent 1048577 bytes.",
            "SendMessageBatch", batch(json_pack("[o, o]", entry("a", half), second)));
    free(half);
}

static void a_full_store_takes_no_sends(void **state)
{
    struct fixture *f = *state;
    make_queue(f, "q", NULL, NULL);
    send_text(f, "q", "x");
    f->full = true;
    json_decref(
        call(f, "SendMessage", json_pack("{s:s, s:s}", "QueueUrl", URL "q", "MessageBody", "x")));
    assert_int_equal(f->status, 503);
    json_t *m = receive(f, "q");
    done(f, "DeleteMessage", with_handle("q", text_of(m, "ReceiptHandle")));
    json_decref(m);
}

/* ---- receiving */

static void delay_and_visibility_hide_messages(void **state)
{
    struct fixture *f = *state;
    make_queue(f, "q", "VisibilityTimeout", "10");
    done(f, "SendMessage",
         json_pack("{s:s, s:s, s:i}", "QueueUrl", URL "q", "MessageBody", "x", "DelaySeconds", 5));
    assert_int_equal(attribute_number(f, "q", "ApproximateNumberOfMessagesDelayed"), 1);
    assert_null(receive(f, "q"));
    f->now_ms += 4999;
    assert_null(receive(f, "q"));
    f->now_ms += 1;
    json_t *first = receive(f, "q");
    assert_non_null(first);
    assert_int_equal(attribute_number(f, "q", "ApproximateNumberOfMessagesNotVisible"), 1);
    f->now_ms += 9999;
    assert_null(receive(f, "q"));
    f->now_ms += 1;
    json_t *second = receive(f, "q");
    assert_string_equal(system_of(second, "ApproximateReceiveCount"), "2");
    assert_string_equal(system_of(second, "ApproximateFirstReceiveTimestamp"), "1800000005000");
    assert_string_not_equal(text_of(first, "ReceiptHandle"), text_of(second, "ReceiptHandle"));
    json_decref(first);
    json_decref(second);
}

static void receive_takes_up_to_ten(void **state)
{
    struct fixture *f = *state;
    make_queue(f, "q", NULL, NULL);
    for (int i = 0; i < 13; i++)
        send_text(f, "q", "x");
    json_t *out = ok(f, "ReceiveMessage",
                     json_pack("{s:s, s:i}", "QueueUrl", URL "q", "MaxNumberOfMessages", 10));
    assert_int_equal(json_array_size(json_object_get(out, "Messages")), 10);
    const json_t *m = json_array_get(json_object_get(out, "Messages"), 0);
    assert_null(json_object_get(m, "Attributes"));
    assert_null(json_object_get(m, "MessageAttributes"));
    json_decref(out);
    refused(f, 400, "InvalidParameterValue", "InvalidParameterValueException",
            "Value 11 for parameter MaxNumberOfMessages is invalid. Reason: Must be between 1 and "
            "10, if provided.",
            "ReceiveMessage",
            json_pack("{s:s, s:i}", "QueueUrl", URL "q", "MaxNumberOfMessages", 11));
    refused(f, 400, "InvalidParameterValue", "InvalidParameterValueException",
            "Value 21 for parameter WaitTimeSeconds is invalid. Reason: Must be >= 0 and <= 20, if "
            "provided.",
            "ReceiveMessage", json_pack("{s:s, s:i}", "QueueUrl", URL "q", "WaitTimeSeconds", 21));
    refused(f, 400, "InvalidParameterValue", "InvalidParameterValueException", NULL,
            "ReceiveMessage",
            json_pack("{s:s, s:i}", "QueueUrl", URL "q", "VisibilityTimeout", 43201));
    refused(f, 400, "InvalidAttributeName", "InvalidAttributeName", "Unknown Attribute X.",
            "ReceiveMessage",
            json_pack("{s:s, s:[s]}", "QueueUrl", URL "q", "MessageSystemAttributeNames", "X"));
    struct sqs_counts c = sqs_service_counts(f->sqs);
    assert_int_equal(c.messages_received, 10);
    assert_int_equal(c.receives, 1);
    assert_int_equal(c.sends, 13);
}

static void polls_wait_until_their_deadline(void **state)
{
    struct fixture *f = *state;
    make_queue(f, "q", NULL, NULL);
    json_t *in = json_pack("{s:s, s:i}", "QueueUrl", URL "q", "WaitTimeSeconds", 3);
    assert_null(call(f, "ReceiveMessage", json_incref(in)));
    assert_true(f->waits);
    assert_int_equal(f->last.deadline_ms, f->now_ms + 3000);
    f->draining = true;
    done(f, "ReceiveMessage", json_incref(in));
    f->draining = false;
    send_text(f, "q", "x");
    json_t *out = ok(f, "ReceiveMessage", json_incref(in));
    assert_int_equal(json_array_size(json_object_get(out, "Messages")), 1);
    json_decref(out);
    json_decref(in);
    make_queue(f, "w", "ReceiveMessageWaitTimeSeconds", "4");
    assert_null(call(f, "ReceiveMessage", json_pack("{s:s}", "QueueUrl", URL "w")));
    assert_int_equal(f->last.deadline_ms, f->now_ms + 4000);
    done(f, "ReceiveMessage", json_pack("{s:s, s:i}", "QueueUrl", URL "w", "WaitTimeSeconds", 0));
}

static void attribute_names_select(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *name;
        int found;
    } cases[] = {{"All", 2}, {".*", 2}, {"bar.*", 1}, {"foo", 1}, {"fo", 0}, {"bar", 0}};
    make_queue(f, "q", "VisibilityTimeout", "0");
    done(f, "SendMessage",
         json_pack("{s:s, s:s, s:{s:{s:s, s:s}, s:{s:s, s:s}}}", "QueueUrl", URL "q", "MessageBody",
                   "x", "MessageAttributes", "foo", "DataType", "String", "StringValue", "1",
                   "bar.x", "DataType", "String", "StringValue", "2"));
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        json_t *out = ok(
            f, "ReceiveMessage",
            json_pack("{s:s, s:[s]}", "QueueUrl", URL "q", "MessageAttributeNames", cases[i].name));
        const json_t *m = json_array_get(json_object_get(out, "Messages"), 0);
        assert_int_equal(json_object_size(json_object_get(m, "MessageAttributes")), cases[i].found);
        assert_int_equal(json_object_get(m, "MD5OfMessageAttributes") != NULL, cases[i].found > 0);
        json_decref(out);
    }
    json_t *out =
        ok(f, "ReceiveMessage",
           json_pack("{s:s, s:[s], s:[s]}", "QueueUrl", URL "q", "AttributeNames", "SentTimestamp",
                     "MessageSystemAttributeNames", "ApproximateReceiveCount"));
    const json_t *m = json_array_get(json_object_get(out, "Messages"), 0);
    assert_int_equal(json_object_size(json_object_get(m, "Attributes")), 2);
    json_decref(out);
}

/* ---- settling */

static void handles_follow_the_rules(void **state)
{
    struct fixture *f = *state;
    make_queue(f, "q", "VisibilityTimeout", "5");
    make_queue(f, "other", NULL, NULL);
    send_text(f, "q", "x");
    json_t *first = receive(f, "q");
    const char *old = text_of(first, "ReceiptHandle");
    refused(f, 404, "ReceiptHandleIsInvalid", "ReceiptHandleIsInvalid", NULL, "DeleteMessage",
            with_handle("other", old));
    refused(f, 404, "ReceiptHandleIsInvalid", "ReceiptHandleIsInvalid", NULL, "DeleteMessage",
            with_handle("q", "nonsense"));
    refused(f, 400, "MissingParameter", "MissingRequiredParameterException", NULL, "DeleteMessage",
            json_pack("{s:s}", "QueueUrl", URL "q"));
    f->now_ms += 6000;
    json_t *second = receive(f, "q");
    done(f, "DeleteMessage", with_handle("q", old)); /* succeeds, deletes nothing */
    assert_int_equal(attribute_number(f, "q", "ApproximateNumberOfMessagesNotVisible"), 1);
    refused(f, 400, "InvalidParameterValue", "InvalidParameterValueException", NULL,
            "ChangeMessageVisibility", with_visibility("q", old, 5));
    f->now_ms += 6000; /* expired, but nobody else has received it */
    done(f, "ChangeMessageVisibility", with_visibility("q", text_of(second, "ReceiptHandle"), 1));
    f->now_ms += 2000;
    done(f, "DeleteMessage", with_handle("q", text_of(second, "ReceiptHandle")));
    assert_int_equal(attribute_number(f, "q", "ApproximateNumberOfMessages"), 0);
    done(f, "DeleteMessage", with_handle("q", text_of(second, "ReceiptHandle")));
    assert_int_equal(sqs_service_counts(f->sqs).deletes, 1);
    json_decref(first);
    json_decref(second);
}

static void visibility_ends_at_twelve_hours(void **state)
{
    struct fixture *f = *state;
    make_queue(f, "q", NULL, NULL);
    send_text(f, "q", "x");
    json_t *m = receive(f, "q");
    const char *handle = text_of(m, "ReceiptHandle");
    done(f, "ChangeMessageVisibility", with_visibility("q", handle, 43200));
    f->now_ms += 1000;
    json_t *out = call(f, "ChangeMessageVisibility", with_visibility("q", handle, 43200));
    assert_int_equal(f->status, 400);
    assert_string_equal(f->code, "InvalidParameterValue;Sender");
    assert_non_null(strstr(text_of(out, "message"), "beyond the limit [43200 seconds]"));
    json_decref(out);
    done(f, "ChangeMessageVisibility", with_visibility("q", handle, 43199));
    refused(f, 400, "InvalidParameterValue", "InvalidParameterValueException", NULL,
            "ChangeMessageVisibility", with_visibility("q", handle, 43201));
    refused(f, 400, "MissingParameter", "MissingRequiredParameterException", NULL,
            "ChangeMessageVisibility", with_handle("q", handle));
    done(f, "ChangeMessageVisibility", with_visibility("q", handle, 0));
    json_t *again = receive(f, "q");
    assert_non_null(again);
    assert_int_equal(sqs_service_counts(f->sqs).visibility_changes, 3);
    json_decref(again);
    json_decref(m);
}

static void batches_settle_by_entry(void **state)
{
    struct fixture *f = *state;
    make_queue(f, "q", NULL, NULL);
    send_text(f, "q", "1");
    json_t *m = receive(f, "q");
    const char *handle = text_of(m, "ReceiptHandle");
    json_t *out = ok(f, "ChangeMessageVisibilityBatch",
                     batch(json_pack("[{s:s, s:s, s:i}, {s:s, s:s, s:i}]", "Id", "a",
                                     "ReceiptHandle", handle, "VisibilityTimeout", 9, "Id", "b",
                                     "ReceiptHandle", "bad", "VisibilityTimeout", 9)));
    assert_int_equal(json_array_size(json_object_get(out, "Successful")), 1);
    assert_string_equal(text_of(json_array_get(json_object_get(out, "Failed"), 0), "Code"),
                        "ReceiptHandleIsInvalid");
    json_decref(out);
    out =
        ok(f, "DeleteMessageBatch",
           batch(json_pack("[{s:s, s:s}, {s:s}]", "Id", "a", "ReceiptHandle", handle, "Id", "b")));
    assert_int_equal(json_array_size(json_object_get(out, "Successful")), 1);
    assert_string_equal(text_of(json_array_get(json_object_get(out, "Failed"), 0), "Code"),
                        "MissingParameter");
    json_decref(out);
    refused(f, 400, "AWS.SimpleQueueService.EmptyBatchRequest", "EmptyBatchRequest", NULL,
            "DeleteMessageBatch", batch(json_array()));
    json_decref(m);
}

/* ---- redrive, retention, undo */

static void redrive_moves_after_the_limit(void **state)
{
    struct fixture *f = *state;
    make_queue(f, "dlq", NULL, NULL);
    make_queue(f, "q", "RedrivePolicy",
               "{\"deadLetterTargetArn\":\"arn:aws:sqs:local:000000000000:dlq\","
               "\"maxReceiveCount\":\"2\"}");
    make_queue(f, "q", "RedrivePolicy",
               "{\"deadLetterTargetArn\":\"arn:aws:sqs:local:000000000000:dlq\","
               "\"maxReceiveCount\":2}");
    send_text(f, "q", "x");
    for (int i = 0; i < 2; i++) {
        json_t *m = receive(f, "q");
        assert_non_null(m);
        json_decref(m);
        f->now_ms += 30000;
    }
    assert_null(receive(f, "q"));
    json_t *dead = receive(f, "dlq");
    assert_string_equal(system_of(dead, "ApproximateReceiveCount"), "3");
    assert_string_equal(system_of(dead, "DeadLetterQueueSourceArn"),
                        "arn:aws:sqs:local:000000000000:q");
    json_decref(dead);
    assert_int_equal(sqs_service_counts(f->sqs).redriven, 1);

    static const char *const bad[] = {
        "{",
        "[]",
        "{}",
        "{\"deadLetterTargetArn\":\"x\"}",
        "{\"deadLetterTargetArn\":\"arn:aws:sqs:local:000000000000:none\"}",
        "{\"deadLetterTargetArn\":\"arn:aws:sqs:local:000000000000:q\"}",
        "{\"deadLetterTargetArn\":\"arn:aws:sqs:local:000000000000:dlq\",\"maxReceiveCount\":0}",
        "{\"deadLetterTargetArn\":\"arn:aws:sqs:local:000000000000:dlq\",\"maxReceiveCount\":"
        "\"x\"}",
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        refused(f, 400, "InvalidParameterValue", "InvalidParameterValueException", NULL,
                "SetQueueAttributes",
                json_pack("{s:s, s:{s:s}}", "QueueUrl", URL "q", "Attributes", "RedrivePolicy",
                          bad[i]));
    done(f, "SetQueueAttributes",
         json_pack("{s:s, s:{s:s}}", "QueueUrl", URL "q", "Attributes", "RedrivePolicy", ""));
    assert_int_equal(attribute_number(f, "q", "RedrivePolicy"), -1);
}

static void redrive_does_not_stop_behind_many(void **state)
{
    struct fixture *f = *state;
    make_queue(f, "dlq", NULL, NULL);
    make_queue(f, "q", "RedrivePolicy",
               "{\"deadLetterTargetArn\":\"arn:aws:sqs:local:000000000000:dlq\","
               "\"maxReceiveCount\":1}");
    for (int i = 0; i < 45; i++) {
        send_text(f, "q", "old");
        json_decref(receive(f, "q"));
    }
    f->now_ms += 30000;
    send_text(f, "q", "new");
    json_t *m = receive(f, "q");
    assert_string_equal(text_of(m, "Body"), "new");
    json_decref(m);
    assert_int_equal(attribute_number(f, "dlq", "ApproximateNumberOfMessages"), 45);
}

static int sweep(struct fixture *f)
{
    const struct service *s = sqs_service_table(f->sqs);
    struct service_context context = {.db = f->db, .now_ms = f->now_ms};
    bool wrote;
    assert_int_equal(db_begin(f->db), 0);
    assert_int_equal(s->sweep(s->state, &context), SERVICE_ANSWERED);
    assert_int_equal(db_commit(f->db, &wrote), 0);
    s->committed(s->state);
    return (int)sqs_service_counts(f->sqs).expired;
}

static void messages_live_for_ever_unless_set(void **state)
{
    struct fixture *f = *state;
    make_queue(f, "q", NULL, NULL);
    send_text(f, "q", "x");
    f->now_ms += 400LL * 24 * 3600 * 1000;
    assert_int_equal(sweep(f), 0);
    done(f, "SetQueueAttributes",
         json_pack("{s:s, s:{s:s}}", "QueueUrl", URL "q", "Attributes", "MessageRetentionPeriod",
                   "3600"));
    assert_null(receive(f, "q"));
    const struct service *s = sqs_service_table(f->sqs);
    struct service_context context = {.db = f->db, .now_ms = f->now_ms};
    assert_true(s->due_ms(s->state, &context, 1) == INT64_MAX);
    assert_int_equal(sweep(f), 1);
    send_text(f, "q", "y");
    f->now_ms += 3599000;
    json_decref(receive(f, "q"));
    assert_int_equal(sweep(f), 1);
    f->now_ms += 1000;
    assert_int_equal(sweep(f), 2);
}

static void assert_depth(struct fixture *f, const char *queue, int visible, int taken, int delayed)
{
    assert_int_equal(attribute_number(f, queue, "ApproximateNumberOfMessages"), visible);
    assert_int_equal(attribute_number(f, queue, "ApproximateNumberOfMessagesNotVisible"), taken);
    assert_int_equal(attribute_number(f, queue, "ApproximateNumberOfMessagesDelayed"), delayed);
}

static void numbers_follow_every_change(void **state)
{
    struct fixture *f = *state;
    make_queue(f, "dlq", NULL, NULL);
    make_queue(f, "q", "RedrivePolicy",
               "{\"deadLetterTargetArn\":\"arn:aws:sqs:local:000000000000:dlq\","
               "\"maxReceiveCount\":1}");
    assert_depth(f, "q", 0, 0, 0);
    for (int i = 0; i < 5; i++)
        send_text(f, "q", "x");
    done(f, "SendMessage",
         json_pack("{s:s, s:s, s:i}", "QueueUrl", URL "q", "MessageBody", "x", "DelaySeconds", 5));
    assert_depth(f, "q", 5, 0, 1);
    json_t *m = receive(f, "q");
    assert_depth(f, "q", 4, 1, 1);
    done(f, "DeleteMessage", with_handle("q", text_of(m, "ReceiptHandle")));
    json_decref(m);
    assert_depth(f, "q", 4, 0, 1);
    json_decref(receive(f, "q"));
    f->now_ms += 30000; /* the delay and the receive are over; the next receive moves the latter */
    assert_depth(f, "q", 5, 0, 0);
    json_decref(receive(f, "q"));
    assert_depth(f, "q", 3, 1, 0);
    assert_depth(f, "dlq", 1, 0, 0);
    done(f, "SetQueueAttributes",
         json_pack("{s:s, s:{s:s}}", "QueueUrl", URL "dlq", "Attributes", "MessageRetentionPeriod",
                   "3600"));
    f->now_ms += 3600000;
    assert_depth(f, "dlq", 0, 0, 0); /* not swept yet */
    sweep(f);
    assert_depth(f, "dlq", 0, 0, 0);
    assert_depth(f, "q", 4, 0, 0);
    static const char send[] = "INSERT INTO messages (queue, visible_at, sent_at, id, sender, "
                               "body_md5) SELECT id, 0, 0, 'i', '', '' FROM queues";
    assert_int_equal(db_begin(f->db), 0);
    assert_int_equal(db_run(f->db, send, ""), 0);
    db_rollback(f->db);
    assert_depth(f, "q", 4, 0, 0);
    done(f, "PurgeQueue", json_pack("{s:s}", "QueueUrl", URL "q"));
    assert_depth(f, "q", 0, 0, 0);
}

/* 500 questions about 100,000 messages: counting the messages each time would take half a minute.
 */
static void numbers_of_a_large_backlog_cost_little(void **state)
{
    static const char fill[] =
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000) "
        "INSERT INTO messages (queue, visible_at, sent_at, id, sender, body_md5) "
        "SELECT (SELECT id FROM queues), 0, 0, 'i', '', '' FROM n";
    struct fixture *f = *state;
    bool wrote;
    make_queue(f, "q", NULL, NULL);
    assert_int_equal(db_begin(f->db), 0);
    assert_int_equal(db_run(f->db, fill, ""), 0);
    assert_int_equal(db_commit(f->db, &wrote), 0);
    int64_t began = clock_mono_ms();
    for (int i = 0; i < 500; i++)
        assert_int_equal(attribute_number(f, "q", "ApproximateNumberOfMessages"), 100000);
    assert_in_range(clock_mono_ms() - began, 0, 3000);
}

static void undo_gives_the_receive_back(void **state)
{
    struct fixture *f = *state;
    const struct service *s = sqs_service_table(f->sqs);
    bool wrote;
    make_queue(f, "q", NULL, NULL);
    send_text(f, "q", "x");
    json_t *m = receive(f, "q");
    struct service_context context = {.db = f->db, .now_ms = f->now_ms};
    assert_int_equal(db_begin(f->db), 0);
    assert_int_equal(s->undo(s->state, &context, &f->last), SERVICE_ANSWERED);
    assert_int_equal(db_commit(f->db, &wrote), 0);
    s->committed(s->state);
    assert_int_equal(sqs_service_counts(f->sqs).returned, 1);
    json_t *again = receive(f, "q");
    assert_string_equal(system_of(again, "ApproximateReceiveCount"), "1");
    done(f, "DeleteMessage", with_handle("q", text_of(m, "ReceiptHandle"))); /* not this one */
    assert_int_equal(attribute_number(f, "q", "ApproximateNumberOfMessagesNotVisible"), 1);
    json_decref(again);
    json_decref(m);
}

static void a_clock_set_back_hides_nothing(void **state)
{
    struct fixture *f = *state;
    make_queue(f, "q", NULL, NULL);
    send_text(f, "q", "x");
    json_decref(receive(f, "q"));
    f->now_ms -= 24LL * 3600 * 1000;
    assert_null(receive(f, "q"));
    assert_int_equal(kept_time_recover(f->db, f->now_ms), 0);
    json_t *m = receive(f, "q");
    assert_non_null(m);
    assert_int_equal(kept_time_recover(f->db, f->now_ms), 0);
    assert_null(receive(f, "q"));
    json_decref(m);
}

static void note_time(struct fixture *f)
{
    static const char touch[] = "UPDATE queues SET modified_at = modified_at";
    bool wrote;
    assert_int_equal(db_begin(f->db), 0);
    assert_int_equal(kept_time_note(f->db, f->now_ms + 60000), 0); /* nothing was written */
    assert_int_equal(db_run(f->db, touch, ""), 0);
    assert_int_equal(kept_time_note(f->db, f->now_ms), 0);
    assert_int_equal(db_commit(f->db, &wrote), 0);
}

/* A clock that went back by less than SQS may hide a message for. */
static void a_clock_set_back_leaves_the_time_that_was_left(void **state)
{
    struct fixture *f = *state;
    make_queue(f, "q", "VisibilityTimeout", "60");
    note_time(f);
    send_text(f, "q", "x");
    send_text(f, "q", "y");
    json_decref(receive(f, "q"));
    f->now_ms += 9000;
    note_time(f); /* what is kept is not ten seconds old */
    f->now_ms -= 9000 + 3600 * 1000;
    assert_null(receive(f, "q"));
    assert_int_equal(kept_time_recover(f->db, f->now_ms), 0);
    json_t *y = receive(f, "q");
    assert_string_equal(text_of(y, "Body"), "y");
    json_decref(y);
    f->now_ms += 59999;
    assert_null(receive(f, "q"));
    f->now_ms += 1;
    json_t *x = receive(f, "q");
    assert_string_equal(text_of(x, "Body"), "x");
    json_decref(x);
    /* once is enough, and a clock that goes forward changes nothing */
    assert_int_equal(kept_time_recover(f->db, f->now_ms), 0);
    assert_int_equal(attribute_number(f, "q", "ApproximateNumberOfMessagesNotVisible"), 1);
}

static void unknown_operations_are_refused(void **state)
{
    struct fixture *f = *state;
    refused(f, 400, "InvalidAction", "UnknownOperationException", NULL, "TagQueue", json_object());
}

int main(void)
{
#define TEST(NAME) cmocka_unit_test_setup_teardown(NAME, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(queues_are_created_once),
        TEST(queues_are_found_and_listed),
        TEST(attributes_are_read_and_set),
        TEST(purge_empties_once_a_minute),
        TEST(send_returns_md5s_and_receive_the_same),
        TEST(bad_messages_are_refused),
        TEST(refusals_that_quote_are_text),
        TEST(batches_fail_whole_or_by_entry),
        TEST(a_full_store_takes_no_sends),
        TEST(delay_and_visibility_hide_messages),
        TEST(receive_takes_up_to_ten),
        TEST(polls_wait_until_their_deadline),
        TEST(attribute_names_select),
        TEST(handles_follow_the_rules),
        TEST(visibility_ends_at_twelve_hours),
        TEST(batches_settle_by_entry),
        TEST(redrive_moves_after_the_limit),
        TEST(redrive_does_not_stop_behind_many),
        TEST(messages_live_for_ever_unless_set),
        TEST(numbers_follow_every_change),
        TEST(numbers_of_a_large_backlog_cost_little),
        TEST(undo_gives_the_receive_back),
        TEST(a_clock_set_back_hides_nothing),
        TEST(a_clock_set_back_leaves_the_time_that_was_left),
        TEST(unknown_operations_are_refused),
    };
    return cmocka_run_group_tests_name("sqs_service", tests, NULL, NULL);
}
