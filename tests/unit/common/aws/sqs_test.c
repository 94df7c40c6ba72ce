#include "common/aws/sqs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/buf.h"
#include "tests/unit/common/fake_aws.h"

#define QUEUE "http://store.local/000000000000/q"
#define HELLO_MD5 "5d41402abc4b2a76b9719d911017c592"
#define A1_MD5 "314c77b249893c6b3c765a42cc08b245" /* attribute a, String "1" */

static const struct sqs_options ONCE = {2000, 2000, 1};
static const struct sqs_attribute A1[] = {{"a", "String", "1"}};

struct entry {
    bool ok, sender_fault;
    enum aws_class class;
    char code[96], message[256], message_id[96];
};

struct seen {
    int calls;
    enum aws_class class;
    char code[96];
    size_t count;
    bool have_results;
    struct entry entries[SQS_BATCH_MAX];
    char url[256];
    bool have_url;
};

static void see_reply(struct seen *seen, const struct aws_reply *reply)
{
    seen->calls++;
    seen->class = reply->class;
    snprintf(seen->code, sizeof(seen->code), "%s", reply->code);
}

static void see_batch(void *arg, const struct aws_reply *reply,
                      const struct sqs_entry_result *results, size_t count)
{
    struct seen *seen = arg;
    see_reply(seen, reply);
    seen->count = count;
    seen->have_results = results != NULL;
    for (size_t i = 0; results && i < count; i++) {
        struct entry *e = &seen->entries[i];
        e->ok = results[i].ok;
        e->sender_fault = results[i].sender_fault;
        e->class = results[i].class;
        snprintf(e->code, sizeof(e->code), "%s", results[i].code);
        snprintf(e->message, sizeof(e->message), "%s", results[i].message);
        snprintf(e->message_id, sizeof(e->message_id), "%s", results[i].message_id);
    }
}

static void see_url(void *arg, const struct aws_reply *reply, const char *url)
{
    struct seen *seen = arg;
    see_reply(seen, reply);
    seen->have_url = url != NULL;
    snprintf(seen->url, sizeof(seen->url), "%s", url ? url : "");
}

static json_t *sent_body(const struct fake_aws *f, size_t n)
{
    json_t *json = json_loads(fake_body(f->server, n), 0, NULL);
    assert_non_null(json);
    return json;
}

static void assert_json(json_t *actual, const char *expected_text)
{
    json_t *expected = json_loads(expected_text, JSON_DECODE_ANY, NULL);
    assert_non_null(expected);
    if (!json_equal(actual, expected))
        fail_msg("got %s, expected %s", json_dumps(actual, 0), expected_text);
    json_decref(expected);
    json_decref(actual);
}

static void assert_target(const struct fake_aws *f, size_t n, const char *operation)
{
    char *target = fake_header(f->server, n, "x-amz-target");
    char *type = fake_header(f->server, n, "content-type");
    char *mode = fake_header(f->server, n, "x-amzn-query-mode");
    char *expected = xasprintf("AmazonSQS.%s", operation);
    assert_string_equal(target, expected);
    assert_string_equal(type, "application/x-amz-json-1.0");
    assert_string_equal(mode, "true");
    assert_true(fake_aws_signed(f, n));
    free(expected);
    free(target);
    free(type);
    free(mode);
}

static struct seen send_for(const char *answer, const struct sqs_outgoing *messages, size_t count)
{
    struct fake_step step = {200, answer, NULL, NULL, false};
    struct fake_aws f = fake_aws_new("sqs", &step, 1, true);
    struct seen seen = {0};
    sqs_send_batch(f.client, &f.endpoint, QUEUE, messages, count, &ONCE, see_batch, &seen);
    run_until(f.base, &seen.calls, 1);
    assert_int_equal(seen.class, AWS_OK);
    assert_int_equal(seen.count, count);
    assert_true(seen.have_results);
    fake_aws_free(&f);
    return seen;
}

#define HELLO {.body = "hello", .body_len = 5}
static const struct sqs_outgoing HELLOS[10] = {HELLO, HELLO, HELLO, HELLO, HELLO,
                                               HELLO, HELLO, HELLO, HELLO, HELLO};

