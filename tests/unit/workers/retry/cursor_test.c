#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "workers/retry/cursor.h"
#include "workers/retry/dlq_key.h"

static void there_and_back(void **state)
{
    (void)state;
    for (int len = 1; len < 128; len++) {
        char key[256];
        int n = snprintf(key, sizeof(key), "dlq/year=2026/month=11/day=22/hour=09/");
        for (int i = 0; i < len; i++)
            key[n++] = "aZ09-_"[i % 6];
        snprintf(key + n, sizeof(key) - (size_t)n, ".json");
        char *token = cursor_make(key);
        assert_int_equal(strspn(token, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                       "0123456789-_"),
                         strlen(token));
        char *after = cursor_read("dlq/", token);
        assert_string_equal(after, key);
        free(after);
        assert_null(cursor_read("other/", token));
        free(token);
    }
    char *token = cursor_make("");
    char *after = cursor_read("dlq/", token);
    assert_string_equal(token, "");
    assert_string_equal(after, "");
    free(token);
    free(after);
}

static void strangers(void **state)
{
    (void)state;
    static const char *const tokens[] = {
        "x",
        "!",
        "e30",
        "bnVsbA",
        "W10",
        "eyJ2IjoxfQ",
        "e30=",
        "a+b/",
        "abc\xff",
        "eyJ2IjoxLCJhZnRlciI6ImV0Yy9wYXNzd2QifQ", /* {"v":1,"after":"etc/passwd"} */
        "eyJ2IjoyLCJhZnRlciI6ImRscS95ZWFyPTIwMjYvbW9udGg9MTEvZGF5PTIyL2hvdXI9MDkvYS5qc29uIn0",
    };
    for (size_t i = 0; i < sizeof(tokens) / sizeof(tokens[0]); i++)
        assert_null(cursor_read("dlq/", tokens[i]));
    char *large = malloc(10000);
    memset(large, 'A', 9999);
    large[9999] = '\0';
    assert_null(cursor_read("dlq/", large));
    free(large);
}

static const struct {
    const char *key;
    bool good;
} keys[] = {
    {"dlq/year=2026/month=11/day=22/hour=09/01KAM5E6000000000000000000.json", true},
    {"dlq/year=2026/month=11/day=22/hour=09/DLQ-0123456789abcdef0123456789abcdef.json", true},
    {"dlq/year=2024/month=02/day=29/hour=23/a.json", true},
    {"dlq/year=2023/month=02/day=29/hour=23/a.json", false},
    {"dlq/year=2026/month=13/day=22/hour=09/a.json", false},
    {"dlq/year=2026/month=11/day=22/hour=24/a.json", false},
    {"dlq/year=2026/month=11/day=22/hour=09/.json", false},
    {"dlq/year=2026/month=11/day=22/hour=09/a.jso", false},
    {"dlq/year=2026/month=11/day=22/hour=09/a", false},
    {"dlq/year=2026/month=11/day=22/hour=09/../a.json", false},
    {"dlq/year=2026/month=11/day=22/hour=09/a/b.json", false},
    {"dlq/year=2026/month=11/day=22/hour=09/a.b.json", false},
    {"dlq/year=2026/month=11/day=22/hour=09/a\n.json", false},
    {"dlq/year=2026/month=11/day=22/hour=9/a.json", false},
    {"dlq/year=2026/month=11/day=22/hour=+9/a.json", false},
    {"dlq/year=-026/month=11/day=22/hour=09/a.json", false},
    {"xdlq/year=2026/month=11/day=22/hour=09/a.json", false},
    {"/dlq/year=2026/month=11/day=22/hour=09/a.json", false},
    {"year=2026/month=11/day=22/hour=09/a.json", false},
    {"dlq/", false},
    {"", false},
};

static void shapes(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
        if (dlq_key_parse("dlq/", keys[i].key, NULL) != keys[i].good)
            fail_msg("%s", keys[i].key);
    struct dlq_key key;
    assert_true(dlq_key_parse("dlq/", keys[0].key, &key));
    assert_string_equal(key.trace_id, "01KAM5E6000000000000000000");
    assert_true(key.hour_ms == INT64_C(1795338000000));
    assert_true(dlq_key_parse("", "year=2026/month=11/day=22/hour=09/a.json", NULL));
}

static void longest_trace(void **state)
{
    (void)state;
    char key[400];
    for (int len = 126; len < 132; len++) {
        int n = snprintf(key, sizeof(key), "year=2026/month=11/day=22/hour=09/");
        memset(key + n, 'a', (size_t)len);
        snprintf(key + n + len, sizeof(key) - (size_t)(n + len), ".json");
        assert_int_equal(dlq_key_parse("", key, NULL), len <= 128);
    }
}

static void hours_and_times(void **state)
{
    (void)state;
    char before[DLQ_KEY_BYTES];
    dlq_key_before_hour("dlq/", INT64_C(1795338000000) + 3599999, before);
    assert_string_equal(before, "dlq/year=2026/month=11/day=22/hour=09/");
    assert_true(strcmp(before, keys[0].key) < 0);
    assert_true(dlq_key_trace_ms("00000000010000000000000000") == 1);
    assert_true(dlq_key_trace_ms("7ZZZZZZZZZZZZZZZZZZZZZZZZZ") == (INT64_C(1) << 48) - 1);
    assert_true(dlq_key_trace_ms("8ZZZZZZZZZZZZZZZZZZZZZZZZZ") == -1);
    assert_true(dlq_key_trace_ms("DLQ-0123456789abcdef0123456789abcdef") == -1);
    assert_true(dlq_key_trace_ms("0000000001000000000000000U") == -1);
    assert_true(dlq_key_trace_ms("") == -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(there_and_back),  cmocka_unit_test(strangers),
        cmocka_unit_test(shapes),          cmocka_unit_test(longest_trace),
        cmocka_unit_test(hours_and_times),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
