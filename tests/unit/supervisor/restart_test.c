#include "supervisor/restart.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void waits_double_to_the_cap(void **state)
{
    (void)state;
    static const int64_t bases[] = {500, 1000, 2000, 4000, 8000, 16000, 32000, 48000, 48000, 48000};
    struct restart r = {0};
    for (size_t i = 0; i < sizeof(bases) / sizeof(bases[0]); i++)
        assert_int_equal(restart_wait_ms(&r, -1, 0), bases[i]);
}

static void jitter_is_bounded_and_deterministic(void **state)
{
    (void)state;
    for (unsigned failures = 0; failures < 70; failures++) {
        for (uint32_t jitter = 0; jitter < 40000; jitter += 37) {
            struct restart a = {failures}, b = {failures}, c = {failures};
            int64_t base = restart_wait_ms(&a, 0, 0);
            int64_t wait = restart_wait_ms(&b, 0, jitter);
            assert_in_range(wait, base, base + base / 4);
            assert_in_range(wait, RESTART_FIRST_MS, RESTART_CAP_MS);
            assert_int_equal(wait, restart_wait_ms(&c, 0, jitter));
        }
    }
}

static void proven_worker_starts_at_once(void **state)
{
    (void)state;
    struct restart r = {0};
    assert_int_equal(restart_wait_ms(&r, RESTART_PROVEN_MS, 7), 0);
    assert_int_equal(restart_wait_ms(&r, RESTART_PROVEN_MS - 1, 0), 500);
    assert_int_equal(restart_wait_ms(&r, -1, 0), 1000);
    assert_int_equal(restart_wait_ms(&r, 1000000, 0), 0);
    assert_int_equal(restart_wait_ms(&r, 0, 0), 500);
}

static void endless_failures_do_not_overflow(void **state)
{
    (void)state;
    struct restart r = {0};
    for (int i = 0; i < 100000; i++)
        assert_in_range(restart_wait_ms(&r, -1, UINT32_MAX), RESTART_FIRST_MS, RESTART_CAP_MS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(waits_double_to_the_cap),
        cmocka_unit_test(jitter_is_bounded_and_deterministic),
        cmocka_unit_test(proven_worker_starts_at_once),
        cmocka_unit_test(endless_failures_do_not_overflow),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
