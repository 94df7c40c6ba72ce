#include "workers/gatekeeper.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/breaker.h"

/* One worker's half; what it sends is written down as "UNTIL_MS " or "probe UNTIL_MS ". */

#define KEY "destination:crm"
#define OTHER "oauth:crm"
#define NOW 1000000

static struct {
    struct gatekeeper *k;
    char sent[512];
    int changes;
} t;

static void send(void *arg, json_t *msg)
{
    char what[64];
    (void)arg;
    snprintf(what, sizeof(what), "%s%lld ",
             json_is_true(json_object_get(msg, "probe")) ? "probe " : "",
             (long long)json_integer_value(json_object_get(msg, "until_ms")));
    strcat(t.sent, what);
    json_decref(msg);
}

static void changed(void *arg)
{
    (void)arg;
    t.changes++;
}

static int start(void **state)
{
    static const struct gatekeeper_callbacks callbacks = {send, changed};
    (void)state;
    memset(&t, 0, sizeof(t));
    t.k = gatekeeper_new(&callbacks, NULL);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    gatekeeper_free(t.k);
    return 0;
}

static void expect_sent(const char *expected)
{
    assert_string_equal(t.sent, expected);
    t.sent[0] = '\0';
}

static void hear(json_t *msg, int64_t now_ms)
{
    assert_non_null(msg);
    gatekeeper_take(t.k, msg, now_ms);
    json_decref(msg);
}

static void hear_gate(const char *key, int64_t until_ms, int64_t now_ms)
{
    hear(json_pack("{s:s, s:I, s:s}", "key", key, "until_ms", (json_int_t)until_ms, "why", "out"),
         now_ms);
}

static void hear_probe(bool granted, int64_t now_ms)
{
    hear(json_pack("{s:s, s:b}", "key", KEY, "probe", (int)granted), now_ms);
}

static bool fails(bool probe, int64_t wait_ms, int64_t now_ms)
{
    const struct gatekeeper_failure failure = {.key = KEY,
                                               .why = "HTTP status 503",
                                               .began_ms = now_ms,
                                               .open_ms = 10000,
                                               .wait_ms = wait_ms,
                                               .probe = probe};
    return gatekeeper_failed(t.k, &failure, now_ms);
}

static void three_in_a_row_have_all_hold_back(void **state)
{
    (void)state;
    for (int i = 0; i < BREAKER_FAILURES - 1; i++)
        assert_false(fails(false, 0, NOW));
    gatekeeper_worked(t.k, KEY, false, NOW); /* which ends the row */
    for (int i = 0; i < BREAKER_FAILURES - 1; i++)
        assert_false(fails(false, 0, NOW));
    expect_sent("");
    assert_false(gatekeeper_holds(t.k, KEY, NOW));
    assert_true(fails(false, 0, NOW));
    expect_sent("10000 ");
    assert_true(gatekeeper_holds(t.k, KEY, NOW + 3600000)); /* until somebody's probe */
    assert_int_equal(gatekeeper_left_ms(t.k, KEY, NOW + 4000), 6000);
    assert_int_equal(gatekeeper_left_ms(t.k, KEY, NOW + 20000), 0);
    assert_string_equal(gatekeeper_why(t.k, KEY), "HTTP status 503");
    assert_int_equal(gatekeeper_count(t.k, NOW), 1);
    gatekeeper_worked(t.k, KEY, false, NOW); /* one that was under way is no verdict */
    assert_true(gatekeeper_holds(t.k, KEY, NOW));
    expect_sent("");
}

static void who_asks_for_a_wait_gets_it_at_once(void **state)
{
    (void)state;
    assert_true(fails(false, 60000, NOW));
    assert_true(fails(false, 1000, NOW + 10)); /* never sooner */
    expect_sent("60000 ");
    assert_true(fails(false, 120000, NOW + 10));
    expect_sent("120000 ");
}

static void a_probe_is_begun_once_and_ends_it(void **state)
{
    (void)state;
    hear_gate(KEY, 10000, NOW);
    assert_false(gatekeeper_may_probe(t.k, KEY));
    gatekeeper_begin_probe(t.k, KEY, 60000); /* not ours */
    expect_sent("");
    hear_probe(true, NOW + 10000);
    assert_true(gatekeeper_may_probe(t.k, KEY));
    gatekeeper_begin_probe(t.k, KEY, 60000);
    assert_false(gatekeeper_may_probe(t.k, KEY));
    gatekeeper_drop_probe(t.k, KEY);
    assert_true(gatekeeper_may_probe(t.k, KEY));
    gatekeeper_begin_probe(t.k, KEY, 60000);
    expect_sent("probe 60000 probe 60000 ");
    assert_true(fails(true, 0, NOW + 10100)); /* one is enough */
    expect_sent("10000 ");
    gatekeeper_drop_probe(t.k, KEY); /* too late */
    assert_false(gatekeeper_may_probe(t.k, KEY));
    hear_probe(true, NOW + 20100);
    gatekeeper_begin_probe(t.k, KEY, 60000);
    gatekeeper_worked(t.k, KEY, true, NOW + 20200);
    expect_sent("probe 60000 0 ");
    assert_false(gatekeeper_holds(t.k, KEY, NOW + 20200));
    assert_string_equal(gatekeeper_why(t.k, KEY), "");
}

