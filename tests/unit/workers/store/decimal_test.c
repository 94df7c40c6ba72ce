/* DynamoDB's numbers: spelling, order, sums, bounds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "workers/store/decimal.h"

static void spelled(const char *text, const char *expected)
{
    struct decimal d;
    char out[DECIMAL_TEXT_BYTES];
    assert_true(decimal_parse(text, &d));
    decimal_text(&d, out);
    assert_string_equal(out, expected);
}

static void test_one_spelling(void **state)
{
    (void)state;
    spelled("0", "0");
    spelled("-0.000", "0");
    spelled("+1", "1");
    spelled("007", "7");
    spelled("1.50", "1.5");
    spelled("100", "100");
    spelled(".5", "0.5");
    spelled("5.", "5");
    spelled("-12.034e2", "-1203.4");
    spelled("1e-3", "0.001");
    spelled("12345678901234567890123456789012345678", "12345678901234567890123456789012345678");
    spelled("0.00012345678901234567890123456789012345678",
            "0.00012345678901234567890123456789012345678");
    struct decimal d;
    char out[DECIMAL_TEXT_BYTES];
    assert_true(decimal_parse("9e125", &d));
    decimal_text(&d, out);
    assert_int_equal(strlen(out), 126);
    assert_true(decimal_parse("-1e-130", &d));
    decimal_text(&d, out);
    assert_int_equal(strlen(out), 133);
}

static void test_refused(void **state)
{
    static const char *const bad[] = {
        "",      "-",      ".",         "e5",
        "1e",    "1e+",    "1x",        " 1",
        "1 ",    "1..2",   "0x10",      "nan",
        "1e126", "1e-131", "1e9999999", "123456789012345678901234567890123456789",
    };
    struct decimal d;
    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_false(decimal_parse(bad[i], &d));
}

static void test_order(void **state)
{
    static const char *const sorted[] = {
        "-1e125", "-100", "-99.9", "-1", "-0.5", "-1e-130",       "0",    "1e-130", "0.1",
        "0.11",   "0.2",  "9",     "10", "10.1", "1795253400000", "1e125"};
    size_t n = sizeof(sorted) / sizeof(sorted[0]);
    (void)state;
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < n; j++) {
            struct decimal a;
            struct decimal b;
            assert_true(decimal_parse(sorted[i], &a) && decimal_parse(sorted[j], &b));
            int order = decimal_compare(&a, &b);
            assert_int_equal((order > 0) - (order < 0), (i > j) - (i < j));
        }
    }
}

static void sum(const char *a, const char *b, const char *added, const char *subtracted)
{
    struct decimal x;
    struct decimal y;
    struct decimal out;
    char text[DECIMAL_TEXT_BYTES];
    assert_true(decimal_parse(a, &x) && decimal_parse(b, &y));
    assert_true(decimal_add(&x, &y, false, &out));
    decimal_text(&out, text);
    assert_string_equal(text, added);
    assert_true(decimal_add(&x, &y, true, &out));
    decimal_text(&out, text);
    assert_string_equal(text, subtracted);
}

static void test_sums(void **state)
{
    (void)state;
    sum("0", "0", "0", "0");
    sum("0", "5", "5", "-5");
    sum("5", "0", "5", "5");
    sum("1", "1", "2", "0");
    sum("99", "1", "100", "98");
    sum("1", "99", "100", "-98");
    sum("-3", "5", "2", "-8");
    sum("0.1", "0.2", "0.3", "-0.1");
    sum("1000000", "0.001", "1000000.001", "999999.999");
    sum("1e37", "1", "10000000000000000000000000000000000001",
        "9999999999999999999999999999999999999");
}

/* Against machine integers. */
static void test_sums_of_many(void **state)
{
    uint32_t seed = 42;
    (void)state;
    for (int i = 0; i < 20000; i++) {
        int64_t v[2];
        struct decimal d[2];
        for (int k = 0; k < 2; k++) {
            char text[32];
            seed = seed * 1664525 + 1013904223;
            v[k] = (int64_t)(int32_t)seed >> (seed >> 3 & 31);
            snprintf(text, sizeof(text), "%lld", (long long)v[k]);
            assert_true(decimal_parse(text, &d[k]));
        }
        struct decimal out;
        char text[DECIMAL_TEXT_BYTES];
        char expected[32];
        bool subtract = i & 1;
        assert_true(decimal_add(&d[0], &d[1], subtract, &out));
        decimal_text(&out, text);
        snprintf(expected, sizeof(expected), "%lld", (long long)(v[0] + (subtract ? -v[1] : v[1])));
        assert_string_equal(text, expected);
        int order = decimal_compare(&d[0], &d[1]);
        assert_int_equal((order > 0) - (order < 0), (v[0] > v[1]) - (v[0] < v[1]));
    }
}

static void test_too_wide(void **state)
{
    struct decimal a;
    struct decimal b;
    struct decimal out;
    (void)state;
    assert_true(decimal_parse("1e38", &a) && decimal_parse("1", &b));
    assert_false(decimal_add(&a, &b, false, &out));
    assert_true(decimal_parse("9e125", &a) && decimal_parse("9e125", &b));
    assert_false(decimal_add(&a, &b, false, &out));
    assert_true(decimal_add(&a, &b, true, &out));
    assert_true(decimal_parse("1e-130", &b));
    assert_false(decimal_add(&a, &b, false, &out));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_spelling), cmocka_unit_test(test_refused),
        cmocka_unit_test(test_order),        cmocka_unit_test(test_sums),
        cmocka_unit_test(test_sums_of_many), cmocka_unit_test(test_too_wide),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
