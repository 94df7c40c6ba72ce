#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <jansson.h>

#include "common/webhook/json_check.h"
#include "common/webhook/rules.h"

#define CXONE                                                                                      \
    "{\"required\":[\"/event_id\",\"/tenant_id\",\"/payload/interaction_id\"],\"require\":{}}"
#define GENESYS "{\"required\":[],\"require\":{\"/status\":[\"CALL_COMPLETED\",\"TRANSFERRED\"]}}"
#define NUMBERS "{\"required\":[],\"require\":{\"/n\":[5,true,1.5,null]}}"
#define BOTH "{\"required\":[\"/id\"],\"require\":{\"/status\":[\"OK\"]}}"
#define NOTHING "{\"required\":[],\"require\":{}}"

/* want: NULL where the event passes, else the reason. */
static void check(const char *conf, const char *body, const char *class, const char *want)
{
    struct rules_failure f = {.class = ""};
    json_t *source = json_loads(conf, 0, NULL);
    assert_non_null(source);
    bool ok = rules_check(source, body, strlen(body), &f);
    if (ok != !want)
        fail_msg("%s: %s", body, ok ? "passed" : f.reason);
    if (want) {
        assert_string_equal(f.class, class);
        assert_string_equal(f.reason, want);
    }
    json_decref(source);
}

static void without_rules_every_body_passes(void **state)
{
    (void)state;
    check(NOTHING, "", "", NULL);
    check(NOTHING, "not json", "", NULL);
}

static void required_fields(void **state)
{
    (void)state;
    check(CXONE, "{\"event_id\":\"e\",\"tenant_id\":0,\"payload\":{\"interaction_id\":false}}", "",
          NULL);
    check(CXONE,
          "{\"event_id\":{\"a\":1},\"tenant_id\":[0],\"payload\":{\"interaction_id\":\"i\"}}", "",
          NULL);
    check(CXONE, "{\"tenant_id\":\"t\",\"payload\":{\"interaction_id\":\"i\"}}", "validation",
          "the required field /event_id is missing");
    check(CXONE, "{\"event_id\":\"\",\"tenant_id\":\"t\",\"payload\":{\"interaction_id\":\"i\"}}",
          "validation", "the required field /event_id is empty");
    check(CXONE, "{\"event_id\":null,\"tenant_id\":\"t\"}", "validation",
          "the required field /event_id is empty");
    check(CXONE, "{\"event_id\":\"e\",\"tenant_id\":[ ]}", "validation",
          "the required field /tenant_id is empty");
    check(CXONE, "{\"event_id\":\"e\",\"tenant_id\":{\n}}", "validation",
          "the required field /tenant_id is empty");
    check(CXONE, "{\"event_id\":\"e\",\"tenant_id\":\"t\",\"payload\":[]}", "validation",
          "the required field /payload/interaction_id is missing");
    check(CXONE, "[]", "validation", "the required field /event_id is missing");
    check(CXONE, "{", "validation", "the body is not JSON: the text ends too early, at offset 1");
}

static void required_values(void **state)
{
    (void)state;
    check(GENESYS, "{\"status\":\"CALL_COMPLETED\"}", "", NULL);
    check(GENESYS, "{\"status\":\"TRANSFERRED\"}", "", NULL);
    check(GENESYS, "{\"status\":\"CALL\\u005fCOMPLETED\"}", "", NULL);
    check(GENESYS, "{\"status\":\"CALL_FAILED\"}", "unsupported_status",
          "/status is \"CALL_FAILED\", which this source does not handle");
    check(GENESYS, "{\"status\":\"call_completed\"}", "unsupported_status",
          "/status is \"call_completed\", which this source does not handle");
    check(GENESYS, "{\"status\":\"\"}", "unsupported_status",
          "/status is \"\", which this source does not handle");
    check(GENESYS, "{\"status\":\"a\\r\\nb\"}", "unsupported_status",
          "/status is \"a%0D%0Ab\", which this source does not handle");
    check(GENESYS, "{}", "unsupported_status", "/status is missing");
    check(GENESYS, "{\"status\":{}}", "unsupported_status", "/status is not a plain value");
    check(GENESYS, "nope", "validation", "the body is not JSON: unexpected byte 0x6f at offset 1");
    check("{\"required\":[],\"require\":{\"/s\":[\"\"]}}", "{\"s\":\"\"}", "", NULL);
    check(NUMBERS, "{\"n\":5}", "", NULL);
    check(NUMBERS, "{\"n\":true}", "", NULL);
    check(NUMBERS, "{\"n\":1.5}", "", NULL);
    check(NUMBERS, "{\"n\":null}", "", NULL);
    check(NUMBERS, "{\"n\":6}", "unsupported_status",
          "/n is \"6\", which this source does not handle");
}

static void required_comes_first(void **state)
{
    (void)state;
    check(BOTH, "{\"status\":\"NO\"}", "validation", "the required field /id is missing");
    check(BOTH, "{\"id\":1,\"status\":\"NO\"}", "unsupported_status",
          "/status is \"NO\", which this source does not handle");
    check(BOTH, "{\"id\":1,\"status\":\"OK\"}", "", NULL);
}

static void reasons_are_bounded(void **state)
{
    (void)state;
    char body[9000] = "{\"status\":\"";
    size_t n = strlen(body);
    memset(body + n, 'x', 8000);
    strcpy(body + n + 8000, "\"}");
    check(GENESYS, body, "unsupported_status",
          "/status is \"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\" (cut), "
          "which"
          " this source does not handle");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_rules_every_body_passes),
        cmocka_unit_test(required_fields),
        cmocka_unit_test(required_values),
        cmocka_unit_test(required_comes_first),
        cmocka_unit_test(reasons_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
