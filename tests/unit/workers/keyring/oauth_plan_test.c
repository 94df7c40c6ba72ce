#include "workers/keyring/oauth_plan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define NOW 1000000
#define S 1000

static void nobody_needs_it(void **state)
{
    (void)state;
    struct oauth_plan p;
    oauth_plan_init(&p);
    assert_int_equal(oauth_plan_due_ms(&p, NOW), OAUTH_PLAN_NEVER);
    oauth_plan_need(&p, NOW);
    assert_int_equal(oauth_plan_due_ms(&p, NOW), NOW);
    assert_int_equal(oauth_plan_due_ms(&p, NOW + 5), NOW + 5);
}

/* min(30 s, 10 %) early, and up to half of that earlier; counted from before the request. */
static void renewed_early(void **state)
{
    (void)state;
    static const struct {
        int64_t lifetime_s, early_ms;
    } cases[] = {{3600, 30 * S}, {300, 30 * S}, {299, 29900}, {4, 400}, {1, 100}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int64_t early = cases[i].early_ms, lifetime_ms = cases[i].lifetime_s * S;
        for (uint32_t dice = 0; dice < 60000; dice += 7) {
            struct oauth_plan p;
            oauth_plan_init(&p);
            oauth_plan_need(&p, NOW);
            oauth_plan_got(&p, 1, NOW - 500, cases[i].lifetime_s, NOW, dice);
            assert_int_equal(p.expires_ms, NOW - 500 + lifetime_ms);
            assert_in_range(p.expires_ms - p.renew_ms, early, early + early / 2);
            oauth_plan_need(&p, p.renew_ms - 1 > NOW ? p.renew_ms - 1 : NOW);
            assert_int_equal(oauth_plan_due_ms(&p, NOW), p.renew_ms > NOW ? p.renew_ms : NOW);
        }
    }
}

static void only_while_it_is_in_use(void **state)
{
    (void)state;
    struct oauth_plan p;
    oauth_plan_init(&p);
    oauth_plan_need(&p, NOW);
    oauth_plan_got(&p, 1, NOW, 3600, NOW, 0);
    assert_int_equal(oauth_plan_due_ms(&p, NOW), OAUTH_PLAN_NEVER);
    oauth_plan_need(&p, p.renew_ms - 600 * S);
    assert_int_equal(oauth_plan_due_ms(&p, NOW), p.renew_ms);
    /* Needed again after its end: at once. */
    oauth_plan_need(&p, p.expires_ms + 5000 * S);
    assert_int_equal(oauth_plan_due_ms(&p, p.expires_ms + 5000 * S), p.expires_ms + 5000 * S);
}

static void one_that_has_ended_by_another_clock(void **state)
{
    (void)state;
    struct oauth_plan p;
    oauth_plan_init(&p);
    oauth_plan_need(&p, NOW);
    oauth_plan_got(&p, 1, NOW, 3600, NOW, 0);
    oauth_plan_ended(&p);
    assert_int_equal(oauth_plan_due_ms(&p, NOW + 1), NOW + 1);
    assert_false(oauth_plan_refused(&p, 1, NOW + 1, 0));
    oauth_plan_failed(&p, false, 0, NOW + 1, 0);
    assert_in_range(oauth_plan_due_ms(&p, NOW + 2), NOW + 500, NOW + 1001);
}

static void failures_wait_longer(void **state)
{
    (void)state;
    static const int64_t passing[] = {1, 2, 4, 8, 16, 32, 60, 60};
    static const int64_t lasting[] = {30, 60, 120, 240, 300, 300};
    for (uint32_t dice = 0; dice < 100000; dice += 9973) {
        struct oauth_plan p;
        oauth_plan_init(&p);
        for (size_t i = 0; i < sizeof(passing) / sizeof(passing[0]); i++) {
            oauth_plan_need(&p, NOW);
            oauth_plan_failed(&p, false, 0, NOW, dice);
            assert_in_range(oauth_plan_due_ms(&p, NOW) - NOW, passing[i] * S / 2, passing[i] * S);
        }
        oauth_plan_got(&p, 5, NOW, 300, NOW, dice);
        assert_int_equal(p.failures, 0);
        oauth_plan_init(&p);
        for (size_t i = 0; i < sizeof(lasting) / sizeof(lasting[0]); i++) {
            oauth_plan_need(&p, NOW);
            oauth_plan_failed(&p, true, 0, NOW, dice);
            assert_in_range(oauth_plan_due_ms(&p, NOW) - NOW, lasting[i] * S / 2, lasting[i] * S);
        }
    }
}

static void retry_after_is_waited_out(void **state)
{
    (void)state;
    struct oauth_plan p;
    oauth_plan_init(&p);
    oauth_plan_need(&p, NOW);
    oauth_plan_failed(&p, false, 120, NOW, 0);
    assert_int_equal(oauth_plan_due_ms(&p, NOW), NOW + 120 * S);
}

static void a_refusal_counts_once(void **state)
{
    (void)state;
    struct oauth_plan p;
    oauth_plan_init(&p);
    oauth_plan_need(&p, NOW);
    oauth_plan_got(&p, 10, NOW, 3600, NOW, 0);
    assert_false(oauth_plan_refused(&p, 9, NOW, 0));
    assert_true(p.held);
    assert_true(oauth_plan_refused(&p, 10, NOW + S, 0));
    assert_int_equal(oauth_plan_due_ms(&p, NOW + S), NOW + S);
    for (int worker = 0; worker < 4; worker++)
        assert_false(oauth_plan_refused(&p, 10, NOW + S, 0));
    assert_int_equal(p.refusals, 1);
    oauth_plan_got(&p, 11, NOW + S, 3600, NOW + S, 0);
    assert_false(oauth_plan_refused(&p, 10, NOW + 2 * S, 0)); /* late: there is a newer one */
    assert_true(p.held);
}

static void an_api_that_refuses_all(void **state)
{
    (void)state;
    struct oauth_plan p;
    oauth_plan_init(&p);
    for (int i = 0; i < 3; i++) {
        oauth_plan_got(&p, 10 + i, NOW, 3600, NOW, 0);
        assert_true(oauth_plan_refused(&p, 10 + i, NOW, 0));
        assert_int_equal(oauth_plan_due_ms(&p, NOW), NOW + (i == 0 ? 0 : i * 2 * S));
    }
    /* One that served for a while shows that it is over. */
    oauth_plan_got(&p, 20, NOW, 3600, NOW, 0);
    assert_true(oauth_plan_refused(&p, 20, NOW + 61 * S, 0));
    assert_int_equal(oauth_plan_due_ms(&p, NOW + 61 * S), NOW + 61 * S);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nobody_needs_it),
        cmocka_unit_test(renewed_early),
        cmocka_unit_test(only_while_it_is_in_use),
        cmocka_unit_test(failures_wait_longer),
        cmocka_unit_test(one_that_has_ended_by_another_clock),
        cmocka_unit_test(retry_after_is_waited_out),
        cmocka_unit_test(a_refusal_counts_once),
        cmocka_unit_test(an_api_that_refuses_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
