#include "common/aws/limiter.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static void full_speed_until_throttled(void **state)
{
    (void)state;
    for (int most = 1; most <= 20; most++) {
        struct limiter l;
        limiter_init(&l, most);
        for (int64_t now = 0; now < 100; now++) {
            assert_int_equal(limiter_room(&l, now), most);
            assert_false(limiter_is_slow(&l, now));
            limiter_worked(&l, now);
        }
    }
}

static void it_halves_once_in_an_interval(void **state)
{
    (void)state;
    struct limiter l;
    limiter_init(&l, 16);
    assert_true(limiter_throttled(&l, 0, 0));
    for (int64_t now = 0; now < LIMITER_PAUSE_MS; now++) {
        assert_false(limiter_throttled(&l, now, 0)); /* those that were under way with it */
        assert_int_equal(limiter_room(&l, now), 0);
        assert_true(limiter_is_slow(&l, now));
    }
    assert_int_equal(limiter_room(&l, LIMITER_PAUSE_MS), 8);
    assert_true(limiter_throttled(&l, LIMITER_PAUSE_MS, 0)); /* a pause, but no decrease */
    assert_int_equal(limiter_room(&l, 3 * LIMITER_PAUSE_MS - 1), 0);
    assert_int_equal(limiter_room(&l, 3 * LIMITER_PAUSE_MS), 8);
    assert_true(limiter_throttled(&l, 3 * LIMITER_PAUSE_MS, 0));
    assert_int_equal(limiter_room(&l, 60000), 4);
}

static void it_never_falls_below_one(void **state)
{
    (void)state;
    for (int most = 1; most <= 9; most++) {
        struct limiter l;
        limiter_init(&l, most);
        int64_t now = 0;
        for (int i = 0; i < 50; i++, now += 60000) {
            assert_true(limiter_throttled(&l, now, (uint32_t)i * 77));
            assert_in_range(limiter_room(&l, now + LIMITER_LONGEST_MS), 1, most);
        }
        assert_int_equal(limiter_room(&l, now), 1);
    }
}

static void pauses_double_to_a_bound_and_start_over(void **state)
{
    (void)state;
    static const int64_t pauses[] = {500, 1000, 2000, 4000, 5000, 5000, 5000};
    struct limiter l;
    limiter_init(&l, 4);
    int64_t now = 1000000;
    for (int again = 0; again < 2; again++) {
        for (size_t i = 0; i < sizeof(pauses) / sizeof(pauses[0]); i++) {
            now += LIMITER_INTERVAL_MS;
            assert_true(limiter_throttled(&l, now, 0));
            assert_int_equal(limiter_room(&l, now + pauses[i] - 1), 0);
            now += pauses[i];
            assert_int_not_equal(limiter_room(&l, now), 0);
        }
        limiter_worked(&l, now);
    }
}

static void chance_takes_at_most_a_quarter(void **state)
{
    (void)state;
    for (uint32_t noise = 0; noise < 5000; noise++) {
        struct limiter l;
        limiter_init(&l, 4);
        assert_true(limiter_throttled(&l, 0, noise * 2654435761u));
        assert_int_equal(limiter_room(&l, LIMITER_PAUSE_MS * 3 / 4 - 1), 0);
        assert_int_not_equal(limiter_room(&l, LIMITER_PAUSE_MS), 0);
    }
}

/* From one to `most` it takes 1 + 2 + ... + (most - 1) successes. */
static void it_grows_by_one_a_round(void **state)
{
    (void)state;
    struct limiter l;
    limiter_init(&l, 4);
    int64_t now = 0;
    for (int i = 0; i < 3; i++, now += 10000)
        assert_true(limiter_throttled(&l, now, 0));
    static const int after[] = {1, 2, 2, 3, 3, 3, 4, 4, 4, 4};
    for (size_t i = 0; i < sizeof(after) / sizeof(after[0]); i++, now++) {
        assert_int_equal(limiter_room(&l, now), after[i]);
        assert_int_equal(limiter_is_slow(&l, now), after[i] < 4);
        limiter_worked(&l, now);
    }
}

static void what_was_under_way_does_not_end_the_pause(void **state)
{
    (void)state;
    struct limiter l;
    limiter_init(&l, 4);
    assert_true(limiter_throttled(&l, 0, 0));
    for (int64_t now = 0; now < LIMITER_PAUSE_MS; now++) {
        limiter_worked(&l, now);
        assert_int_equal(limiter_room(&l, now), 0);
    }
    assert_int_equal(limiter_room(&l, LIMITER_PAUSE_MS), 2);
    assert_true(limiter_throttled(&l, 5000, 0)); /* so the next pause is longer */
    assert_int_equal(limiter_room(&l, 5000 + 2 * LIMITER_PAUSE_MS - 1), 0);
}

static void others_are_believed_within_bounds(void **state)
{
    (void)state;
    struct limiter l;
    limiter_init(&l, 4);
    limiter_told(&l, 0, 3000);
    assert_int_equal(limiter_room(&l, 2999), 0);
    assert_int_equal(limiter_room(&l, 3000), 2);
    limiter_told(&l, 3000, 100);
    limiter_told(&l, 3050, 10); /* never sooner */
    assert_int_equal(limiter_room(&l, 3099), 0);
    assert_int_equal(limiter_room(&l, 3100), 1);
    limiter_told(&l, 4000, INT64_C(1) << 60);
    assert_int_equal(limiter_room(&l, 4000 + LIMITER_LONGEST_MS - 1), 0);
    assert_int_equal(limiter_room(&l, 4000 + LIMITER_LONGEST_MS), 1);
    limiter_told(&l, 10000, -5);
    assert_int_equal(limiter_room(&l, 10000), 1);
}

/* Sixty seconds of nothing but throttling, every request made as soon as it may be. */
static void a_minute_of_throttling_costs_few_requests(void **state)
{
    (void)state;
    for (uint32_t seed = 1; seed <= 100; seed++) {
        struct limiter l;
        limiter_init(&l, 4);
        int requests = 0, late = 0;
        for (int64_t now = 0; now < 60000; now += 10) {
            int room = limiter_room(&l, now);
            requests += room;
            late += now >= 30000 ? room : 0;
            for (int i = 0; i < room; i++)
                limiter_throttled(&l, now, seed * 2654435761u + (uint32_t)now);
        }
        assert_in_range(requests, 10, 30);
        assert_in_range(late, 5, 9);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(full_speed_until_throttled),
        cmocka_unit_test(it_halves_once_in_an_interval),
        cmocka_unit_test(it_never_falls_below_one),
        cmocka_unit_test(pauses_double_to_a_bound_and_start_over),
        cmocka_unit_test(chance_takes_at_most_a_quarter),
        cmocka_unit_test(it_grows_by_one_a_round),
        cmocka_unit_test(what_was_under_way_does_not_end_the_pause),
        cmocka_unit_test(others_are_believed_within_bounds),
        cmocka_unit_test(a_minute_of_throttling_costs_few_requests),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
