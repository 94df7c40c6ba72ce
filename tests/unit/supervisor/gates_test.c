#include "supervisor/gates.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* Three workers, 11, 12 and 13; what is sent is written down as "TO:KEY:WHAT ". */

#define KEY "destination:crm"
#define NOW 1000000

static struct {
    struct gates *g;
    char sent[2048];
    bool up[3];
    bool unknown;
} t;

static void note(const char *to, json_t *msg)
{
    char what[128];
    const json_t *probe = json_object_get(msg, "probe");
    if (probe)
        snprintf(what, sizeof(what), "%s:%s ", to, json_is_true(probe) ? "probe" : "no probe");
    else
        snprintf(what, sizeof(what), "%s:%lld ", to,
                 (long long)json_integer_value(json_object_get(msg, "until_ms")));
    strcat(t.sent, what);
    json_decref(msg);
}

static void tell(void *arg, pid_t worker, json_t *msg)
{
    char to[16];
    (void)arg;
    snprintf(to, sizeof(to), "%d", (int)worker);
    note(to, msg);
}

static void tell_others(void *arg, pid_t but, json_t *msg)
{
    char to[16];
    (void)arg;
    snprintf(to, sizeof(to), "all-%d", (int)but);
    note(to, msg);
}

static bool can_probe(void *arg, pid_t worker)
{
    (void)arg;
    return worker >= 11 && worker <= 13 && t.up[worker - 11];
}

static pid_t next_prober(void *arg, pid_t after)
{
    (void)arg;
    for (int i = 1; i <= 3; i++) {
        int n = (after >= 11 ? after - 11 + i : i - 1) % 3;
        if (t.up[n])
            return 11 + n;
    }
    return 0;
}

static bool is_known(void *arg, const char *key)
{
    (void)arg, (void)key;
    return !t.unknown;
}

static int start(void **state)
{
    static const struct gates_host host = {tell, tell_others, can_probe, next_prober, is_known};
    (void)state;
    memset(&t, 0, sizeof(t));
    t.up[0] = t.up[1] = t.up[2] = true;
    t.g = gates_new(&host, NULL);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    gates_free(t.g);
    return 0;
}

static int take(pid_t from, json_t *msg, int64_t now_ms)
{
    const char *why;
    int rc = gates_take(t.g, from, msg, now_ms, &why);
    assert_true((rc == 0) == (why == NULL));
    json_decref(msg);
    return rc;
}

static void says(pid_t from, const char *key, int64_t until_ms, int64_t now_ms)
{
    assert_int_equal(take(from,
                          json_pack("{s:s, s:I, s:s}", "key", key, "until_ms", (json_int_t)until_ms,
                                    "why", "HTTP status 503"),
                          now_ms),
                     0);
}

static void begins(pid_t from, int64_t until_ms, int64_t now_ms)
{
    json_t *msg =
        json_pack("{s:s, s:I, s:b}", "key", KEY, "until_ms", (json_int_t)until_ms, "probe", 1);
    assert_int_equal(take(from, msg, now_ms), 0);
}

static void expect_sent(const char *expected)
{
    assert_string_equal(t.sent, expected);
    t.sent[0] = '\0';
}

static void count_one(void *arg, json_t *msg)
{
    (void)msg;
    ++*(int *)arg;
    json_decref(msg);
}

static int kept(int64_t now_ms)
{
    int count = 0;
    gates_each(t.g, now_ms, count_one, &count);
    return count;
}

/* Closed, open, one probe, bad, one probe again, good, closed. */
static void the_life_of_a_breaker(void **state)
{
    (void)state;
    says(12, KEY, 10000, NOW);
    expect_sent("all-0:10000 ");
    assert_int_equal(gates_turn(t.g, NOW), NOW + 10000);
    assert_int_equal(gates_turn(t.g, NOW + 9999), NOW + 10000);
    expect_sent("");
    assert_int_equal(gates_turn(t.g, NOW + 10000), NOW + 40000);
    expect_sent("11:probe ");
    says(11, KEY, 10000, NOW + 10500);
    expect_sent("all-0:10000 ");
    assert_int_equal(gates_turn(t.g, NOW + 20500), NOW + 50500);
    expect_sent("12:probe "); /* going round */
    says(12, KEY, 0, NOW + 20600);
    expect_sent("all-0:0 ");
    assert_int_equal(gates_turn(t.g, NOW + 20600), INT64_MAX);
    assert_int_equal(kept(NOW + 20600), 0);
}

