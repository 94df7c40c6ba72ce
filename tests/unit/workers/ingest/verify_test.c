#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <jansson.h>
#include <strings.h>

#include "workers/ingest/verify.h"

static const char *wanted_header;

static const char *header(void *arg, const char *name)
{
    return strcasecmp(name, wanted_header) == 0 ? arg : NULL;
}

static bool verify(const char *conf, const char *name, const char *value)
{
    json_t *json = json_loads(conf, 0, NULL);
    assert_non_null(json);
    wanted_header = name;
    bool ok = verify_request(json, header, (void *)(uintptr_t)value);
    json_decref(json);
    return ok;
}

#define SHARED "{\"type\":\"shared-header\",\"header\":\"X-Key\",\"secrets\":[\"one\",\"two\"]}"
#define BEARER "{\"type\":\"bearer\",\"secrets\":[\"one\",\"two\"]}"
#define BLANK "{\"type\":\"shared-header\",\"header\":\"X-Key\",\"secrets\":[\"\"]}"

static void none_takes_everybody(void **state)
{
    (void)state;
    assert_true(verify("{\"type\":\"none\"}", "X", NULL));
}

static void shared_header(void **state)
{
    (void)state;
    assert_true(verify(SHARED, "X-Key", "one"));
    assert_true(verify(SHARED, "X-Key", "two"));
    static const char *const bad[] = {"", "on", "onee", "One", "one ", " one", "onetwo", "three"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        assert_false(verify(SHARED, "X-Key", bad[i]));
    assert_false(verify(SHARED, "X-Key", NULL));
    assert_false(verify(SHARED, "X-Other", "one"));
    assert_false(verify(SHARED, "Authorization", "one"));
    assert_false(verify(BLANK, "X-Key", ""));
}

static void bearer(void **state)
{
    (void)state;
    assert_true(verify(BEARER, "Authorization", "Bearer one"));
    assert_true(verify(BEARER, "Authorization", "bearer two"));
    assert_true(verify(BEARER, "Authorization", "BEARER   two"));
    static const char *const bad[] = {"",           "one",       "Bearer",       "Bearer ",
                                      "Bearerone",  "Basic one", "Bearer three", "Bearer one two",
                                      "Bearer\tone"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        assert_false(verify(BEARER, "Authorization", bad[i]));
    assert_false(verify(BEARER, "Authorization", NULL));
    assert_false(verify(BEARER, "X-Key", "Bearer one"));
}

static void an_unknown_type_takes_nobody(void **state)
{
    (void)state;
    assert_false(verify("{\"type\":\"other\",\"secrets\":[\"one\"]}", "Authorization", "one"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(none_takes_everybody),
        cmocka_unit_test(shared_header),
        cmocka_unit_test(bearer),
        cmocka_unit_test(an_unknown_type_takes_nobody),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
