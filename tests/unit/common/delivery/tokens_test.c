#include "common/delivery/tokens.h"

#include <event2/event.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/clock.h"

static struct event_base *base;
static struct tokens *t;
static int needs, stales;
static int64_t stale_version;

struct got {
    int times;
    char token[32], why[256];
    int64_t version;
};

static void on_need(void *arg, const char *name)
{
    (void)arg;
    assert_string_equal(name, "api");
    needs++;
}

static void on_stale(void *arg, const char *name, int64_t version)
{
    (void)arg;
    assert_string_equal(name, "api");
    stales++;
    stale_version = version;
}

static void on_token(void *arg, const char *token, int64_t version, const char *why)
{
    struct got *got = arg;
    got->times++;
    snprintf(got->token, sizeof(got->token), "%s", token ? token : "(none)");
    snprintf(got->why, sizeof(got->why), "%s", why);
    got->version = version;
}

static int set_up(void **state)
{
    (void)state;
    static const struct tokens_hooks hooks = {on_need, on_stale, NULL};
    base = event_base_new();
    t = tokens_new(base, &hooks);
    needs = stales = 0;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    tokens_free(t);
    event_base_free(base);
    return 0;
}

static void put_token(const char *token, int64_t version, int64_t life_ms)
{
    json_t *msg = json_pack("{s:s,s:s,s:s,s:I,s:I}", "kind", "oauth", "identity", "api", "token",
                            token, "version", (json_int_t)version, "expires_at_ms",
                            (json_int_t)(clock_wall_ms() + life_ms));
    assert_true(tokens_put(t, msg));
    json_decref(msg);
}

static void put_trouble(const char *error, int64_t version, int64_t retry_ms)
{
    json_t *msg = json_pack("{s:s,s:s,s:s,s:s,s:I,s:I}", "kind", "trouble", "service", "oauth",
                            "identity", "api", "error", error, "version", (json_int_t)version,
                            "retry_at_ms", (json_int_t)(clock_wall_ms() + retry_ms));
    assert_true(tokens_put(t, msg));
    json_decref(msg);
}

static void turn(void)
{
    event_base_loop(base, EVLOOP_NONBLOCK);
}

static void waits_until_it_comes(void **state)
{
    (void)state;
    struct got a = {0}, b = {0};
    tokens_wait(t, "api", 0, 60000, on_token, &a);
    tokens_wait(t, "api", 0, 60000, on_token, &b);
    turn();
    assert_int_equal(a.times + b.times, 0);
    assert_true(needs >= 1);
    put_token("one", 5, 60000);
    assert_int_equal(a.times, 0); /* never from inside */
    turn();
    assert_int_equal(a.times, 1);
    assert_int_equal(b.times, 1);
    assert_string_equal(b.token, "one");
    assert_int_equal(b.version, 5);
}

static void one_that_is_here_is_only_said_to_be_in_use(void **state)
{
    (void)state;
    struct got got = {0};
    put_token("one", 5, 60000);
    for (int i = 0; i < 3; i++)
        tokens_wait(t, "api", 0, 60000, on_token, &got);
    assert_int_equal(got.times, 0);
    turn();
    assert_int_equal(got.times, 3);
    assert_int_equal(needs, 1);
    assert_int_equal(stales, 0);
}

static void a_refused_one_is_replaced(void **state)
{
    (void)state;
    struct got got = {0};
    put_token("one", 5, 60000);
    tokens_wait(t, "api", 5, 60000, on_token, &got);
    turn();
    assert_int_equal(got.times, 0);
    assert_int_equal(stales, 1);
    assert_int_equal(stale_version, 5);
    put_token("two", 6, 60000);
    turn();
    assert_string_equal(got.token, "two");
    /* Who was refused with the old one finds the new one here. */
    tokens_wait(t, "api", 5, 60000, on_token, &got);
    turn();
    assert_int_equal(got.times, 2);
    assert_int_equal(stales, 1);
}

