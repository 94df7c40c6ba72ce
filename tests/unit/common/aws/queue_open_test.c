#include "common/aws/queue_open.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/aws/endpoint.h"
#include "tests/unit/common/fake_aws.h"

#define QUEUE "http://store.local/000000000000/q"
#define ATTRIBUTES                                                                                 \
    "{\"Attributes\":{\"VisibilityTimeout\":\"45\",\"RedrivePolicy\":"                             \
    "\"{\\\"maxReceiveCount\\\":5,\\\"deadLetterTargetArn\\\":\\\"arn:aws:sqs:local:0:d\\\"}\"}}"

struct opened {
    int calls;
    char url[128];
    struct queue_attributes attributes;
    struct opening *free_me; /* from inside the callback */
};

static const struct queue_open_options options = {.key = "q", .name = "q", .role = "consumer"};

static void see(void *arg, const char *url, const struct queue_attributes *attributes)
{
    struct opened *o = arg;
    o->calls++;
    o->attributes = *attributes;
    snprintf(o->url, sizeof(o->url), "%s", url);
    opening_free(o->free_me);
}

/* (The first connection is closed: libcurl would send the second request again by itself where a
 * kept connection ends.) No key, then a store that refuses, breaks and talks nonsense, then a
 * queue. */
static void everything_is_waited_out(void **state)
{
    (void)state;
    static const struct fake_step steps[] = {
        {403, "{\"__type\":\"x#AccessDenied\",\"message\":\"no\"}", NULL, NULL, true},
        {0, NULL, NULL, NULL, true},
        {200, "nonsense", NULL, NULL, false},
        {200, "{\"QueueUrl\":\"" QUEUE "\"}", NULL, NULL, false},
        {200, ATTRIBUTES, NULL, NULL, false}};
    struct fake_aws f = fake_aws_new("sqs", steps, 5, false);
    struct opened o = {0};
    struct opening *open = queue_open_start(f.base, f.client, &f.endpoint, &options, see, &o);
    assert_non_null(strstr(opening_waiting(open), "queue \"q\": "));
    run_ms(f.base, 100);
    fake_aws_keys(&f, "");
    for (int i = 0; i < 1000 && !strstr(opening_waiting(open), "AccessDenied"); i++)
        run_ms(f.base, 5);
    assert_string_equal(
        opening_waiting(open),
        "queue \"q\": sqs:CreateQueue is denied; allow it to the account of this service, "
        "etc/iam/consumer.json is the policy that this worker needs (AccessDenied: no)");
    assert_string_equal(opening_error(open), opening_waiting(open));
    run_until(f.base, &o.calls, 1);
    assert_int_equal(f.server->request_count, 5);
    assert_string_equal(o.url, QUEUE);
    assert_int_equal(o.attributes.visibility_s, 45);
    assert_int_equal(o.attributes.max_receives, 5);
    assert_null(opening_waiting(open));
    assert_null(opening_error(open));
    for (int i = 1; i < 4; i++) { /* 50 to 100 ms, doubling; what is more is the machine's */
        int64_t gap_ms = f.server->at_ms[i] - f.server->at_ms[i - 1];
        assert_in_range(gap_ms, (50 << (i - 1)) - 5, (100 << (i - 1)) + 5000);
    }
    run_ms(f.base, 50);
    assert_int_equal(o.calls, 1);
    opening_free(open);
    fake_aws_free(&f);
}

static void a_store_that_comes_late(void **state)
{
    (void)state;
    static const struct fake_step steps[] = {
        {200, "{\"QueueUrl\":\"" QUEUE "\"}", NULL, NULL, false},
        {200, ATTRIBUTES, NULL, NULL, false}};
    char dir[] = "/tmp/sluice-unit-XXXXXX";
    assert_non_null(mkdtemp(dir));
    json_t *conf = json_pack("{s:s}", "run_dir", dir);
    struct endpoint *endpoint = endpoint_new(conf, "embedded", "sqs");
    json_decref(conf);
    const struct aws_endpoint *e = endpoint_aws(endpoint);
    assert_string_equal(e->url, "http://store.local");
    assert_string_equal(e->identity, "embedded");
    assert_string_equal(e->region, "local");
    assert_string_equal(e->service, "sqs");
    struct fake_aws f = fake_aws_new("sqs", steps, 2, true);
    struct opened o = {0};
    o.free_me = queue_open_start(f.base, f.client, e, &options, see, &o);
    run_ms(f.base, 100);
    assert_int_equal(o.calls, 0);
    assert_non_null(strstr(opening_waiting(o.free_me), "cannot be reached"));
    struct fake_http *store = fake_unix(f.base, e->unix_socket, steps, 2);
    run_until(f.base, &o.calls, 1);
    assert_string_equal(o.url, QUEUE);
    fake_free(store);
    fake_aws_free(&f);
    assert_int_equal(unlink(e->unix_socket) | rmdir(dir), 0);
    endpoint_free(endpoint);
    endpoint_free(NULL);
}

static void giving_up_is_silent(void **state)
{
    (void)state;
    static const struct fake_step steps[] = {{0, NULL, NULL, NULL, false}};
    struct fake_aws f = fake_aws_new("sqs", steps, 1, true);
    struct opened o = {0};
    struct opening *asking = queue_open_start(f.base, f.client, &f.endpoint, &options, see, &o);
    run_ms(f.base, 30);
    opening_free(asking);
    run_ms(f.base, 30);
    assert_int_equal(o.calls, 0);
    opening_free(NULL);
    fake_aws_free(&f);
}

/* A queue with a URL is never created; what is wrong is said with the fix, and waited out. */
static void a_queue_at_aws_is_only_looked_at(void **state)
{
    (void)state;
    static const struct fake_step steps[] = {
        {400, "{\"__type\":\"x#QueueDoesNotExist\",\"message\":\"none\"}", NULL, NULL, false},
        {200, "{}", NULL, NULL, false}};
    static const struct queue_open_options there = {
        .key = "orders", .name = "orders", .url = "http://aws.example/1/orders", .role = "ingest"};
    struct fake_aws f = fake_aws_new("sqs", steps, 2, true);
    struct opened o = {0};
    struct opening *open = queue_open_start(f.base, f.client, &f.endpoint, &there, see, &o);
    for (int i = 0; i < 1000 && !opening_error(open); i++)
        run_ms(f.base, 1);
    assert_string_equal(
        opening_error(open),
        "queue \"orders\" (http://aws.example/1/orders): it does not exist in region "
        "local (QueueDoesNotExist); create it there, or correct queues.orders");
    run_until(f.base, &o.calls, 1);
    assert_string_equal(o.url, "http://aws.example/1/orders");
    assert_int_equal(o.attributes.max_message_bytes, 1048576);
    assert_int_equal(f.server->request_count, 2);
    for (size_t i = 0; i < 2; i++) {
        char *target = fake_header(f.server, i, "x-amz-target");
        assert_string_equal(target, "AmazonSQS.GetQueueAttributes");
        free(target);
    }
    opening_free(open);
    fake_aws_free(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everything_is_waited_out),
        cmocka_unit_test(a_store_that_comes_late),
        cmocka_unit_test(giving_up_is_silent),
        cmocka_unit_test(a_queue_at_aws_is_only_looked_at),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