static void a_probe_without_a_verdict_goes_on(void **state)
{
    (void)state;
    says(12, KEY, 1000, NOW);
    gates_turn(t.g, NOW + 1000);
    expect_sent("all-0:1000 11:probe ");
    gates_turn(t.g, NOW + 30999);
    expect_sent("");
    gates_turn(t.g, NOW + 31000);
    expect_sent("11:no probe 12:probe ");
    t.up[1] = false; /* dead, or draining */
    gates_turn(t.g, NOW + 31001);
    expect_sent("13:probe ");
    /* Under way, and longer than a probe may lie about. */
    begins(12, 60000, NOW + 31002); /* it has it no more: nothing changes */
    begins(13, 60000, NOW + 31002);
    assert_int_equal(gates_turn(t.g, NOW + 91001), NOW + 91002);
    expect_sent("");
    gates_turn(t.g, NOW + 91002);
    expect_sent("13:no probe 11:probe ");
}

static void without_workers_the_probe_waits_for_one(void **state)
{
    (void)state;
    t.up[0] = t.up[1] = t.up[2] = false;
    says(12, KEY, 1000, NOW);
    expect_sent("all-0:1000 ");
    assert_int_equal(gates_turn(t.g, NOW + 1000), INT64_MAX);
    expect_sent("");
    t.up[2] = true;
    assert_int_equal(gates_turn(t.g, NOW + 70000), NOW + 100000);
    expect_sent("13:probe ");
    t.up[2] = false;
    assert_int_equal(gates_turn(t.g, NOW + 70001), INT64_MAX);
    t.up[2] = true; /* the same again */
    gates_turn(t.g, NOW + 70002);
    expect_sent("13:probe ");
}

static void one_that_is_open_never_opens_sooner(void **state)
{
    (void)state;
    says(11, KEY, 10000, NOW);
    says(12, KEY, 10000, NOW + 5);
    says(13, KEY, 2000, NOW + 10);
    expect_sent("all-0:10000 all-0:10000 all-0:9995 ");
    assert_int_equal(gates_turn(t.g, NOW + 10), NOW + 10005);
}

/* A Retry-After to a delivery that began before: the probe is off. */
static void a_longer_wait_ends_the_probe(void **state)
{
    (void)state;
    says(11, KEY, 1000, NOW);
    gates_turn(t.g, NOW + 1000);
    says(13, KEY, 5000, NOW + 1100);
    expect_sent("all-0:1000 11:probe all-0:5000 ");
    begins(11, 60000, NOW + 1200);
    assert_int_equal(gates_turn(t.g, NOW + 1200), NOW + 6100);
}

/* 12 has met a longer wait while 11's probe went well: 11 hears of the gate that it has closed, and
 * would wait for ever for a probe of it if it did not hear the end as well. */
static void who_closes_a_breaker_is_told_last_too(void **state)
{
    (void)state;
    says(12, KEY, 1000, NOW);
    gates_turn(t.g, NOW + 1000);
    t.sent[0] = '\0';
    says(12, KEY, 5000, NOW + 1100);
    says(11, KEY, 0, NOW + 1100);
    expect_sent("all-0:5000 all-0:0 ");
}

static void other_kinds_end_with_their_time(void **state)
{
    (void)state;
    says(11, "oauth:cxone", 3000, NOW);
    expect_sent("all-11:3000 ");
    assert_int_equal(gates_turn(t.g, NOW), NOW + 3000);
    assert_int_equal(gates_turn(t.g, NOW + 3000), INT64_MAX);
    expect_sent("all-0:0 ");
    assert_int_equal(kept(NOW + 3000), 0);
}

static void polling_is_probed_too(void **state)
{
    (void)state;
    says(11, "aws:sqs:crm", 10000, NOW);
    gates_turn(t.g, NOW + 10000);
    expect_sent("all-0:10000 11:probe ");
    says(11, "pace:sqs:crm", 500, NOW + 10000);
    gates_turn(t.g, NOW + 10500);
    expect_sent("all-11:500 all-0:0 ");
    assert_int_equal(kept(NOW + 10500), 1);
}

