#include "workers/consumer/poison.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "common/base/xalloc.h"

static struct webhook *read_it(const char *attribute, const char *body)
{
    const struct sqs_attribute list[] = {{"Other", "String", "{\"trace\":\"x\"}"},
                                         {"Sluice", "String", attribute}};
    const struct sqs_message m = {.id = "m-1",
                                  .body = body,
                                  .body_len = strlen(body),
                                  .attributes = list,
                                  .attribute_count = attribute ? 2 : 0,
                                  .sent_at_ms = 77};
    return poison_webhook(&m, "first", "q");
}

static void three_deaths_or_one_before_the_last_receive(void **state)
{
    (void)state;
    static const struct {
        int receives, kills, max_receives;
        bool expected;
    } cases[] = {{4, 3, 0, true},  {9, 2, 0, false}, {4, 3, 5, true},  {3, 2, 5, false},
                 {4, 1, 5, false}, {5, 1, 5, true},  {6, 1, 5, true},  {5, 0, 5, false},
                 {2, 1, 2, true},  {2, 1, 3, false}, {1, 0, 1, false}, {2, 1, 1, true}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct sqs_message m = {.receive_count = cases[i].receives};
        assert_int_equal(poison_is(&m, cases[i].kills, cases[i].max_receives), cases[i].expected);
    }
}

static void takes_what_our_ingest_wrote(void **state)
{
    (void)state;
    struct webhook ours = {.trace_id = "01M80G6G3F86AS23QM7S448FM9",
                           .source = (char *)(uintptr_t) "cxone",
                           .event_id = (char *)(uintptr_t) "t+1",
                           .content_type = (char *)(uintptr_t) "application/json",
                           .schema_version = (char *)(uintptr_t) "v2.1",
                           .body = (void *)(uintptr_t) "\x01\x02",
                           .body_len = 2};
    struct buf body = {0}, attribute = {0};
    webhook_to_message(&ours, &body, &attribute);
    struct webhook *h = read_it(attribute.data, body.data);
    assert_string_equal(h->trace_id, ours.trace_id);
    assert_string_equal(h->source, "cxone");
    assert_string_equal(h->event_id, "t+1");
    assert_string_equal(h->content_type, "application/json");
    assert_string_equal(h->schema_version, "v2.1");
    assert_int_equal(h->body_len, 2);
    assert_memory_equal(h->body, "\x01\x02", 2);
    webhook_free(h);
    buf_free(&body);
    buf_free(&attribute);
}

static void a_strangers_message_goes_as_it_is(void **state)
{
    (void)state;
    char trace[WEBHOOK_TRACE_BYTES];
    webhook_derived_trace("q", "m-1", trace);
    struct webhook *h = read_it(NULL, "{\"a\":");
    assert_string_equal(h->trace_id, trace);
    assert_string_equal(h->event_id, trace);
    assert_string_equal(h->source, "first");
    assert_string_equal(h->content_type, "");
    assert_int_equal(h->received_at_ms, 77);
    assert_int_equal(h->body_len, 5);
    assert_memory_equal(h->body, "{\"a\":", 5);
    webhook_free(h);
}

static void what_is_not_plain_is_not_taken(void **state)
{
    (void)state;
    struct webhook *h =
        read_it("{\"trace\":\"../../x\",\"event_id\":\"a\\\"b\",\"source\":\"\",\"enc\":"
                "\"base64\",\"sv\":\"no end",
                "not base64!");
    assert_memory_equal(h->trace_id, "DLQ-", 4);
    assert_string_equal(h->event_id, h->trace_id);
    assert_string_equal(h->source, "first");
    assert_string_equal(h->schema_version, "");
    assert_memory_equal(h->body, "not base64!", 11);
    webhook_free(h);
}

static void a_value_cannot_pose_as_a_member(void **state)
{
    (void)state;
    struct webhook *h =
        read_it("{\"event_id\":\"\\\"enc\\\":\\\"base64\\\"\",\"enc\":\"raw\"}", "YWJj");
    assert_memory_equal(h->body, "YWJj", 4);
    webhook_free(h);
}

static void an_empty_event_is_empty(void **state)
{
    (void)state;
    struct webhook *h = read_it("{\"enc\":\"empty\"}", " ");
    assert_int_equal(h->body_len, 0);
    webhook_free(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(three_deaths_or_one_before_the_last_receive),
        cmocka_unit_test(takes_what_our_ingest_wrote),
        cmocka_unit_test(a_strangers_message_goes_as_it_is),
        cmocka_unit_test(what_is_not_plain_is_not_taken),
        cmocka_unit_test(a_value_cannot_pose_as_a_member),
        cmocka_unit_test(an_empty_event_is_empty),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