static void a_batch_goes_out_as_sqs_wants_it(void **state)
{
    (void)state;
    static const struct fake_step steps[] = {{200, "{}", NULL, NULL, false}};
    static const struct sqs_attribute attributes[] = {
        {"b", "Binary.gzip", "AAH+/w=="}, {"n", "Number", "3"}, {"s", "String", "hé"}};
    const struct sqs_outgoing messages[] = {
        {.body = "hé \"x\"\n",
         .body_len = 8,
         .attributes = attributes,
         .attribute_count = 3,
         .delay_s = 5},
        {.body = "two", .body_len = 3, .group = "g 1", .deduplication_id = "d1"}};
    struct fake_aws f = fake_aws_new("sqs", steps, 1, true);
    struct seen seen = {0};
    sqs_send_batch(f.client, &f.endpoint, QUEUE, messages, 2, &ONCE, see_batch, &seen);
    run_until(f.base, &seen.calls, 1);
    assert_target(&f, 0, "SendMessageBatch");
    assert_json(sent_body(&f, 0),
                "{\"QueueUrl\":\"" QUEUE "\",\"Entries\":[{\"Id\":\"0\",\"MessageBody\":"
                "\"hé \\\"x\\\"\\n\",\"DelaySeconds\":5,\"MessageAttributes\":{"
                "\"b\":{\"DataType\":\"Binary.gzip\",\"BinaryValue\":\"AAH+/w==\"},"
                "\"n\":{\"DataType\":\"Number\",\"StringValue\":\"3\"},"
                "\"s\":{\"DataType\":\"String\",\"StringValue\":\"hé\"}}},"
                "{\"Id\":\"1\",\"MessageBody\":\"two\",\"MessageGroupId\":\"g 1\","
                "\"MessageDeduplicationId\":\"d1\"}]}");
    /* {} accounts for nothing. */
    assert_false(seen.entries[0].ok);
    assert_string_equal(seen.entries[1].code, "NotAnswered");
    fake_aws_free(&f);
}

static void nine_of_ten_succeed(void **state)
{
    (void)state;
    struct buf answer = {0};
    buf_puts(&answer, "{\"Failed\":[{\"Id\":\"4\",\"SenderFault\":false,\"Code\":\"InternalError\","
                      "\"Message\":\"try again\"}],\"Extra\":1,\"Successful\":[");
    for (int i = 9; i >= 0; i--) {
        if (i != 4)
            buf_printf(&answer,
                       "{\"Id\":\"%d\",\"MessageId\":\"m%d\",\"MD5OfMessageBody\":\"" HELLO_MD5
                       "\"}%s",
                       i, i, i ? "," : "]}");
    }
    struct seen seen = send_for(answer.data, HELLOS, 10);
    for (int i = 0; i < 10; i++) {
        char id[8];
        snprintf(id, sizeof(id), "m%d", i);
        assert_int_equal(seen.entries[i].ok, i != 4);
        assert_int_equal(seen.entries[i].class, i == 4 ? AWS_TRANSIENT : AWS_OK);
        assert_string_equal(seen.entries[i].message_id, i == 4 ? "" : id);
    }
    assert_string_equal(seen.entries[4].code, "InternalError");
    assert_string_equal(seen.entries[4].message, "try again");
    assert_false(seen.entries[4].sender_fault);
    buf_free(&answer);
}

