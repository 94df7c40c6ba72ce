#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "workers/retry/api.h"
#include "workers/retry/console.h"
#include "workers/retry/counts.h"
#include "workers/retry/overview.h"

static const struct counts_entry entries[] = {
    {.queue = "q", .known = true, .waiting = 12, .in_work = 3},
    {.queue = "q-dlq", .known = true, .waiting = 5, .in_work = 2},
    {.queue = "q-inspection", .known = false, .waiting = 99},
};

static const struct counts_entry *count(const void *arg, const char *queue)
{
    (void)arg;
    for (size_t i = 0; i < 3; i++)
        if (strcmp(entries[i].queue, queue) == 0)
            return &entries[i];
    return NULL;
}

static json_t *overview_of(const char *dead_letter_queue)
{
    json_t *conf =
        json_pack("{s:{s:{s:s,s:s,s:s,s:s,s:s,s:{s:s,s:b}}}}", "sources", "orders", "preset",
                  "generic", "path", "/a", "destination", "d", "queue", "q", "inspection_queue",
                  "q-inspection", "dead_letter", "queue", dead_letter_queue, "s3", 1);
    const struct overview o = {
        .conf = conf, .trouble = "not \xff open", .uptime_s = 7, .count = count};
    json_t *out = overview_json(&o);
    json_decref(conf);
    return out;
}

static void what_the_sources_hold(void **state)
{
    (void)state;
    json_t *out = overview_of("q-dlq");
    const json_t *one = json_array_get(json_object_get(out, "sources"), 0);
    assert_string_equal(json_string_value(json_object_get(one, "name")), "orders");
    assert_int_equal(json_integer_value(json_object_get(one, "waiting")), 12);
    assert_int_equal(json_integer_value(json_object_get(one, "in_work")), 3);
    assert_true(json_is_null(json_object_get(one, "to_inspect")));
    assert_int_equal(json_integer_value(json_object_get(one, "in_dead_letter_queue")), 7);
    assert_true(json_is_true(json_object_get(one, "keeps_dead_letters")));
    assert_string_equal(json_string_value(json_object_get(out, "trouble")), "not %FF open");
    json_decref(out);
    out = overview_of("");
    one = json_array_get(json_object_get(out, "sources"), 0);
    assert_true(json_is_null(json_object_get(one, "in_dead_letter_queue")));
    json_decref(out);
}

static void self_contained(void **state)
{
    (void)state;
    const struct console_file *page = console_find("/");
    assert_non_null(page);
    assert_int_equal(strlen(page->data), page->len);
    assert_null(strstr(page->data, "://"));
    assert_null(strstr(page->data, " style="));
    assert_null(strstr(page->data, " onclick="));
    assert_non_null(strstr(page->data, "<script src=\"/console.js\" defer></script>"));
    const struct console_file *script = console_find("/console.js");
    assert_non_null(script);
    assert_null(strstr(script->data, "innerHTML"));
    assert_null(strstr(script->data, "insertAdjacent"));
    assert_null(strstr(script->data, "Storage"));
    assert_null(strstr(script->data, "cookie"));
    const struct console_file *css = console_find("/style.css");
    assert_non_null(css);
    assert_null(strstr(css->data, "url("));
    assert_null(console_find("/index.html"));
    assert_null(console_find(""));
}

static const struct {
    const char *origin, *host;
    bool allowed;
} origins[] = {
    {NULL, "127.0.0.1:8081", true},
    {NULL, NULL, true},
    {"http://127.0.0.1:8081", "127.0.0.1:8081", true},
    {"https://Sluice.example", "sluice.example", true},
    {"http://127.0.0.1:8082", "127.0.0.1:8081", false},
    {"http://127.0.0.1", "127.0.0.1:8081", false},
    {"http://evil.example", "127.0.0.1:8081", false},
    {"null", "127.0.0.1:8081", false},
    {"null", NULL, false},
    {"", "", false},
    {"127.0.0.1:8081", "127.0.0.1:8081", false},
    {"file://127.0.0.1:8081", "127.0.0.1:8081", false},
};

static void whose_page(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(origins) / sizeof(origins[0]); i++)
        if (api_origin_allowed(origins[i].origin, origins[i].host) != origins[i].allowed)
            fail_msg("%s at %s", origins[i].origin, origins[i].host);
}

static void what_is_json(void **state)
{
    (void)state;
    assert_true(api_is_json("application/json"));
    assert_true(api_is_json("Application/JSON; charset=utf-8"));
    assert_true(api_is_json("application/json ;x=y"));
    assert_false(api_is_json(NULL));
    assert_false(api_is_json(""));
    assert_false(api_is_json("application/jsonx"));
    assert_false(api_is_json("application/json+x"));
    assert_false(api_is_json("text/plain"));
    assert_false(api_is_json("text/plain; application/json"));
    assert_false(api_is_json("application/x-www-form-urlencoded"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_the_sources_hold),
        cmocka_unit_test(self_contained),
        cmocka_unit_test(whose_page),
        cmocka_unit_test(what_is_json),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
