#include "workers/retry/held.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#define NOW_MS (INT64_C(1793500000) * 1000)

static const char conf_text[] =
    "{\"destinations\":{\"crm\":{\"type\":\"http\"},\"log\":{\"type\":\"file\"}},"
    "\"sources\":{\"a\":{\"destination\":\"crm\",\"queue\":\"one\"},"
    "\"b\":{\"destination\":\"crm\",\"queue\":\"two\"},"
    "\"c\":{\"destination\":\"log\",\"queue\":\"two\"},"
    "\"d\":{\"destination\":\"crm\",\"queue\":\"four\",\"check\":{\"url\":\"https://x\"}}}}";

static void expect(const char *answer_text, const char *expected)
{
    json_t *conf = json_loads(conf_text, 0, NULL);
    json_t *answer = json_loads(answer_text, 0, NULL);
    assert_non_null(conf);
    json_t *list = held_list(conf, answer, NOW_MS);
    char *text = json_dumps(list, JSON_COMPACT | JSON_SORT_KEYS);
    assert_string_equal(text, expected);
    free(text);
    json_decref(list);
    json_decref(answer);
    json_decref(conf);
}

static void nothing_is_held(void **state)
{
    (void)state;
    expect("{\"gates\":[],\"paused\":[]}", "[]");
    expect("{}", "[]");
}

static void pauses_come_first(void **state)
{
    (void)state;
    expect("{\"gates\":[{\"key\":\"destination:crm\",\"left_ms\":5000,\"held_s\":60,"
           "\"why\":\"HTTP status 503\"}],"
           "\"paused\":[{\"source\":\"gone\",\"at\":\"T\",\"by\":\"ann\"}]}",
           "[{\"by\":\"ann\",\"kind\":\"paused\",\"name\":\"gone\",\"since\":\"T\","
           "\"sources\":[\"gone\"],\"until\":null},"
           "{\"kind\":\"destination\",\"name\":\"crm\",\"since\":\"2026-11-01T02:25:40.000Z\","
           "\"sources\":[\"a\",\"b\"],\"until\":\"2026-11-01T02:26:45.000Z\","
           "\"why\":\"HTTP status 503\"}]");
}

/* A source with a check has a gate of its own; a queue's gate is all its sources'. */
static void whose_events_wait(void **state)
{
    (void)state;
    expect("{\"gates\":[{\"key\":\"destination:crm/d\",\"left_ms\":0,\"held_s\":0,\"why\":\"\"},"
           "{\"key\":\"aws:sqs:two\",\"left_ms\":0,\"held_s\":0,\"why\":\"\"}]}",
           "[{\"kind\":\"destination\",\"name\":\"crm\",\"since\":\"2026-11-01T02:26:40.000Z\","
           "\"sources\":[\"d\"],\"until\":null,\"why\":\"\"},"
           "{\"kind\":\"queue\",\"name\":\"two\",\"since\":\"2026-11-01T02:26:40.000Z\","
           "\"sources\":[\"b\",\"c\"],\"until\":null,\"why\":\"\"}]");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_held),
        cmocka_unit_test(pauses_come_first),
        cmocka_unit_test(whose_events_wait),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