static void what_the_answer_says_of_an_entry(void **state)
{
    (void)state;
    static const struct sqs_outgoing plain = HELLO,
                                     typed = {.body = "hello",
                                              .body_len = 5,
                                              .attributes = A1,
                                              .attribute_count = 1};
    static const struct {
        const char *answer;
        const struct sqs_outgoing *message;
        bool ok;
        enum aws_class class;
        const char *code;
    } CASES[] = {
#define GOOD "{\"Successful\":[{\"Id\":\"0\",\"MessageId\":\"m\""
        {GOOD ",\"MD5OfMessageBody\":\"" HELLO_MD5 "\"}]}", &plain, true, AWS_OK, ""},
        {GOOD ",\"MD5OfMessageBody\":\"5D41402ABC4B2A76B9719D911017C592\"}],\"Failed\":[]}", &plain,
         true, AWS_OK, ""},
        {GOOD ",\"MD5OfMessageBody\":\"" A1_MD5 "\"}]}", &plain, false, AWS_TRANSIENT,
         "BodyDamaged"},
        {GOOD ",\"MD5OfMessageBody\":\"" HELLO_MD5 "\",\"MD5OfMessageAttributes\":\"" A1_MD5
              "\"}]}",
         &typed, true, AWS_OK, ""},
        {GOOD ",\"MD5OfMessageBody\":\"" HELLO_MD5 "\",\"MD5OfMessageAttributes\":\"" HELLO_MD5
              "\"}]}",
         &typed, false, AWS_TRANSIENT, "AttributesDamaged"},
        {"{\"Successful\":[{\"Id\":\"0\"}]}", &plain, false, AWS_TRANSIENT, "NoMessageId"},
        {"{\"Successful\":[{\"Id\":\"1\",\"MessageId\":\"m\"}]}", &plain, false, AWS_TRANSIENT,
         "NotAnswered"},
        {"{\"Successful\":[{\"Id\":\"00\",\"MessageId\":\"m\"},{\"Id\":0},7,null]}", &plain, false,
         AWS_TRANSIENT, "NotAnswered"},
        {"{\"Successful\":{},\"Failed\":null}", &plain, false, AWS_TRANSIENT, "NotAnswered"},
        {GOOD "}],\"Failed\":[{\"Id\":\"0\",\"Code\":\"RequestThrottled\"}]}", &plain, false,
         AWS_THROTTLED, "RequestThrottled"},
        {"{\"Failed\":[{\"Id\":\"0\",\"SenderFault\":true,\"Code\":\"InvalidParameterValue\"}]}",
         &plain, false, AWS_INVALID, "InvalidParameterValue"},
        {"{\"Failed\":[{\"Id\":\"0\"}]}", &plain, false, AWS_TRANSIENT, "Failed"},
    };
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        struct seen seen = send_for(CASES[i].answer, CASES[i].message, 1);
        if (seen.entries[0].ok != CASES[i].ok || seen.entries[0].class != CASES[i].class ||
            strcmp(seen.entries[0].code, CASES[i].code))
            fail_msg("case %zu: %s", i, seen.entries[0].code);
    }
}

static void a_refused_call_has_no_results(void **state)
{
    (void)state;
    static const struct fake_step steps[] = {
        {400, "{\"__type\":\"com.amazonaws.sqs#QueueDoesNotExist\",\"message\":\"gone\"}",
         "x-amzn-query-error: AWS.SimpleQueueService.NonExistentQueue;Sender\r\n", NULL, false}};
    struct fake_aws f = fake_aws_new("sqs", steps, 1, true);
    struct seen seen = {0};
    sqs_send_batch(f.client, &f.endpoint, QUEUE, HELLOS, 3, &ONCE, see_batch, &seen);
    run_until(f.base, &seen.calls, 1);
    assert_int_equal(seen.class, AWS_MISSING);
    assert_string_equal(seen.code, "QueueDoesNotExist");
    assert_int_equal(seen.count, 3);
    assert_false(seen.have_results);
    fake_aws_free(&f);
}

static void deletes_and_visibility_changes(void **state)
{
    (void)state;
    static const struct fake_step steps[] = {
        {200, "{\"Successful\":[{\"Id\":\"0\"},{\"Id\":\"1\"}]}", NULL, NULL, false},
        {200,
         "{\"Successful\":[{\"Id\":\"1\"}],\"Failed\":[{\"Id\":\"0\",\"SenderFault\":true,"
         "\"Code\":\"ReceiptHandleIsInvalid\",\"Message\":\"no\"}]}",
         NULL, NULL, false}};
    static const char *const handles[] = {"h0", "h1"};
    static const int visibility_s[] = {0, 43200};
    struct fake_aws f = fake_aws_new("sqs", steps, 2, true);
    struct seen seen = {0};
    sqs_delete_batch(f.client, &f.endpoint, QUEUE, handles, 2, &ONCE, see_batch, &seen);
    run_until(f.base, &seen.calls, 1);
    assert_true(seen.entries[0].ok && seen.entries[1].ok);
    assert_target(&f, 0, "DeleteMessageBatch");
    assert_json(sent_body(&f, 0),
                "{\"QueueUrl\":\"" QUEUE "\",\"Entries\":[{\"Id\":\"0\",\"ReceiptHandle\":\"h0\"},"
                "{\"Id\":\"1\",\"ReceiptHandle\":\"h1\"}]}");
    sqs_change_visibility_batch(f.client, &f.endpoint, QUEUE, handles, visibility_s, 2, &ONCE,
                                see_batch, &seen);
    run_until(f.base, &seen.calls, 2);
    assert_true(!seen.entries[0].ok && seen.entries[1].ok);
    assert_int_equal(seen.entries[0].class, AWS_CONFLICT);
    assert_true(seen.entries[0].sender_fault);
    assert_target(&f, 1, "ChangeMessageVisibilityBatch");
    assert_json(sent_body(&f, 1),
                "{\"QueueUrl\":\"" QUEUE "\",\"Entries\":["
                "{\"Id\":\"0\",\"ReceiptHandle\":\"h0\",\"VisibilityTimeout\":0},"
                "{\"Id\":\"1\",\"ReceiptHandle\":\"h1\",\"VisibilityTimeout\":43200}]}");
    fake_aws_free(&f);
}

