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

struct opened {
    int calls;
    char url[128];
    struct queue_open *free_me; /* from inside the callback */
};

static void see(void *arg, const char *url)
{
    struct opened *o = arg;
    o->calls++;
    snprintf(o->url, sizeof(o->url), "%s", url);
    queue_open_free(o->free_me);
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
        {200, "{\"QueueUrl\":\"" QUEUE "\"}", NULL, NULL, false}};
    struct fake_aws f = fake_aws_new("sqs", steps, 4, false);
    struct opened o = {0};
    struct queue_open *open = queue_open_start(f.base, f.client, &f.endpoint, "q", "", see, &o);
    assert_non_null(strstr(queue_open_waiting(open), "queue \"q\": "));
    run_ms(f.base, 100);
    fake_aws_keys(&f, "");
    for (int i = 0; i < 1000 && !strstr(queue_open_waiting(open), "AccessDenied"); i++)
        run_ms(f.base, 5);
    assert_string_equal(queue_open_waiting(open), "queue \"q\": AccessDenied: no");
    run_until(f.base, &o.calls, 1);
    assert_int_equal(f.server->request_count, 4);
    assert_string_equal(o.url, QUEUE);
    assert_null(queue_open_waiting(open));
    for (int i = 1; i < 4; i++) { /* 50 to 100 ms, doubling */
        int64_t gap_ms = f.server->at_ms[i] - f.server->at_ms[i - 1];
        assert_in_range(gap_ms, (50 << (i - 1)) - 5, (100 << (i - 1)) + 200);
    }
    run_ms(f.base, 50);
    assert_int_equal(o.calls, 1);
    queue_open_free(open);
    fake_aws_free(&f);
}

/* On AWS a queue is asked for by its URL until it is there, and never created. */
static void a_queue_on_aws_is_not_created(void **state)
{
    (void)state;
    static const struct fake_step steps[] = {
        {400, "{\"__type\":\"x#QueueDoesNotExist\",\"message\":\"no\"}", NULL, NULL, false},
        {200, "{\"Attributes\":{}}", NULL, NULL, false}};
    struct fake_aws f = fake_aws_new("sqs", steps, 2, true);
    struct opened o = {0};
    struct queue_open *open = queue_open_start(f.base, f.client, &f.endpoint, "q", QUEUE, see, &o);
    run_until(f.base, &o.calls, 1);
    assert_string_equal(o.url, QUEUE);
    assert_null(queue_open_waiting(open));
    assert_int_equal(f.server->request_count, 2);
    for (size_t i = 0; i < 2; i++) {
        char *target = fake_header(f.server, i, "x-amz-target");
        assert_string_equal(target, "AmazonSQS.GetQueueAttributes");
        assert_non_null(strstr(fake_body(f.server, i), QUEUE));
        free(target);
    }
    queue_open_free(open);
    fake_aws_free(&f);
}

static void a_store_that_comes_late(void **state)
{
    (void)state;
    static const struct fake_step steps[] = {
        {200, "{\"QueueUrl\":\"" QUEUE "\"}", NULL, NULL, false}};
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
    struct fake_aws f = fake_aws_new("sqs", steps, 1, true);
    struct opened o = {0};
    o.free_me = queue_open_start(f.base, f.client, e, "q", "", see, &o);
    run_ms(f.base, 100);
    assert_int_equal(o.calls, 0);
    assert_non_null(strstr(queue_open_waiting(o.free_me), "Unreachable"));
    struct fake_http *store = fake_unix(f.base, e->unix_socket, steps, 1);
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
    struct queue_open *asking = queue_open_start(f.base, f.client, &f.endpoint, "q", "", see, &o);
    run_ms(f.base, 30);
    queue_open_free(asking);
    run_ms(f.base, 30);
    assert_int_equal(o.calls, 0);
    queue_open_free(NULL);
    fake_aws_free(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everything_is_waited_out),
        cmocka_unit_test(a_queue_on_aws_is_not_created),
        cmocka_unit_test(a_store_that_comes_late),
        cmocka_unit_test(giving_up_is_silent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
