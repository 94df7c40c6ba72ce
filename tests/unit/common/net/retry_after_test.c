#include "common/net/retry_after.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#define NOW INT64_C(1795253400000) /* Sat, 21 Nov 2026 09:30:00 GMT */

static void seconds_and_dates(void **state)
{
    (void)state;
    static const struct {
        const char *value, *date;
        int cap_s, expected;
    } cases[] = {
        {"0", NULL, 300, 0},
        {"1", NULL, 300, 1},
        {"120", NULL, 300, 120},
        {" 120\t", NULL, 300, 120},
        {"007", NULL, 300, 7},
        {"300", NULL, 300, 300},
        {"301", NULL, 300, 300},
        {"99999999999999999999999999999999999999", NULL, 300, 300},
        {"5", NULL, 0, 0},
        {NULL, NULL, 300, 0},
        {"", NULL, 300, 0},
        {"  ", NULL, 300, 0},
        {"-1", NULL, 300, 0},
        {"+1", NULL, 300, 0},
        {"1.5", NULL, 300, 0},
        {"1s", NULL, 300, 0},
        {"1 2", NULL, 300, 0},
        {"soon", NULL, 300, 0},
        {"0x10", NULL, 300, 0},
        {"Sat, 21 Nov 2026 09:31:00 GMT", NULL, 300, 60},
        {" Sat, 21 Nov 2026 09:31:00 GMT ", NULL, 300, 60},
        {"Sat, 21 Nov 2026 09:30:00 GMT", NULL, 300, 0},
        {"Sat, 21 Nov 2026 09:29:00 GMT", NULL, 300, 0},
        {"Sat, 21 Nov 2027 09:30:00 GMT", NULL, 300, 300},
        {"Sat, 32 Nov 2026 09:30:00 GMT", NULL, 300, 0},
        {"Sat, 21 Nov 2026 09:31:00 CET", NULL, 300, 0},
        /* The server's clock is an hour behind ours, or ahead. */
        {"Sat, 21 Nov 2026 08:31:00 GMT", "Sat, 21 Nov 2026 08:30:00 GMT", 300, 60},
        {"Sat, 21 Nov 2026 10:31:00 GMT", "Sat, 21 Nov 2026 10:30:30 GMT", 300, 30},
        {"Sat, 21 Nov 2026 09:31:00 GMT", "yesterday", 300, 60},
        {"120", "Sat, 21 Nov 2026 08:30:00 GMT", 300, 120},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int got = retry_after_s(cases[i].value, cases[i].date, NOW, cases[i].cap_s);
        if (got != cases[i].expected)
            fail_msg("\"%s\" gave %d instead of %d", cases[i].value, got, cases[i].expected);
    }
}

static void parts_of_a_second_are_rounded_up(void **state)
{
    (void)state;
    assert_int_equal(retry_after_s("Sat, 21 Nov 2026 09:30:01 GMT", NULL, NOW + 1, 300), 1);
    assert_int_equal(retry_after_s("Sat, 21 Nov 2026 09:30:01 GMT", NULL, NOW - 1, 300), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(seconds_and_dates),
        cmocka_unit_test(parts_of_a_second_are_rounded_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