struct received {
    int calls;
    enum aws_class class;
    size_t count;
    int64_t first_byte;
    void (*check)(const struct sqs_message *messages);
};

static void see_messages(void *arg, const struct aws_reply *reply,
                         const struct sqs_message *messages, size_t count)
{
    struct received *r = arg;
    r->calls++;
    r->class = reply->class;
    r->count = count;
    r->first_byte = reply->http ? reply->http->first_byte_mono_ms : 0;
    if (r->check)
        r->check(messages);
}

static struct received receive(struct fake_step step, void (*check)(const struct sqs_message *))
{
    struct fake_aws f = fake_aws_new("sqs", &step, 1, true);
    struct received r = {.check = check};
    sqs_receive(f.client, &f.endpoint, QUEUE, 7, 20, 30, see_messages, &r);
    run_until(f.base, &r.calls, 1);
    assert_target(&f, 0, "ReceiveMessage");
    assert_int_equal(f.server->request_count, 1);
    assert_json(sent_body(&f, 0),
                "{\"QueueUrl\":\"" QUEUE "\",\"MaxNumberOfMessages\":7,\"WaitTimeSeconds\":20,"
                "\"VisibilityTimeout\":30,\"MessageSystemAttributeNames\":["
                "\"ApproximateReceiveCount\",\"SentTimestamp\","
                "\"ApproximateFirstReceiveTimestamp\",\"MessageGroupId\"],\"MessageAttributeNames\":[\"All\"]}");
    fake_aws_free(&f);
    return r;
}

static void check_messages(const struct sqs_message *m)
{
    assert_string_equal(m[0].id, "m0");
    assert_string_equal(m[0].receipt_handle, "h0");
    assert_string_equal(m[0].body, "hello");
    assert_int_equal(m[0].body_len, 5);
    assert_int_equal(m[0].receive_count, 3);
    assert_int_equal(m[0].sent_at_ms, 1795253400123);
    assert_int_equal(m[0].first_received_ms, 1795253401456);
    assert_int_equal(m[0].attribute_count, 3);
    for (size_t i = 0; i < 3; i++) {
        const struct sqs_attribute *a = &m[0].attributes[i];
        static const struct sqs_attribute ALL[] = {{"attempt", "Number", "3"},
                                                   {"blob", "Binary.gzip", "AAH+/w=="},
                                                   {"trace", "String", "h\xc3\xa9"}};
        size_t k = a->name[0] == 'a' ? 0 : a->name[0] == 'b' ? 1 : 2;
        assert_string_equal(a->name, ALL[k].name);
        assert_string_equal(a->type, ALL[k].type);
        assert_string_equal(a->value, ALL[k].value);
    }
    assert_false(m[0].damaged);
    assert_string_equal(m[0].group, "g1");
    assert_null(m[1].group);
    /* Nothing but a handle and a body. */
    assert_string_equal(m[1].id, "");
    assert_int_equal(m[1].receive_count, 0);
    assert_int_equal(m[1].attribute_count, 0);
    assert_false(m[1].damaged);
    assert_true(m[2].damaged); /* body */
    assert_true(m[3].damaged); /* attributes */
    assert_true(m[4].damaged); /* no body at all */
    assert_int_equal(m[5].body_len, 3);
    assert_memory_equal(m[5].body, "a\0b", 3);
    assert_int_equal(m[5].receive_count, 7);
}