static void a_destination_that_is_gone_takes_its_gate_along(void **state)
{
    (void)state;
    says(11, KEY, 1000, NOW);
    t.unknown = true;
    assert_int_equal(gates_turn(t.g, NOW + 1000), INT64_MAX);
    expect_sent("all-0:1000 all-0:0 ");
}

static void what_is_not_well_formed_is_refused(void **state)
{
    (void)state;
    char key[GATES_KEY_BYTES + 2];
    memset(key, 'k', sizeof(key) - 1);
    key[sizeof(key) - 1] = '\0';
    assert_int_equal(take(11, json_pack("{s:i}", "until_ms", 1), NOW), -1);
    assert_int_equal(take(11, json_pack("{s:s, s:i}", "key", "", "until_ms", 1), NOW), -1);
    assert_int_equal(take(11, json_pack("{s:s, s:i}", "key", key, "until_ms", 1), NOW), -1);
    assert_int_equal(take(11, json_pack("{s:s}", "key", KEY), NOW), -1);
    assert_int_equal(take(11, json_pack("{s:s, s:i}", "key", KEY, "until_ms", -1), NOW), -1);
    assert_int_equal(
        take(11, json_pack("{s:s, s:i}", "key", KEY, "until_ms", GATES_LONGEST_MS + 1), NOW), -1);
    expect_sent("");
}

static void their_number_is_bounded(void **state)
{
    (void)state;
    char key[32];
    for (int i = 0; i < GATES_MAX; i++) {
        snprintf(key, sizeof(key), "check:%d", i);
        says(11, key, 1000, NOW);
        t.sent[0] = '\0';
    }
    assert_int_equal(take(11, json_pack("{s:s, s:i}", "key", KEY, "until_ms", 1), NOW), -1);
    expect_sent("11:0 "); /* nobody would ever grant it a probe */
    says(11, "check:7", 2000, NOW); /* a known one still changes */
    expect_sent("all-11:2000 ");
    assert_int_equal(kept(NOW), GATES_MAX);
}

static void the_status_names_all(void **state)
{
    (void)state;
    says(11, KEY, 10000, NOW);
    says(11, "oauth:x", 40000, NOW);
    gates_turn(t.g, NOW + 12000);
    json_t *expected = json_pack(
        "[{s:s,s:s,s:i,s:i,s:s,s:i},{s:s,s:s,s:i,s:i,s:s,s:i}]", "key", KEY, "state", "half-open",
        "left_ms", 0, "held_s", 12, "why", "HTTP status 503", "probe", 11, "key", "oauth:x",
        "state", "open", "left_ms", 28000, "held_s", 12, "why", "HTTP status 503", "probe", 0);
    json_t *status = gates_status(t.g, NOW + 12000);
    assert_true(json_equal(status, expected));
    json_decref(status);
    json_decref(expected);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_life_of_a_breaker, start, stop),
        cmocka_unit_test_setup_teardown(a_probe_without_a_verdict_goes_on, start, stop),
        cmocka_unit_test_setup_teardown(without_workers_the_probe_waits_for_one, start, stop),
        cmocka_unit_test_setup_teardown(one_that_is_open_never_opens_sooner, start, stop),
        cmocka_unit_test_setup_teardown(a_longer_wait_ends_the_probe, start, stop),
        cmocka_unit_test_setup_teardown(who_closes_a_breaker_is_told_last_too, start, stop),
        cmocka_unit_test_setup_teardown(other_kinds_end_with_their_time, start, stop),
        cmocka_unit_test_setup_teardown(polling_is_probed_too, start, stop),
        cmocka_unit_test_setup_teardown(a_destination_that_is_gone_takes_its_gate_along, start,
                                        stop),
        cmocka_unit_test_setup_teardown(what_is_not_well_formed_is_refused, start, stop),
        cmocka_unit_test_setup_teardown(their_number_is_bounded, start, stop),
        cmocka_unit_test_setup_teardown(the_status_names_all, start, stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
