#include "common/base/log_rate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static void one_line_in_its_time(void **state)
{
    (void)state;
    struct log_rate r = {0};
    int64_t left_out = -1;
    assert_true(log_rate_due(&r, 0, 1000, &left_out));
    assert_int_equal(left_out, 0);
    for (int64_t now = 0; now < 1000; now += 10)
        assert_false(log_rate_due(&r, now, 1000, &left_out));
    assert_true(log_rate_due(&r, 1000, 1000, &left_out));
    assert_int_equal(left_out, 100);
    assert_true(log_rate_due(&r, 9000, 1000, &left_out));
    assert_int_equal(left_out, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(one_line_in_its_time)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