static void messages_are_read(void **state)
{
    (void)state;
    static const char answer[] =
        "{\"Messages\":["
        "{\"MessageId\":\"m0\",\"ReceiptHandle\":\"h0\",\"Body\":\"hello\",\"MD5OfBody\":"
        "\"" HELLO_MD5 "\",\"Attributes\":{\"SentTimestamp\":\"1795253400123\","
        "\"ApproximateReceiveCount\":\"3\",\"ApproximateFirstReceiveTimestamp\":"
        "\"1795253401456\",\"SenderId\":\"x\",\"MessageGroupId\":\"g1\"},\"MessageAttributes\":{"
        "\"attempt\":{\"DataType\":\"Number\",\"StringValue\":\"3\"},"
        "\"blob\":{\"DataType\":\"Binary.gzip\",\"BinaryValue\":\"AAH+/w==\"},"
        "\"trace\":{\"DataType\":\"String\",\"StringValue\":\"h\\u00e9\"}},"
        "\"MD5OfMessageAttributes\":\"0e7f5a99c23b623c111039e42a8d033b\"},"
        "{\"ReceiptHandle\":\"h1\",\"Body\":\"x\",\"Attributes\":{\"SentTimestamp\":\"soon\"}},"
        "{\"MessageId\":\"no handle: left out\",\"Body\":\"x\"},"
        "{\"ReceiptHandle\":\"h2\",\"Body\":\"hellO\",\"MD5OfBody\":\"" HELLO_MD5 "\"},"
        "{\"ReceiptHandle\":\"h3\",\"Body\":\"x\",\"MessageAttributes\":{\"a\":{\"DataType\":"
        "\"String\",\"StringValue\":\"2\"}},\"MD5OfMessageAttributes\":\"" A1_MD5 "\"},"
        "{\"ReceiptHandle\":\"h4\"},"
        "{\"ReceiptHandle\":\"h5\",\"Body\":\"a\\u0000b\",\"Attributes\":{"
        "\"ApproximateReceiveCount\":7}}]}";
    int64_t before = clock_mono_ms();
    struct received r = receive((struct fake_step){200, answer, NULL, NULL, false}, check_messages);
    assert_int_equal(r.class, AWS_OK);
    assert_int_equal(r.count, 6);
    assert_true(r.first_byte >= before);
}

/* Seven were asked for: room for more was not kept. */
static void more_than_was_asked_for_is_left(void **state)
{
    (void)state;
    char answer[2048] = "{\"Messages\":[";
    for (int i = 0; i < 12; i++)
        strcat(answer, i ? ",{\"ReceiptHandle\":\"h\",\"Body\":\"b\"}"
                         : "{\"ReceiptHandle\":\"h\",\"Body\":\"b\"}");
    strcat(answer, "]}");
    struct received r = receive((struct fake_step){200, answer, NULL, NULL, false}, NULL);
    assert_int_equal(r.class, AWS_OK);
    assert_int_equal(r.count, 7);
}

static void nothing_received_is_not_an_error(void **state)
{
    (void)state;
    static const char *const ANSWERS[] = {"{}", "{\"Messages\":[]}", "{\"Messages\":null}",
                                          "{\"Messages\":[1,{}]}"};
    for (size_t i = 0; i < sizeof(ANSWERS) / sizeof(ANSWERS[0]); i++) {
        struct received r = receive((struct fake_step){200, ANSWERS[i], NULL, NULL, false}, NULL);
        assert_int_equal(r.class, AWS_OK);
        assert_int_equal(r.count, 0);
    }
    for (int status = 200; status <= 503; status += 303) { /* what is empty was said by nobody */
        struct received r = receive((struct fake_step){status, "", NULL, NULL, false}, NULL);
        assert_int_equal(r.class, AWS_TRANSIENT);
        assert_int_equal(r.count, 0);
    }
}

static void queues_are_named_and_found(void **state)
{
    (void)state;
    static const struct fake_step steps[] = {
        {200, "{\"QueueUrl\":\"" QUEUE "\"}", NULL, NULL, false},
        {200, "{\"QueueUrl\":\"" QUEUE "\"}", NULL, NULL, false},
        {200, "{}", NULL, NULL, false},
        {400, "{\"__type\":\"QueueDoesNotExist\"}", NULL, NULL, false},
    };
    struct fake_aws f = fake_aws_new("sqs", steps, 4, true);
    struct seen seen = {0};
    sqs_create_queue(f.client, &f.endpoint, "q", &ONCE, see_url, &seen);
    run_until(f.base, &seen.calls, 1);
    assert_string_equal(seen.url, QUEUE);
    assert_target(&f, 0, "CreateQueue");
    assert_json(sent_body(&f, 0), "{\"QueueName\":\"q\"}");
    sqs_get_queue_url(f.client, &f.endpoint, "q", &ONCE, see_url, &seen);
    run_until(f.base, &seen.calls, 2);
    assert_target(&f, 1, "GetQueueUrl");
    assert_string_equal(seen.url, QUEUE);
    sqs_get_queue_url(f.client, &f.endpoint, "q", &ONCE, see_url, &seen);
    run_until(f.base, &seen.calls, 3);
    assert_int_equal(seen.class, AWS_TRANSIENT);
    assert_string_equal(seen.code, "UnreadableAnswer");
    assert_false(seen.have_url);
    sqs_get_queue_url(f.client, &f.endpoint, "q", &ONCE, see_url, &seen);
    run_until(f.base, &seen.calls, 4);
    assert_int_equal(seen.class, AWS_MISSING);
    assert_false(seen.have_url);
    fake_aws_free(&f);
}

