#include "workers/consumer/route.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "common/delivery/backoff.h"

#define NOW INT64_C(1764000000000)

static struct source source_with(const json_t *conf)
{
    return (struct source){.name = "genesys",
                           .conf = conf,
                           .body_is_json = true,
                           .base_s = 1,
                           .cap_s = 30,
                           .max_retries = 5,
                           .age_limit_ms = 1000000};
}

static json_t *rules(void)
{
    return json_pack("{s:[s],s:{s:[s]}}", "required", "/id", "require", "/status",
                     "CALL_COMPLETED");
}

static struct webhook hook_with(const char *body, int64_t received_at_ms)
{
    struct webhook h = {.source = (char *)(uintptr_t) "genesys",
                        .event_id = (char *)(uintptr_t) "e1",
                        .received_at_ms = received_at_ms,
                        .body = (void *)(uintptr_t)body,
                        .body_len = strlen(body)};
    return h;
}

static struct route received(const char *body, int count, int64_t age_ms, bool damaged)
{
    json_t *conf = rules();
    struct source s = source_with(conf);
    struct webhook h = hook_with(body, NOW - age_ms);
    const struct sqs_message m = {.receive_count = count, .sent_at_ms = NOW, .damaged = damaged};
    struct route r;
    route_received(&s, &m, &h, "", NOW, &r);
    json_decref(conf);
    return r;
}

#define GOOD "{\"id\":1,\"status\":\"CALL_COMPLETED\"}"

static void what_is_good_is_delivered_six_times_at_most(void **state)
{
    (void)state;
    for (int count = 1; count <= 20; count++) {
        struct route r = received(GOOD, count, 0, false);
        assert_int_equal(r.action, count <= 6 ? ROUTE_DELIVER : ROUTE_DEAD);
        assert_string_equal(r.class, count <= 6 ? "" : "exhausted");
    }
}

static void what_is_malformed_is_inspected_whatever_its_age_and_count(void **state)
{
    (void)state;
    for (int count = 1; count <= 9; count += 4) {
        for (int64_t age = 0; age <= 2000000; age += 1000000) {
            assert_int_equal(received("{\"id\":", count, age, false).action, ROUTE_INSPECT);
            assert_int_equal(received(GOOD, count, age, true).action, ROUTE_INSPECT);
        }
    }
    json_t *conf = rules();
    struct source s = source_with(conf);
    const struct sqs_message m = {.receive_count = 1};
    struct route r;
    route_received(&s, &m, NULL, "no such encoding", NOW, &r);
    assert_int_equal(r.action, ROUTE_INSPECT);
    assert_string_equal(r.reason, "no such encoding");
    json_decref(conf);
}

static void any_body_passes_where_any_is_allowed(void **state)
{
    (void)state;
    json_t *conf = json_pack("{s:[],s:{}}", "required", "require");
    struct source s = source_with(conf);
    s.body_is_json = false;
    struct webhook h = hook_with("not json", NOW);
    const struct sqs_message m = {.receive_count = 1, .sent_at_ms = NOW};
    struct route r;
    route_received(&s, &m, &h, "", NOW, &r);
    assert_int_equal(r.action, ROUTE_DELIVER);
    json_decref(conf);
}

static void the_age_limit_counts_from_the_receipt(void **state)
{
    (void)state;
    assert_int_equal(received(GOOD, 1, 1000000, false).action, ROUTE_DELIVER);
    struct route r = received(GOOD, 1, 1000001, false);
    assert_int_equal(r.action, ROUTE_DEAD);
    assert_string_equal(r.class, "expired");
    /* A stranger's message has no receipt time of ours: when it was sent counts. */
    json_t *conf = rules();
    struct source s = source_with(conf);
    struct webhook h = hook_with(GOOD, 0);
    const struct sqs_message m = {.receive_count = 1, .sent_at_ms = NOW - 2000000};
    route_received(&s, &m, &h, "", NOW, &r);
    assert_string_equal(r.class, "expired");
    json_decref(conf);
}

static void broken_rules_are_dead_at_once(void **state)
{
    (void)state;
    assert_string_equal(received("{\"status\":\"CALL_COMPLETED\"}", 1, 0, false).class,
                        "validation");
    struct route r = received("{\"id\":1,\"status\":\"RINGING\"}", 1, 0, false);
    assert_int_equal(r.action, ROUTE_DEAD);
    assert_string_equal(r.class, "unsupported_status");
}

static void a_failed_attempt_backs_off_or_dies(void **state)
{
    (void)state;
    struct source s = source_with(NULL);
    struct webhook h = hook_with(GOOD, NOW);
    struct route r;
    for (int attempt = 1; attempt <= 12; attempt++) {
        const struct delivery_outcome retry = {
            .verdict = RETRY, .class = "destination", .error = "no"};
        const struct delivery_outcome never = {
            .verdict = DEAD, .class = "rejected", .error = "never"};
        route_failed(&s, &h, attempt, &never, 0, &r);
        assert_int_equal(r.action, ROUTE_DEAD);
        assert_string_equal(r.class, "rejected");
        assert_string_equal(r.reason, "never");
        route_failed(&s, &h, attempt, &retry, 0, &r);
        if (attempt <= 5) {
            struct backoff_range range = backoff_range(1, 30, attempt - 1);
            assert_int_equal(r.action, ROUTE_BACKOFF);
            assert_in_range(r.delay_s, range.lo_s, range.hi_s);
            assert_int_equal(r.delay_s, backoff_delay_s(1, 30, attempt - 1, "e1"));
        } else {
            assert_int_equal(r.action, ROUTE_DEAD);
            assert_string_equal(r.class, "exhausted");
            assert_string_equal(r.reason, "no");
        }
    }
    s.max_retries = 0;
    const struct delivery_outcome retry = {.verdict = RETRY, .class = "timeout", .error = "no"};
    route_failed(&s, &h, 1, &retry, 0, &r);
    assert_int_equal(r.action, ROUTE_DEAD);
}

static void a_backoff_stays_within_twelve_hours(void **state)
{
    (void)state;
    struct source s = source_with(NULL);
    s.base_s = s.cap_s = 43200;
    struct webhook h = hook_with(GOOD, NOW);
    const struct delivery_outcome retry = {.verdict = RETRY, .class = "", .error = ""};
    struct route r;
    for (int64_t held_s = 0; held_s <= 43300; held_s += 50) {
        route_failed(&s, &h, 1, &retry, held_s * 1000, &r);
        assert_int_equal(r.action, ROUTE_BACKOFF);
        assert_true(r.delay_s >= 0 && (r.delay_s == 0 || r.delay_s + held_s <= 43200));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_good_is_delivered_six_times_at_most),
        cmocka_unit_test(what_is_malformed_is_inspected_whatever_its_age_and_count),
        cmocka_unit_test(any_body_passes_where_any_is_allowed),
        cmocka_unit_test(the_age_limit_counts_from_the_receipt),
        cmocka_unit_test(broken_rules_are_dead_at_once),
        cmocka_unit_test(a_failed_attempt_backs_off_or_dies),
        cmocka_unit_test(a_backoff_stays_within_twelve_hours),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
