#include "common/delivery/backoff.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

static void the_documented_ranges(void **state)
{
    (void)state;
    static const int want[][2] = {{1, 2}, {1, 2}, {2, 4}, {4, 8}, {8, 16}, {15, 30}, {15, 30}};
    for (int n = 0; n < 7; n++) {
        struct backoff_range r = backoff_range(1, 30, n);
        assert_int_equal(r.lo_s, want[n][0]);
        assert_int_equal(r.hi_s, want[n][1]);
    }
    struct backoff_range trial = backoff_range(1, 2, 9);
    assert_int_equal(trial.lo_s, 1);
    assert_int_equal(trial.hi_s, 2);
    struct backoff_range one = backoff_range(1, 1, 3);
    assert_int_equal(one.lo_s, 1);
    assert_int_equal(one.hi_s, 1);
}

/* Every base and cap up to 64 and n up to 40, against the formula in wide arithmetic. */
static void every_range_follows_the_formula(void **state)
{
    (void)state;
    for (int base = 1; base <= 64; base++) {
        for (int cap = 1; cap <= 64; cap++) {
            for (int n = 0; n <= 40; n++) {
                int64_t hi = (int64_t)base << n;
                hi = hi < cap ? hi : cap;
                int64_t lo = hi / 2 > 1 ? hi / 2 : 1;
                hi = hi > lo + 1 ? hi : lo + 1;
                hi = hi < cap ? hi : cap;
                struct backoff_range r = backoff_range(base, cap, n);
                assert_int_equal(r.lo_s, lo);
                assert_int_equal(r.hi_s, hi);
                assert_true(r.lo_s >= 1 && r.lo_s <= r.hi_s && r.hi_s <= cap);
                int delay = backoff_delay_s(base, cap, n, "event");
                assert_true(delay >= r.lo_s && delay <= r.hi_s);
            }
        }
    }
}

static void huge_numbers_do_not_overflow(void **state)
{
    (void)state;
    struct backoff_range r = backoff_range(43200, 43200, 1000000);
    assert_int_equal(r.lo_s, 21600);
    assert_int_equal(r.hi_s, 43200);
}

static void jitter_is_deterministic_and_spread(void **state)
{
    (void)state;
    int seen[31] = {0};
    for (int i = 0; i < 16000; i++) {
        char id[32];
        snprintf(id, sizeof(id), "event-%d", i);
        int delay = backoff_delay_s(1, 30, 5, id);
        assert_int_equal(delay, backoff_delay_s(1, 30, 5, id));
        seen[delay]++;
    }
    for (int s = 15; s <= 30; s++)
        assert_in_range(seen[s], 850, 1150);
}

static void long_and_empty_ids_work(void **state)
{
    (void)state;
    char id[4096];
    memset(id, 'x', sizeof(id) - 1);
    id[sizeof(id) - 1] = '\0';
    assert_in_range(backoff_delay_s(1, 30, 4, id), 8, 16);
    assert_in_range(backoff_delay_s(1, 30, 4, ""), 8, 16);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_documented_ranges),
        cmocka_unit_test(every_range_follows_the_formula),
        cmocka_unit_test(huge_numbers_do_not_overflow),
        cmocka_unit_test(jitter_is_deterministic_and_spread),
        cmocka_unit_test(long_and_empty_ids_work),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