static void a_probe_that_is_taken_away_still_has_its_verdict(void **state)
{
    (void)state;
    hear_gate(KEY, 10000, NOW);
    hear_probe(true, NOW + 10000);
    gatekeeper_begin_probe(t.k, KEY, 60000);
    hear_probe(false, NOW + 70000);
    gatekeeper_drop_probe(t.k, KEY);
    assert_false(gatekeeper_may_probe(t.k, KEY));
    t.sent[0] = '\0';
    gatekeeper_worked(t.k, KEY, true, NOW + 71000);
    expect_sent("0 ");
    gatekeeper_worked(t.k, KEY, true, NOW + 71000); /* closed already: nobody need hear it */
    expect_sent("");
}

/* What was begun before the gate closed says nothing of the time after it. */
static void late_failures_of_an_outage_are_excused(void **state)
{
    (void)state;
    hear_gate(KEY, 10000, NOW);
    hear_gate(KEY, 0, NOW + 11000);
    struct gatekeeper_failure late = {
        .key = KEY, .why = "timeout", .began_ms = NOW + 10999, .open_ms = 10000};
    for (int i = 0; i < 5; i++)
        assert_true(gatekeeper_failed(t.k, &late, NOW + 12000));
    assert_false(gatekeeper_holds(t.k, KEY, NOW + 12000));
    late.began_ms = NOW + 11000;
    assert_false(gatekeeper_failed(t.k, &late, NOW + 12000));
    expect_sent("");
}

/* The supervisor's word comes back to its sender (message.h): the last one counts. */
static void what_comes_back_changes_nothing_but_the_last_word(void **state)
{
    (void)state;
    assert_true(fails(false, 5000, NOW));
    hear_gate(KEY, 5000, NOW + 1);
    assert_int_equal(gatekeeper_left_ms(t.k, KEY, NOW + 1), 5000);
    hear_probe(true, NOW + 5001);
    gatekeeper_begin_probe(t.k, KEY, 60000);
    gatekeeper_worked(t.k, KEY, true, NOW + 5100);
    hear_gate(KEY, 3000, NOW + 5100); /* another's, sent before ours */
    assert_true(gatekeeper_holds(t.k, KEY, NOW + 5100));
    hear_gate(KEY, 0, NOW + 5101); /* ours */
    assert_false(gatekeeper_holds(t.k, KEY, NOW + 5101));
    expect_sent("5000 probe 60000 0 ");
}

static void other_kinds_end_with_their_time(void **state)
{
    (void)state;
    gatekeeper_hold(t.k, OTHER, 3000, "HTTP status 429", NOW);
    expect_sent("3000 ");
    assert_true(gatekeeper_holds(t.k, OTHER, NOW + 2999));
    assert_false(gatekeeper_holds(t.k, OTHER, NOW + 3000));
    assert_int_equal(gatekeeper_count(t.k, NOW + 3000), 0);
}

static void what_is_not_well_formed_is_left_out(void **state)
{
    (void)state;
    hear(json_pack("{s:i}", "until_ms", 1000), NOW);
    hear(json_pack("{s:s}", "key", KEY), NOW);
    hear(json_pack("{s:s, s:s}", "key", KEY, "until_ms", "soon"), NOW);
    hear_probe(true, NOW); /* of a gate that is not known */
    hear_gate(KEY, 0, NOW);
    assert_false(gatekeeper_holds(t.k, KEY, NOW));
    assert_false(gatekeeper_may_probe(t.k, KEY));
    assert_int_equal(t.changes, 0);
    expect_sent("");
}

static void what_is_held_is_never_forgotten_for_new_keys(void **state)
{
    (void)state;
    char key[32];
    hear_gate(KEY, 1000, NOW);
    for (int i = 0; i < 2000; i++) {
        snprintf(key, sizeof(key), "oauth:%d", i);
        hear_gate(key, 1, NOW + i * 2);
    }
    assert_true(gatekeeper_holds(t.k, KEY, NOW + 10000));
    assert_int_equal(gatekeeper_count(t.k, NOW + 10000), 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)
    const struct CMUnitTest tests[] = {
        TEST(three_in_a_row_have_all_hold_back),
        TEST(who_asks_for_a_wait_gets_it_at_once),
        TEST(a_probe_is_begun_once_and_ends_it),
        TEST(a_probe_that_is_taken_away_still_has_its_verdict),
        TEST(late_failures_of_an_outage_are_excused),
        TEST(what_comes_back_changes_nothing_but_the_last_word),
        TEST(other_kinds_end_with_their_time),
        TEST(what_is_not_well_formed_is_left_out),
        TEST(what_is_held_is_never_forgotten_for_new_keys),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
