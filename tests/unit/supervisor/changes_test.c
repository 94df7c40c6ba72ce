#include "supervisor/changes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#define ORDERS "\"orders\":{\"service\":\"embedded\",\"name\":\"orders\"}"
#define OTHERS "\"others\":{\"service\":\"embedded\",\"name\":\"others\"}"
#define SOURCE(queue)                                                                              \
    "{\"queue\":\"" queue "\",\"inspection_queue\":\"i\",\"dead_letter\":{\"queue\":\"\"}}"
#define SLICE(queues, sources, rest)                                                               \
    "{\"queues\":{" queues "},\"sources\":{" sources "},\"dead_letters\":{\"bucket\":\"b\"}," rest \
    "\"ledger\":{\"table\":\"t\"}}"

static void assert_changes(const char *current, const char *next, const char *expected)
{
    json_t *before = json_loads(current, 0, NULL), *after = json_loads(next, 0, NULL);
    assert_true(before && after);
    json_t *paths = changes_objects(before, after);
    char *text = json_dumps(paths, JSON_COMPACT | JSON_ENCODE_ANY);
    assert_string_equal(text, expected);
    free(text);
    json_decref(paths);
    json_decref(before);
    json_decref(after);
}

static void what_is_added_or_changed_is_named(void **state)
{
    (void)state;
    static const char old[] = SLICE(ORDERS "," OTHERS, "\"a\":" SOURCE("orders"), "");
    assert_changes(old, old, "[]");
    assert_changes(old, SLICE(ORDERS, "\"a\":" SOURCE("orders"), ""), "[]");
    assert_changes(SLICE(ORDERS, "\"a\":" SOURCE("orders"), ""), old, "[\"queues.others\"]");
    assert_changes(old, SLICE(ORDERS "," OTHERS, "\"a\":" SOURCE("others"), ""),
                   "[\"queues.others\"]");
    assert_changes(old,
                   SLICE("\"orders\":{\"service\":\"aws\",\"name\":\"orders\"}",
                         "\"a\":" SOURCE("orders"), ""),
                   "[\"queues.orders\"]");
    assert_changes(old,
                   "{\"queues\":{" ORDERS "},\"sources\":{},\"dead_letters\":{\"bucket\":\"c\"},"
                   "\"ledger\":{\"table\":\"t\"}}",
                   "[\"dead_letters\"]");
}

static void another_region_changes_everything(void **state)
{
    (void)state;
    assert_changes(SLICE(ORDERS, "\"a\":" SOURCE("orders"), "\"aws\":{\"region\":\"x\"},"),
                   SLICE(ORDERS, "\"a\":" SOURCE("orders"), "\"aws\":{\"region\":\"y\"},"),
                   "[\"queues.orders\",\"dead_letters\",\"ledger\"]");
}

static void a_slice_without_objects(void **state)
{
    (void)state;
    assert_changes("{\"log\":{}}", "{\"log\":{\"level\":\"info\"}}", "[]");
    assert_changes("{}", SLICE("", "", ""), "[\"dead_letters\",\"ledger\"]");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_added_or_changed_is_named),
        cmocka_unit_test(another_region_changes_everything),
        cmocka_unit_test(a_slice_without_objects),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
