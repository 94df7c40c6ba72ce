#include "workers/keyring/aws_refresh.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define NOW INT64_C(1795253400000)
#define MINUTE 60000

static void credentials_are_renewed_early(void **state)
{
    (void)state;
    static const struct {
        int64_t life_ms;
        double random01;
        int64_t delay_ms;
    } cases[] = {
        {6 * 60 * MINUTE, 0, 345 * MINUTE},
        {6 * 60 * MINUTE, 1, 342 * MINUTE},
        {60 * MINUTE, 0, 45 * MINUTE},
        {60 * MINUTE, 0.5, 45 * MINUTE - 90000},
        {30 * MINUTE, 0, 15 * MINUTE},
        {15 * MINUTE, 0, 450000},
        {15 * MINUTE, 1, 360000},
        {4000, 0, 2000},
        {1000, 0, 1000},
        {0, 0.5, 1000},
        {-60 * MINUTE, 1, 1000},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_int_equal(aws_refresh_delay_ms(NOW, NOW + cases[i].life_ms, 1000, cases[i].random01),
                         cases[i].delay_ms);
}

static void a_delay_never_outlives_them(void **state)
{
    (void)state;
    for (int64_t life_ms = 2000; life_ms < 48 * 60 * MINUTE; life_ms += life_ms / 7) {
        for (int r = 0; r <= 10; r++) {
            int64_t delay_ms = aws_refresh_delay_ms(NOW, NOW + life_ms, 1000, r / 10.0);
            assert_in_range(delay_ms, 1000, life_ms / 2 > 1000 ? life_ms - 1000 : 1000);
        }
    }
}

static void failures_wait_longer_and_longer(void **state)
{
    (void)state;
    static const int64_t full_ms[] = {1000,  1000,  2000,  4000,  8000, 16000,
                                      32000, 60000, 60000, 60000, 60000};
    for (unsigned n = 0; n < sizeof(full_ms) / sizeof(full_ms[0]); n++) {
        assert_int_equal(aws_refresh_backoff_ms(n, 1000, 0), full_ms[n] / 2);
        assert_int_equal(aws_refresh_backoff_ms(n, 1000, 1), full_ms[n]);
    }
    assert_int_equal(aws_refresh_backoff_ms(4000000000u, 1000, 1), 60000);
    assert_int_equal(aws_refresh_backoff_ms(4000000000u, 10, 1), 600);
}

/* What is counted are failures to get other credentials than those that are refused. */
static void only_a_renewal_that_does_not_help_is_a_failure(void **state)
{
    (void)state;
    static const struct {
        bool is_forced, is_new;
        int64_t age_ms;
        unsigned failures;
    } cases[] = {
        {false, true, 1000, 0},   {false, false, 1000, 0}, /* of a source that keeps them */
        {true, true, 60000, 0},   {true, true, 59999, 6},  /* the new ones are refused too */
        {true, false, 600000, 6},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_int_equal(
            aws_refresh_failures(5, cases[i].is_forced, cases[i].is_new, cases[i].age_ms, 1000),
            cases[i].failures);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(credentials_are_renewed_early),
        cmocka_unit_test(a_delay_never_outlives_them),
        cmocka_unit_test(failures_wait_longer_and_longer),
        cmocka_unit_test(only_a_renewal_that_does_not_help_is_a_failure),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
