#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "workers/retry/cursor.h"
#include "workers/retry/params.h"

#define HOUR "dlq/year=2026/month=11/day=22/hour=09/"

static const struct {
    const char *body;
    const char *field; /* of the fault; NULL: accepted */
} bodies[] = {
    {"", NULL},
    {"{}", NULL},
    {"{\"limit\":1}", NULL},
    {"{\"limit\":100,\"next_token\":\"\"}", NULL},
    {"{\"limit\":0}", "limit"},
    {"{\"limit\":101}", "limit"},
    {"{\"limit\":-1}", "limit"},
    {"{\"limit\":\"20\"}", "limit"},
    {"{\"limit\":20.0}", "limit"},
    {"{\"limit\":null}", "limit"},
    {"{\"limit\":true}", "limit"},
    {"{\"limit\":[]}", "limit"},
    {"{\"limit\":1,\"limit\":2}", ""},
    {"{\"next_token\":\"!\"}", "next_token"},
    {"{\"next_token\":7}", "next_token"},
    {"{\"next_token\":null}", "next_token"},
    {"{\"source\":\"genesys\",\"error_class\":\"exhausted\"}", NULL},
    {"{\"source\":\"\"}", "source"},
    {"{\"source\":1}", "source"},
    {"{\"error_class\":{}}", "error_class"},
    {"{\"from\":\"2026-11-22T09:30:00Z\",\"to\":\"2026-11-22T10:30:00.5+01:00\"}", NULL},
    {"{\"from\":\"yesterday\"}", "from"},
    {"{\"to\":1}", "to"},
    {"{\"dry_run\":true,\"force\":false}", NULL},
    {"{\"dry_run\":\"true\"}", "dry_run"},
    {"{\"force\":1}", "force"},
    {"{\"dryrun\":true}", "dryrun"},
    {"{\"event_id\":\"e\"}", "event_id"},
    {"{\"keys\":[\"" HOUR "a.json\"]}", NULL},
    {"{\"keys\":[]}", "keys"},
    {"{\"keys\":\"" HOUR "a.json\"}", "keys"},
    {"{\"keys\":[\"etc/passwd\"]}", "keys"},
    {"{\"keys\":[\"" HOUR "a.json\",1]}", "keys"},
    {"[]", ""},
    {"null", ""},
    {"{", ""},
    {"limit=5", ""},
    {"{\"limit\":5}x", ""},
};

static void redrive_bodies(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
        struct params_fault fault = {0};
        struct params *p = params_from_body(PARAMS_REDRIVE, "dlq/", bodies[i].body,
                                            strlen(bodies[i].body), &fault);
        if (!p != !!bodies[i].field ||
            (!p && (strcmp(fault.field, bodies[i].field) != 0 || !*fault.why)))
            fail_msg("%s: field \"%s\", %s", bodies[i].body, fault.field, fault.why);
        params_free(p);
    }
}

static void defaults(void **state)
{
    (void)state;
    struct params_fault fault;
    struct params *p = params_from_body(PARAMS_REDRIVE, "dlq/", "{}", 2, &fault);
    assert_int_equal(p->limit, 20);
    assert_string_equal(p->after, "");
    assert_null(p->source);
    assert_null(p->error_class);
    assert_true(p->from_ms == INT64_MIN && p->to_ms == INT64_MAX);
    assert_null(p->keys);
    assert_false(p->dry_run || p->force);
    params_free(p);
}

static void keys_are_sorted_and_distinct(void **state)
{
    (void)state;
    static const char body[] =
        "{\"keys\":[\"" HOUR "c.json\",\"" HOUR "a.json\",\"" HOUR "c.json\"]}";
    struct params_fault fault;
    struct params *p = params_from_body(PARAMS_REDRIVE, "dlq/", body, sizeof(body) - 1, &fault);
    assert_int_equal(p->key_count, 2);
    assert_string_equal(p->keys[0], HOUR "a.json");
    assert_string_equal(p->keys[1], HOUR "c.json");
    assert_int_equal(p->limit, 2);
    params_free(p);
}

static const struct {
    const char *query;
    const char *field;
} queries[] = {
    {"", NULL},
    {"limit=5", NULL},
    {"limit=5&source=genesys&error_class=rejected", NULL},
    {"from=2026-11-22T09%3A30%3A00Z&to=2026-11-22T09:30:00%2b01:00", NULL},
    {"&&limit=5&", NULL},
    {"limit=", "limit"},
    {"limit", "limit"},
    {"limit=five", "limit"},
    {"limit=+5", "limit"},
    {"limit=5000000000000000000000", "limit"},
    {"limit=0", "limit"},
    {"limit=5&limit=6", "limit"},
    {"dry_run=true", "dry_run"},
    {"next_token=%21", "next_token"},
    {"source=%zz", ""},
    {"source=%00", ""},
    {"source=%", ""},
    {"source=%4", ""},
    {"source=%ff", ""},
    {"%ff=1", ""},
    {"constructor=1", "constructor"},
};

static void list_queries(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(queries) / sizeof(queries[0]); i++) {
        struct params_fault fault = {0};
        struct params *p = params_from_query(PARAMS_LIST, "dlq/", queries[i].query, &fault);
        if (!p != !!queries[i].field ||
            (!p && (strcmp(fault.field, queries[i].field) != 0 || !*fault.why)))
            fail_msg("%s: field \"%s\", %s", queries[i].query, fault.field, fault.why);
        params_free(p);
    }
}

static void query_values(void **state)
{
    (void)state;
    struct params_fault fault;
    char *token = cursor_make(HOUR "a.json");
    char query[400];
    snprintf(query, sizeof(query), "limit=7&source=a+b%%20c&next_token=%s", token);
    struct params *p = params_from_query(PARAMS_LIST, "dlq/", query, &fault);
    assert_int_equal(p->limit, 7);
    assert_string_equal(p->source, "a b c");
    assert_string_equal(p->after, HOUR "a.json");
    params_free(p);
    free(token);
    p = params_from_query(PARAMS_TRACE, "dlq/", "source=s&event_id=t_4%2Bevt", &fault);
    assert_string_equal(p->event_id, "t_4+evt");
    params_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(redrive_bodies),
        cmocka_unit_test(defaults),
        cmocka_unit_test(keys_are_sorted_and_distinct),
        cmocka_unit_test(list_queries),
        cmocka_unit_test(query_values),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