static void see_attributes(void *arg, const struct aws_reply *reply)
{
    struct seen *seen = arg;
    see_reply(seen, reply);
    const json_t *attributes = json_object_get(reply->json, "Attributes");
    snprintf(seen->url, sizeof(seen->url), "%s",
             json_string_value(json_object_get(attributes, "ApproximateNumberOfMessages")));
}

static void queue_attributes_are_asked(void **state)
{
    (void)state;
    static const struct fake_step steps[] = {
        {200, "{\"Attributes\":{\"ApproximateNumberOfMessages\":\"12\"}}", NULL, NULL, false}};
    struct fake_aws f = fake_aws_new("sqs", steps, 1, true);
    struct seen seen = {0};
    sqs_get_queue_attributes(f.client, &f.endpoint, QUEUE, &ONCE, see_attributes, &seen);
    run_until(f.base, &seen.calls, 1);
    assert_string_equal(seen.url, "12");
    assert_target(&f, 0, "GetQueueAttributes");
    assert_json(sent_body(&f, 0), "{\"QueueUrl\":\"" QUEUE "\",\"AttributeNames\":[\"All\"]}");
    fake_aws_free(&f);
}

/* A parked poll holds its connection; sends, deletes and extensions pass it. A cancelled call leaks
 * nothing (seen by the sanitizer). */
static void sends_pass_parked_polls(void **state)
{
    (void)state;
    static const struct fake_step steps[] = {
        {0, NULL, NULL, NULL, false},
        {200, "{\"Successful\":[{\"Id\":\"0\",\"MessageId\":\"m\"}]}", NULL, NULL, false}};
    struct fake_aws f = fake_aws_new("sqs", steps, 2, true);
    struct received r = {0};
    struct seen seen = {0};
    uint64_t id = sqs_receive(f.client, &f.endpoint, QUEUE, 10, 20, 30, see_messages, &r);
    run_ms(f.base, 50);
    sqs_send_batch(f.client, &f.endpoint, QUEUE, HELLOS, 1, &ONCE, see_batch, &seen);
    run_until(f.base, &seen.calls, 1);
    assert_true(seen.entries[0].ok);
    assert_int_equal(f.server->connection_count, 2);
    aws_cancel(f.client, id);
    run_ms(f.base, 50);
    assert_int_equal(r.calls, 0);
    fake_aws_free(&f);
}

static void a_batch_of_a_mebibyte(void **state)
{
    (void)state;
    char *body = xmalloc(SQS_MESSAGE_BYTES);
    memset(body, '"', SQS_MESSAGE_BYTES); /* doubles in JSON */
    struct sqs_outgoing message = {.body = body, .body_len = SQS_MESSAGE_BYTES};
    struct seen seen =
        send_for("{\"Successful\":[{\"Id\":\"0\",\"MessageId\":\"m\"}]}", &message, 1);
    assert_true(seen.entries[0].ok);
    free(body);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_batch_goes_out_as_sqs_wants_it),
        cmocka_unit_test(nine_of_ten_succeed),
        cmocka_unit_test(what_the_answer_says_of_an_entry),
        cmocka_unit_test(a_refused_call_has_no_results),
        cmocka_unit_test(deletes_and_visibility_changes),
        cmocka_unit_test(messages_are_read),
        cmocka_unit_test(more_than_was_asked_for_is_left),
        cmocka_unit_test(nothing_received_is_not_an_error),
        cmocka_unit_test(queues_are_named_and_found),
        cmocka_unit_test(queue_attributes_are_asked),
        cmocka_unit_test(sends_pass_parked_polls),
        cmocka_unit_test(a_batch_of_a_mebibyte),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
