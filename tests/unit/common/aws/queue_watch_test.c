#include "common/aws/queue_watch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/common/fake_aws.h"

#define ATTRIBUTES(receives)                                                                       \
    "{\"Attributes\":{\"VisibilityTimeout\":\"45\",\"RedrivePolicy\":\"{"                          \
    "\\\"maxReceiveCount\\\":" #receives ",\\\"deadLetterTargetArn\\\":\\\"a\\\"}\"}}"

static const struct queue_watch_options options = {.name = "q", .url = "http://q", .every_ms = 20};

struct seen {
    int calls;
    struct queue_attributes attributes;
    struct queue_watch *free_me; /* from inside the callback */
};

static void see(void *arg, const struct queue_attributes *attributes)
{
    struct seen *s = arg;
    s->calls++;
    s->attributes = *attributes;
    queue_watch_free(s->free_me);
}

static struct queue_watch *start(struct fake_aws *f, struct seen *s)
{
    struct queue_attributes known = {.max_message_bytes = 1048576,
                                     .visibility_s = 45,
                                     .max_receives = 5,
                                     .dead_letter_arn = "a"};
    return queue_watch_new(f->base, f->client, &f->endpoint, &options, &known, see, s);
}

/* The same, then a refusal, an answer without attributes, and another policy. */
static void only_what_has_changed_is_told(void **state)
{
    (void)state;
    static const struct fake_step steps[] = {
        {200, ATTRIBUTES(5), NULL, NULL, false},
        {403, "{\"__type\":\"x#AccessDenied\",\"message\":\"no\"}", NULL, NULL, false},
        {200, "{}", NULL, NULL, false},
        {200, ATTRIBUTES(7), NULL, NULL, false},
        {200, ATTRIBUTES(7), NULL, NULL, false},
        {200, ATTRIBUTES(9), NULL, NULL, false}};
    struct fake_aws f = fake_aws_new("sqs", steps, 6, true);
    struct seen s = {0};
    struct queue_watch *w = start(&f, &s);
    run_until(f.base, &s.calls, 1);
    assert_int_equal(f.server->request_count, 4);
    assert_int_equal(s.attributes.max_receives, 7);
    assert_int_equal(s.attributes.visibility_s, 45);
    s.free_me = w;
    run_until(f.base, &s.calls, 2);
    assert_int_equal(f.server->request_count, 6);
    assert_int_equal(s.attributes.max_receives, 9);
    for (size_t i = 0; i < 6; i++) {
        char *target = fake_header(f.server, i, "x-amz-target");
        assert_string_equal(target, "AmazonSQS.GetQueueAttributes");
        free(target);
    }
    fake_aws_free(&f);
}

static void giving_up_is_silent(void **state)
{
    (void)state;
    static const struct fake_step steps[] = {{0, NULL, NULL, NULL, false}};
    struct fake_aws f = fake_aws_new("sqs", steps, 1, true);
    struct seen s = {0};
    struct queue_watch *w = start(&f, &s);
    for (int i = 0; i < 5000 && f.server->request_count == 0; i++)
        run_ms(f.base, 1);
    assert_int_equal(f.server->request_count, 1);
    queue_watch_free(w);
    queue_watch_free(NULL);
    run_ms(f.base, 60);
    assert_int_equal(s.calls, 0);
    fake_aws_free(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_what_has_changed_is_told),
        cmocka_unit_test(giving_up_is_silent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
