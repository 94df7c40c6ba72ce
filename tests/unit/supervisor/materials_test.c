#include "supervisor/materials.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static json_t *item(const char *service, const char *date, const char *key)
{
    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s}", "t", "material", "kind", "sigv4",
                     "identity", "embedded", "region", "local", "service", service, "date", date,
                     "key", key);
}

static int put(struct materials *m, json_t *msg)
{
    const char *why;
    int rc = materials_put(m, msg, &why);
    assert_true((rc == 0) == (why == NULL));
    json_decref(msg);
    return rc;
}

struct seen {
    char text[512];
};

static void note(void *arg, json_t *msg)
{
    struct seen *seen = arg;
    strcat(seen->text, json_string_value(json_object_get(msg, "service")));
    strcat(seen->text, json_string_value(json_object_get(msg, "date")));
    strcat(seen->text, json_string_value(json_object_get(msg, "key")));
    strcat(seen->text, " ");
}

static void newest_of_an_item_replaces(void **state)
{
    (void)state;
    struct materials *m = materials_new();
    assert_int_equal(put(m, item("sqs", "1", "a")), 0);
    assert_int_equal(put(m, item("s3", "1", "b")), 0);
    assert_int_equal(put(m, item("sqs", "1", "c")), 0);
    assert_int_equal(materials_count(m), 2);
    struct seen seen = {""};
    materials_each(m, note, &seen);
    assert_string_equal(seen.text, "s31b sqs1c ");
    materials_free(m);
}

static void old_dates_go(void **state)
{
    (void)state;
    struct materials *m = materials_new();
    static const char *const dates[] = {"1", "2", "3", "2", "3", "4", "5"};
    for (size_t i = 0; i < sizeof(dates) / sizeof(dates[0]); i++)
        assert_int_equal(put(m, item("sqs", dates[i], "k")), 0);
    assert_int_equal(put(m, item("s3", "1", "k")), 0);
    struct seen seen = {""};
    materials_each(m, note, &seen);
    assert_string_equal(seen.text, "sqs3k sqs4k sqs5k s31k ");
    materials_free(m);
}

static void a_clock_that_was_years_ahead_is_forgotten(void **state)
{
    (void)state;
    struct materials *m = materials_new();
    static const char *const dates[] = {"7", "8", "9", "1", "2", "3"};
    for (size_t i = 0; i < sizeof(dates) / sizeof(dates[0]); i++)
        assert_int_equal(put(m, item("sqs", dates[i], "k")), 0);
    struct seen seen = {""};
    materials_each(m, note, &seen);
    assert_string_equal(seen.text, "sqs1k sqs2k sqs3k ");
    materials_free(m);
}

static void malformed_and_too_many_are_refused(void **state)
{
    (void)state;
    struct materials *m = materials_new();
    assert_int_equal(put(m, json_object()), -1);
    assert_int_equal(put(m, json_pack("{s:s}", "kind", "sigv4")), -1);
    assert_int_equal(put(m, json_pack("{s:s, s:i}", "kind", "x", "identity", 1)), -1);
    assert_int_equal(put(m, json_pack("{s:s, s:s, s:[]}", "kind", "x", "identity", "y", "date")),
                     -1);
    char big[17000];
    memset(big, 'x', sizeof(big) - 1);
    big[sizeof(big) - 1] = '\0';
    assert_int_equal(put(m, item("sqs", "1", big)), -1);
    for (int i = 0; i < MATERIALS_MAX_ITEMS; i++) {
        json_t *msg = item("sqs", "1", "k");
        json_object_set_new(msg, "region", json_sprintf("r%d", i));
        assert_int_equal(put(m, msg), 0);
    }
    assert_int_equal(put(m, item("sqs", "1", "k")), -1);
    assert_int_equal(materials_count(m), MATERIALS_MAX_ITEMS);
    materials_free(m);
}

static size_t answer(const struct materials *m, const char *service, int64_t wall_ms, char *text)
{
    struct seen seen = {""};
    json_t *need = json_pack("{s:s, s:s, s:s, s:s, s:s}", "t", "need", "kind", "sigv4", "identity",
                             "embedded", "region", "local", "service", service);
    size_t count = materials_answer(m, need, wall_ms, note, &seen);
    json_decref(need);
    strcpy(text, seen.text);
    return count;
}

static void a_need_is_answered_by_what_is_current(void **state)
{
    (void)state;
    struct materials *m = materials_new();
    char text[512];
    const int64_t noon_ms = 1795219200000 + 43200000; /* 2026-11-21T12:00:00Z */
    assert_int_equal(put(m, item("sqs", "20261120", "a")), 0);
    assert_int_equal(put(m, item("sqs", "20261122", "c")), 0);
    assert_int_equal(answer(m, "sqs", noon_ms, text), 0);
    assert_int_equal(put(m, item("sqs", "20261121", "b")), 0);
    assert_int_equal(answer(m, "sqs", noon_ms, text), 1);
    assert_string_equal(text, "sqs20261121b ");
    assert_int_equal(answer(m, "s3", noon_ms, text), 0);
    json_t *token = item("api", "", "t");
    json_object_set_new(token, "expires_at_ms", json_integer(noon_ms));
    assert_int_equal(put(m, token), 0);
    assert_int_equal(answer(m, "api", noon_ms - 1, text), 1);
    assert_int_equal(answer(m, "api", noon_ms, text), 0);
    materials_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(newest_of_an_item_replaces),
        cmocka_unit_test(old_dates_go),
        cmocka_unit_test(a_clock_that_was_years_ahead_is_forgotten),
        cmocka_unit_test(a_need_is_answered_by_what_is_current),
        cmocka_unit_test(malformed_and_too_many_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
