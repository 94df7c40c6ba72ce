#include "supervisor/asks.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* "" where the ask is not passed on, why after it where it is malformed. */
static const char *admit(struct asks *a, const char *text, int64_t now_ms)
{
    static char out[512];
    const char *why;
    json_t *msg = json_loads(text, JSON_ALLOW_NUL, NULL);
    assert_non_null(msg);
    json_t *ask = asks_admit(a, msg, now_ms, &why);
    assert_true(!ask || !why);
    char *dump = ask ? json_dumps(ask, JSON_COMPACT) : NULL;
    snprintf(out, sizeof(out), "%s", dump ? dump : why ? why : "");
    free(dump);
    json_decref(ask);
    json_decref(msg);
    return out;
}

#define SQS "\"kind\":\"sigv4\",\"identity\":\"aws\",\"region\":\"r\",\"service\":\"sqs\""
#define NEED "{\"t\":\"need\"," SQS "}"

static void each_goes_on_once_a_second(void **state)
{
    (void)state;
    struct asks *a = asks_new();
    assert_string_equal(admit(a, NEED, 5000), NEED);
    assert_string_equal(admit(a, NEED, 5000), "");
    assert_string_equal(admit(a, NEED, 5999), "");
    assert_string_equal(admit(a, "{\"t\":\"stale\"," SQS ",\"version\":1}", 5999),
                        "{\"t\":\"stale\"," SQS ",\"version\":1}");
    assert_string_equal(admit(a, "{\"t\":\"stale\"," SQS ",\"version\":2}", 5999),
                        "{\"t\":\"stale\"," SQS ",\"version\":2}");
    assert_string_equal(admit(a, "{\"t\":\"stale\"," SQS ",\"version\":2}", 5999), "");
    assert_string_equal(admit(a, NEED, 6000), NEED);
    assert_string_equal(admit(a, NEED, 6001), "");
    asks_free(a);
}

static void nothing_but_its_members_goes_on(void **state)
{
    (void)state;
    struct asks *a = asks_new();
    assert_string_equal(
        admit(a, "{\"t\":\"need\",\"kind\":\"oauth\",\"identity\":\"x\",\"more\":[1,2]}", 0),
        "{\"t\":\"need\",\"kind\":\"oauth\",\"identity\":\"x\",\"region\":\"\",\"service\":\"\"}");
    asks_free(a);
}

static void malformed_ones_do_not(void **state)
{
    (void)state;
    struct asks *a = asks_new();
    const char *bad = "a member of its is no text, or too long";
    assert_string_equal(admit(a, "{\"t\":\"need\",\"kind\":1}", 0), bad);
    assert_string_equal(admit(a, "{\"t\":\"stale\"," SQS "}", 0), "it has no version");
    assert_string_equal(admit(a, "{\"t\":\"stale\"," SQS ",\"version\":\"1\"}", 0),
                        "it has no version");
    char text[512], name[200];
    memset(name, 'x', ASKS_TEXT_MAX);
    name[ASKS_TEXT_MAX] = '\0';
    snprintf(text, sizeof(text), "{\"t\":\"need\",\"identity\":\"%s\"}", name);
    assert_non_null(strstr(admit(a, text, 0), name));
    snprintf(text, sizeof(text), "{\"t\":\"need\",\"identity\":\"%sx\"}", name);
    assert_string_equal(admit(a, text, 0), bad);
    asks_free(a);
    asks_free(NULL);
}

static void a_flood_is_cut(void **state)
{
    (void)state;
    struct asks *a = asks_new();
    int passed = 0;
    for (int i = 0; i < 1000; i++) {
        char text[128];
        snprintf(text, sizeof(text), "{\"t\":\"need\",\"identity\":\"i%d\"}", i);
        passed += admit(a, text, 100)[0] != '\0';
    }
    assert_int_equal(passed, ASKS_MAX);
    assert_string_equal(admit(a, NEED, 1100), NEED);
    asks_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_goes_on_once_a_second),
        cmocka_unit_test(nothing_but_its_members_goes_on),
        cmocka_unit_test(malformed_ones_do_not),
        cmocka_unit_test(a_flood_is_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
