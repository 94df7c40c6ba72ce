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
    static struct queue queue;
    return (struct source){.name = "genesys",
                           .conf = conf,
                           .queue = &queue,
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
    if (route_readable(&s, &m, &h, "", &r))
        route_received(&s, &m, &h, NULL, m.receive_count, NOW, &r);
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
    assert_false(route_readable(&s, &m, NULL, "no such encoding", &r));
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
    assert_true(route_readable(&s, &m, &h, "", &r));
    route_received(&s, &m, &h, NULL, m.receive_count, NOW, &r);
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
    assert_true(route_readable(&s, &m, &h, "", &r));
    route_received(&s, &m, &h, NULL, m.receive_count, NOW, &r);
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
        route_failed(&s, &h, attempt, &never, &r);
        assert_int_equal(r.action, ROUTE_DEAD);
        assert_string_equal(r.class, "rejected");
        assert_string_equal(r.reason, "never");
        route_failed(&s, &h, attempt, &retry, &r);
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
    route_failed(&s, &h, 1, &retry, &r);
    assert_int_equal(r.action, ROUTE_DEAD);
}

static void a_destination_can_ask_for_a_longer_wait(void **state)
{
    (void)state;
    struct source s = source_with(NULL);
    struct webhook h = hook_with(GOOD, NOW);
    struct delivery_outcome retry = {
        .verdict = RETRY, .class = "destination", .error = "no", .retry_after_s = 120};
    struct route r;
    route_failed(&s, &h, 1, &retry, &r);
    assert_int_equal(r.action, ROUTE_BACKOFF);
    assert_int_equal(r.delay_s, 120);
    retry.retry_after_s = 1; /* less than the backoff */
    route_failed(&s, &h, 5, &retry, &r);
    assert_int_equal(r.delay_s, backoff_delay_s(1, 30, 4, "e1"));
    retry.retry_after_s = 120; /* it gives no attempt more */
    route_failed(&s, &h, 6, &retry, &r);
    assert_int_equal(r.action, ROUTE_DEAD);
}

/* What the ledger counts is not counted by receives, but an event that is received for ever ends.
 */
static void with_the_ledger_only_a_stuck_message_ends(void **state)
{
    (void)state;
    json_t *conf = rules();
    struct source s = source_with(conf);
    struct webhook h = hook_with(GOOD, NOW);
    struct route r;
    const struct ledger_record record = {.attempts = 1};
    for (int count = 1; count <= 110; count++) {
        const struct sqs_message m = {.receive_count = count, .sent_at_ms = NOW};
        route_received(&s, &m, &h, &record, m.receive_count, NOW, &r);
        assert_int_equal(r.action, count <= 106 ? ROUTE_DELIVER : ROUTE_DEAD);
        assert_string_equal(r.class, count <= 106 ? "" : "stuck");
    }
    json_decref(conf);
}

/* What expired and is sent back gets a full round, although it was received long ago. */
static void the_age_of_a_new_round_counts_from_the_end_of_the_last(void **state)
{
    (void)state;
    json_t *conf = rules();
    struct source s = source_with(conf);
    struct webhook h = hook_with(GOOD, NOW - 9000000);
    const struct sqs_message m = {.receive_count = 1, .sent_at_ms = NOW};
    struct route r;
    struct ledger_record record = {.attempts = 1, .at_ms = NOW - 1000000};
    route_received(&s, &m, &h, &record, m.receive_count, NOW, &r);
    assert_int_equal(r.action, ROUTE_DELIVER);
    record.at_ms--;
    route_received(&s, &m, &h, &record, m.receive_count, NOW, &r);
    assert_string_equal(r.class, "expired");
    json_decref(conf);
}

static void an_outage_of_hours_makes_nothing_stuck(void **state)
{
    (void)state;
    json_t *conf = rules();
    struct source s = source_with(conf);
    struct webhook h = hook_with(GOOD, NOW);
    int64_t waited_s = 0;
    for (int count = 1; count <= s.max_retries + 1 + ROUTE_STUCK_RECEIVES; count++) {
        const struct sqs_message m = {.receive_count = count};
        int delay_s = route_outage_delay_s(&s, &m, &h);
        assert_in_range(delay_s, 1, ROUTE_OUTAGE_CAP_S);
        if (count == 1)
            assert_in_range(delay_s, 1, 2);
        waited_s += delay_s;
    }
    assert_true(waited_s > 4 * 3600);
    json_decref(conf);
}

static void the_number_of_a_copy_is_read_with_care(void **state)
{
    (void)state;
    static const struct {
        const char *type, *value;
        int number;
    } cases[] = {{"Number", "0", 0},
                 {"Number", "3", 3},
                 {"Number", "2147483647", INT32_MAX},
                 {"Number", "2147483648", 0},
                 {"Number", "99999999999999999999", 0},
                 {"Number", "-1", 0},
                 {"Number", "1.5", 0},
                 {"Number", "1e3", 0},
                 {"Number", "", 0},
                 {"Number", " 1", 0},
                 {"String", "3", 0}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct sqs_attribute list[] = {{"Sluice", "String", "{}"},
                                             {"RetryCount", cases[i].type, cases[i].value}};
        const struct sqs_message m = {.attributes = list, .attribute_count = 2};
        assert_int_equal(route_retry_count(&m), cases[i].number);
    }
    const struct sqs_message none = {0};
    assert_int_equal(route_retry_count(&none), 0);
}

static void a_message_is_of_the_round_that_ended_or_of_a_new_one(void **state)
{
    (void)state;
    struct ledger_record *record = ledger_record_new();
    const struct sqs_message before = {.id = "a", .sent_at_ms = NOW};
    const struct sqs_message after = {.id = "b", .sent_at_ms = NOW + 1};
    const struct sqs_message untold = {.id = "c", .sent_at_ms = 0};
    assert_false(route_of_finished_round(&before, record));
    record->at_ms = NOW;
    assert_true(route_of_finished_round(&before, record));
    assert_false(route_of_finished_round(&after, record));
    assert_false(route_of_finished_round(&untold, record));
    ledger_record_set(&record->message_id, "b");
    assert_true(route_of_finished_round(&after, record));
    ledger_record_free(record);
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
        cmocka_unit_test(a_destination_can_ask_for_a_longer_wait),
        cmocka_unit_test(with_the_ledger_only_a_stuck_message_ends),
        cmocka_unit_test(an_outage_of_hours_makes_nothing_stuck),
        cmocka_unit_test(the_age_of_a_new_round_counts_from_the_end_of_the_last),
        cmocka_unit_test(the_number_of_a_copy_is_read_with_care),
        cmocka_unit_test(a_message_is_of_the_round_that_ended_or_of_a_new_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
