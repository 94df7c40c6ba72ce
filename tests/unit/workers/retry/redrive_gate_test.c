#include "workers/retry/redrive_gate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/clock.h"
#include "workers/gatekeeper.h"

#define KEY "destination:crm"

static struct {
    json_t *conf;
    struct gatekeeper *keeper;
    struct redrive_gates *all;
    struct redrive_gate *one, *other, *without;
    int64_t sent_until_ms; /* of the newest message to the supervisor; -1: none came */
} t;

static void send(void *arg, json_t *msg)
{
    (void)arg;
    t.sent_until_ms = json_integer_value(json_object_get(msg, "until_ms"));
    json_decref(msg);
}

static void changed(void *arg)
{
    (void)arg;
}

static int start(void **state)
{
    static const struct gatekeeper_callbacks callbacks = {send, changed};
    (void)state;
    memset(&t, 0, sizeof(t));
    t.sent_until_ms = -1;
    t.conf =
        json_pack("{s:{s:{s:s,s:i},s:{s:s}},s:{s:{s:s},s:{s:s},s:{s:s}}}", "destinations", "crm",
                  "type", "http", "breaker_open_s", 20, "here", "type", "exec", "sources", "a",
                  "destination", "crm", "b", "destination", "crm", "c", "destination", "here");
    assert_non_null(t.conf);
    t.keeper = gatekeeper_new(&callbacks, NULL);
    t.all = redrive_gates_new(t.conf, t.keeper);
    t.one = redrive_gate_new(t.all, "a");
    t.other = redrive_gate_new(t.all, "b");
    t.without = redrive_gate_new(t.all, "c");
    return 0;
}

static int stop(void **state)
{
    (void)state;
    redrive_gate_free(t.one);
    redrive_gate_free(t.other);
    redrive_gate_free(t.without);
    redrive_gates_free(t.all);
    gatekeeper_free(t.keeper);
    json_decref(t.conf);
    return 0;
}

/* The supervisor said so long ago that the destination is held back from for a minute. */
static void held_back(int64_t ago_ms)
{
    json_t *msg = json_pack("{s:s,s:i,s:s}", "key", KEY, "until_ms", 60000, "why", "it is down");
    gatekeeper_take(t.keeper, msg, clock_mono_ms() - ago_ms);
    json_decref(msg);
}

static bool ends(struct redrive_gate *g, enum verdict verdict, bool of_destination)
{
    const struct delivery_outcome outcome = {.verdict = verdict,
                                             .class = "",
                                             .error = "no",
                                             .status = 500,
                                             .of_destination = of_destination};
    return redrive_gate_outcome(g, &outcome);
}

static void nobody_is_tried_while_its_time_lasts(void **state)
{
    (void)state;
    char text[128];
    int seconds;
    assert_false(redrive_gate_holds(t.one));
    held_back(1000);
    assert_true(redrive_gate_holds(t.one));
    assert_true(redrive_gate_holds(t.other));
    assert_false(redrive_gate_holds(t.without));
    redrive_gate_why(t.one, text, sizeof(text));
    assert_int_equal(sscanf(text, KEY " is held back, try again in %d s", &seconds), 1);
    assert_in_range(seconds, 1, 60);
    assert_non_null(strstr(text, " s: it is down"));
}

static void one_at_a_time_is_the_probe_then(void **state)
{
    (void)state;
    held_back(70000);
    assert_false(redrive_gate_holds(t.one));
    redrive_gate_begin(t.one);
    assert_false(redrive_gate_holds(t.one)); /* its own does not hold it */
    assert_true(redrive_gate_holds(t.other));
    redrive_gate_drop(t.one);
    assert_false(redrive_gate_holds(t.other));
    redrive_gate_begin(t.other);
    assert_true(redrive_gate_holds(t.one));
    redrive_gate_free(t.other);
    t.other = NULL;
    assert_false(redrive_gate_holds(t.one));
}

static void the_probe_says_it_for_all(void **state)
{
    (void)state;
    held_back(70000);
    redrive_gate_begin(t.one);
    assert_true(ends(t.one, RETRY, true));
    assert_int_equal(t.sent_until_ms, 20000);
    assert_true(redrive_gate_holds(t.other));
    held_back(70000);
    redrive_gate_begin(t.one);
    assert_false(ends(t.one, DELIVERED, false));
    assert_int_equal(t.sent_until_ms, 0);
    assert_false(redrive_gate_holds(t.other));
}

static void what_is_the_events_own_is_no_outage(void **state)
{
    (void)state;
    for (int i = 0; i < 5; i++) {
        assert_false(ends(t.one, RETRY, false));
        assert_false(ends(t.without, RETRY, true));
    }
    assert_int_equal(t.sent_until_ms, -1);
    assert_false(redrive_gate_holds(t.one));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)
    const struct CMUnitTest tests[] = {
        TEST(nobody_is_tried_while_its_time_lasts),
        TEST(one_at_a_time_is_the_probe_then),
        TEST(the_probe_says_it_for_all),
        TEST(what_is_the_events_own_is_no_outage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
