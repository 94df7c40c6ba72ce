#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <jansson.h>

#include "common/webhook/event_id.h"

static const char *header(void *arg, const char *name)
{
    assert_string_equal(name, "X-Id");
    return arg;
}

static void check(const char *conf, const char *given, const char *body, const char *want)
{
    json_t *source = json_loads(conf, 0, NULL);
    assert_non_null(source);
    char *id = event_id_of(source, header, (void *)(uintptr_t)given, body, strlen(body), "TRACE");
    assert_string_equal(id, want);
    free(id);
    json_decref(source);
}

#define BOTH "{\"event_id\":{\"header\":\"X-Id\",\"pointers\":[\"/callId\",\"/status\"]}}"
#define NONE "{\"event_id\":{\"header\":\"\",\"pointers\":[]}}"
#define POINTERS "{\"event_id\":{\"header\":\"\",\"pointers\":[\"/callId\",\"/status\"]}}"
#define GOOD "{\"callId\":\"c1\",\"status\":7}"

static void takes_header_then_pointers_then_trace(void **state)
{
    (void)state;
    check(BOTH, "from-header", GOOD, "from-header");
    check(BOTH, "", GOOD, "c1+7");
    check(BOTH, NULL, GOOD, "c1+7");
    check(POINTERS, "unused", GOOD, "c1+7");
    check(NONE, "unused", GOOD, "TRACE");
    check(BOTH, NULL, "{\"callId\":\"c1\"}", "TRACE");
    check(BOTH, NULL, "{\"callId\":\"\",\"status\":\"s\"}", "TRACE");
    check(BOTH, NULL, "{\"callId\":null,\"status\":\"s\"}", "TRACE");
    check(BOTH, NULL, "{\"callId\":[\"c\"],\"status\":\"s\"}", "TRACE");
    check(BOTH, NULL, "{\"callId\":\"c1\",\"status\":", "TRACE"); /* not JSON */
    check(BOTH, NULL, "", "TRACE");
    check(POINTERS, NULL, "{\"callId\":\"\\u00e9\",\"status\":true}", "\xc3\xa9+true");
    check(POINTERS, NULL, "{\"callId\":\"a\\n\",\"status\":123456789012345678901234567890}",
          "a%0A+123456789012345678901234567890");
}

static void works_without_headers(void **state)
{
    (void)state;
    json_t *source = json_loads(BOTH, 0, NULL);
    char *id = event_id_of(source, NULL, NULL, GOOD, strlen(GOOD), "TRACE");
    assert_string_equal(id, "c1+7");
    free(id);
    json_decref(source);
}

static void makes_ids_safe_and_bounded(void **state)
{
    (void)state;
    char text[600];
    memset(text, 'x', sizeof(text));
    char *id = event_id_safe(text, 512);
    assert_int_equal(strlen(id), 512);
    free(id);
    id = event_id_safe(text, 513);
    assert_int_equal(strlen(id), 7 + 64);
    assert_memory_equal(id, "sha256:", 7);
    char *again = event_id_safe(id, strlen(id));
    assert_string_equal(again, id);
    free(again);
    free(id);
    id = event_id_safe("abc", 3);
    assert_string_equal(id, "abc");
    free(id);
    memset(text, 1, sizeof(text));
    id = event_id_safe(text, 171); /* 513 bytes when escaped */
    assert_memory_equal(id, "sha256:", 7);
    free(id);
    id = event_id_safe(text, 170);
    assert_int_equal(strlen(id), 510);
    free(id);
    memset(text, 'x', sizeof(text));
    id = event_id_safe(text, 600); /* sha256 of 600 times x */
    assert_string_equal(id,
                        "sha256:5130b33e6b87fbf5316ed9049e98924eb110800bcbaaad8050f642fba6df37c9");
    free(id);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_header_then_pointers_then_trace),
        cmocka_unit_test(works_without_headers),
        cmocka_unit_test(makes_ids_safe_and_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
