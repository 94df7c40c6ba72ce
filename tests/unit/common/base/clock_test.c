#include "common/base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const int64_t MOMENT = INT64_C(1795253400123); /* 2026-11-21T09:30:00.123Z */

static void writes_three_forms(void **state)
{
    (void)state;
    char text[CLOCK_TEXT_BYTES];
    clock_rfc3339(MOMENT, text);
    assert_string_equal(text, "2026-11-21T09:30:00.123Z");
    clock_amz_date(MOMENT, text);
    assert_string_equal(text, "20261121T093000Z");
    clock_http_date(MOMENT, text);
    assert_string_equal(text, "Sat, 21 Nov 2026 09:30:00 GMT");
    clock_rfc3339(-1, text);
    assert_string_equal(text, "1969-12-31T23:59:59.999Z");
}

static void reads_what_it_writes(void **state)
{
    (void)state;
    for (int64_t at = INT64_C(-86400000123); at < INT64_C(4102444800000);
         at += INT64_C(86398765432)) {
        char text[CLOCK_TEXT_BYTES];
        int64_t back;
        clock_rfc3339(at, text);
        assert_int_equal(clock_parse_rfc3339(text, &back), 0);
        assert_int_equal(back, at);
        int64_t seconds = at - ((at % 1000) + 1000) % 1000;
        clock_amz_date(at, text);
        assert_int_equal(clock_parse_amz_date(text, &back), 0);
        assert_int_equal(back, seconds);
        clock_http_date(at, text);
        assert_int_equal(clock_parse_http_date(text, &back), 0);
        assert_int_equal(back, seconds);
    }
}

static void reads_rfc3339_in_its_variants(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t ms;
    } good[] = {
        {"1970-01-01T00:00:00Z", 0},          {"1970-01-01t00:00:00z", 0},
        {"1970-01-01 00:00:00.5Z", 500},      {"1970-01-01T00:00:00.123456789Z", 123},
        {"1970-01-01T01:00:00+01:00", 0},     {"1969-12-31T23:30:00-00:30", 0},
        {"1970-01-01T01:30:00.25+0130", 250}, {"1969-12-31T19:00:00-0500", 0},
        {"1970-01-01T01:00:00+01", 0},        {"2024-02-29T00:00:00Z", 1709164800000},
    };
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        int64_t ms = -1;
        assert_int_equal(clock_parse_rfc3339(good[i].text, &ms), 0);
        assert_int_equal(ms, good[i].ms);
    }
}

static void refuses_what_is_no_time(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "1970",
        "1970-01-01",
        "1970-01-01T00:00:00",
        "1970-01-01T00:00:00.Z",
        "1970-01-01T00:00:00Zx",
        "1970-13-01T00:00:00Z",
        "2023-02-29T00:00:00Z",
        "1970-01-01T24:00:00Z",
        "1970-01-01T00:00:00+24:00",
        "1970-01-01T00:00:00+1:00",
        "1970-01-01T00:00:00+01:0",
        "1970-01-01T00:00:00+010",
        "1970-01-01T00:00:00+01:",
        "1970-01-01T00:00:00+0160",
        "1970-01-01T00:00:00+01000",
        "1970-01-01T00:00:00+",
        "-970-01-01T00:00:00Z",
        "1970-+1-01T00:00:00Z",
        "1970-01- 1T00:00:00Z",
        "1970-01-01X00:00:00Z",
        "1970-01-01T00:00:00++1:00",
    };
    int64_t ms;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(clock_parse_rfc3339(bad[i], &ms), -1);
    static const char *const bad_amz[] = {"",
                                          "20261121T093000",
                                          "20261121t093000Z",
                                          "20261121T093000ZZ",
                                          "2026112 T093000Z",
                                          "20261321T093000Z",
                                          "2026112T0930000Z"};
    for (size_t i = 0; i < sizeof(bad_amz) / sizeof(bad_amz[0]); i++)
        assert_int_equal(clock_parse_amz_date(bad_amz[i], &ms), -1);
    static const char *const bad_http[] = {
        "",
        "Sat, 21 Nov 2026 09:30:00",
        "Sat, 21 Nov 2026 09:30:00 UTC",
        "Sat, 21 Nov 2026 09:30:00 GMT ",
        "Sat, 21 Nox 2026 09:30:00 GMT",
        "Sat, 31 Nov 2026 09:30:00 GMT",
        "Sat, +1 Nov 2026 09:30:00 GMT",
        "Saturday, 21-Nov-26 09:30:00 GMT",
    };
    for (size_t i = 0; i < sizeof(bad_http) / sizeof(bad_http[0]); i++)
        assert_int_equal(clock_parse_http_date(bad_http[i], &ms), -1);
}

static void clocks_run(void **state)
{
    (void)state;
    int64_t before = clock_mono_ms();
    assert_true(clock_mono_ms() >= before);
    assert_true(clock_wall_ms() > INT64_C(1700000000000));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_three_forms),
        cmocka_unit_test(reads_what_it_writes),
        cmocka_unit_test(reads_rfc3339_in_its_variants),
        cmocka_unit_test(refuses_what_is_no_time),
        cmocka_unit_test(clocks_run),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