/* A keyring started again after its clock was set back gives lower versions. */
static void the_last_to_come_counts_whatever_its_version(void **state)
{
    (void)state;
    struct got got = {0};
    put_token("one", 5, 60000);
    tokens_wait(t, "api", 5, 60000, on_token, &got);
    turn();
    assert_int_equal(got.times, 0);
    put_trouble("HTTP status 503", 2, 60000);
    turn();
    assert_string_equal(got.why, "no access token for oauth \"api\": HTTP status 503");
    tokens_wait(t, "api", 5, 60000, on_token, &got);
    put_token("two", 3, 60000);
    turn();
    assert_string_equal(got.token, "two");
    assert_int_equal(got.version, 3);
}

static void one_past_its_end_is_none(void **state)
{
    (void)state;
    struct got got = {0};
    put_token("one", 5, -1);
    tokens_wait(t, "api", 0, 60000, on_token, &got);
    turn();
    assert_int_equal(got.times, 0);
    assert_int_equal(needs, 1);
    put_token("two", 6, 60000);
    turn();
    assert_string_equal(got.token, "two");
}

static void trouble_ends_the_wait(void **state)
{
    (void)state;
    struct got got = {0};
    tokens_wait(t, "api", 0, 60000, on_token, &got);
    turn();
    put_trouble("correct client_id", 7, 60000);
    turn();
    assert_string_equal(got.token, "(none)");
    assert_string_equal(got.why, "no access token for oauth \"api\": correct client_id");
    json_t *list = json_array();
    tokens_waiting(t, list);
    assert_int_equal(json_array_size(list), 1);
    json_array_clear(list);
    put_token("good", 8, 60000);
    tokens_waiting(t, list);
    assert_int_equal(json_array_size(list), 0);
    json_decref(list);
    tokens_wait(t, "api", 0, 60000, on_token, &got);
    turn();
    assert_string_equal(got.token, "good");
}

/* The keyring fails to renew, but what is here still serves. */
static void trouble_beside_a_good_token(void **state)
{
    (void)state;
    struct got got = {0};
    put_token("one", 5, 60000);
    put_trouble("HTTP status 503", 6, 60000);
    tokens_wait(t, "api", 0, 60000, on_token, &got);
    turn();
    assert_string_equal(got.token, "one");
}

static void the_time_is_over(void **state)
{
    (void)state;
    struct got got = {0};
    tokens_wait(t, "api", 0, 1, on_token, &got);
    while (got.times == 0)
        event_base_loop(base, EVLOOP_ONCE);
    assert_string_equal(got.why, "no access token for oauth \"api\" came in time");
}

static void cancelled(void **state)
{
    (void)state;
    struct got got = {0};
    struct token_wait *wait = tokens_wait(t, "api", 0, 60000, on_token, &got);
    put_token("one", 5, 60000);
    token_wait_cancel(wait);
    token_wait_cancel(NULL);
    turn();
    assert_int_equal(got.times, 0);
}

static void what_is_none_of_these(void **state)
{
    (void)state;
    static const char *const messages[] = {
        "{}",
        "{\"kind\":\"sigv4\",\"identity\":\"aws\",\"version\":1}",
        "{\"kind\":\"trouble\",\"identity\":\"aws\",\"error\":\"x\",\"version\":1}",
        "{\"kind\":\"oauth\",\"identity\":\"api\",\"token\":\"x\"}",
        "{\"kind\":\"oauth\",\"version\":1}",
    };
    for (size_t i = 0; i < sizeof(messages) / sizeof(messages[0]); i++) {
        json_t *msg = json_loads(messages[i], 0, NULL);
        assert_false(tokens_put(t, msg));
        json_decref(msg);
    }
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(waits_until_it_comes),
        TEST(one_that_is_here_is_only_said_to_be_in_use),
        TEST(a_refused_one_is_replaced),
        TEST(one_past_its_end_is_none),
        TEST(the_last_to_come_counts_whatever_its_version),
        TEST(trouble_ends_the_wait),
        TEST(trouble_beside_a_good_token),
        TEST(the_time_is_over),
        TEST(cancelled),
        TEST(what_is_none_of_these),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
