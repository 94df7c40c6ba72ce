#include "common/aws/clock_skew.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/clock.h"

#define NOW INT64_C(1795253400000)

/* What is learned from a Date that is off by so much. */
static bool learn(struct clock_skew *skew, int64_t off_ms, bool blamed)
{
    char date[CLOCK_TEXT_BYTES];
    clock_http_date(NOW + off_ms, date);
    return clock_skew_learn(skew, NOW, date, blamed);
}

static void large_differences_are_taken_over(void **state)
{
    (void)state;
    struct clock_skew skew = {0};
    assert_false(learn(&skew, 0, false));
    assert_false(learn(&skew, 299000, false));
    assert_false(learn(&skew, -299000, false));
    assert_int_equal(skew.offset_ms, 0);
    assert_true(learn(&skew, 300000, false));
    assert_int_equal(skew.offset_ms, 300000);
    assert_false(learn(&skew, 300000, false)); /* it is known */
    assert_false(learn(&skew, 1000, false));
    assert_true(learn(&skew, 0, false)); /* somebody has set the clock */
    assert_int_equal(skew.offset_ms, 0);
    assert_true(learn(&skew, -3600000, false));
    assert_int_equal(skew.offset_ms, -3600000);
}

static void a_refusal_makes_small_ones_count(void **state)
{
    (void)state;
    struct clock_skew skew = {0};
    assert_false(learn(&skew, 0, true));
    assert_false(learn(&skew, 59000, true)); /* less is no reason to refuse a date */
    assert_true(learn(&skew, 60000, true));
    assert_int_equal(skew.offset_ms, 60000);
    assert_false(learn(&skew, 60000, true)); /* a wrong secret does not loop */
    assert_true(learn(&skew, -7000, true));
}

static void the_bound(void **state)
{
    (void)state;
    struct clock_skew skew = {0};
    assert_true(learn(&skew, CLOCK_SKEW_BOUND_MS, true));
    assert_false(learn(&skew, CLOCK_SKEW_BOUND_MS + 1000, true));
    assert_int_equal(skew.offset_ms, CLOCK_SKEW_BOUND_MS);
    assert_false(learn(&skew, -CLOCK_SKEW_BOUND_MS - 1000, false));
    assert_true(learn(&skew, -CLOCK_SKEW_BOUND_MS, false));
}

static void no_date(void **state)
{
    (void)state;
    struct clock_skew skew = {0};
    assert_false(clock_skew_learn(&skew, NOW, NULL, true));
    assert_false(clock_skew_learn(&skew, NOW, "", true));
    assert_false(clock_skew_learn(&skew, NOW, "yesterday", true));
    assert_int_equal(skew.offset_ms, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(large_differences_are_taken_over),
        cmocka_unit_test(a_refusal_makes_small_ones_count),
        cmocka_unit_test(the_bound),
        cmocka_unit_test(no_date),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
