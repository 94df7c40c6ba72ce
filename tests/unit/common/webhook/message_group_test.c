#include "common/webhook/message_group.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

/* want: NULL for no group. */
static void check(const char *pointer, const char *body, const char *want)
{
    json_t *source = json_pack("{s:s}", "message_group", pointer);
    char *group = message_group_of(source, body, strlen(body));
    if (want)
        assert_string_equal(group, want);
    else
        assert_null(group);
    free(group);
    json_decref(source);
}

static void it_is_the_value_at_the_pointer(void **state)
{
    (void)state;
    check("/a/b", "{\"a\":{\"b\":\"call-1/x\"}}", "call-1/x");
    check("/n", "{\"n\":123456789012345678901234567890}", "123456789012345678901234567890");
    check("/n", "{\"n\":false}", "false");
    check("/n", "{\"n\":\"a\\u0062\"}", "ab");
    /* What SQS takes for no group goes as its SHA-256. */
    check("/n", "{\"n\":\"a b\"}",
          "c8687a08aa5d6ed2044328fa6a697ab8e96dc34291e8c2034ae8c38e6fcc6d65");
}

static void an_event_may_have_none(void **state)
{
    (void)state;
    static const char *const BODIES[] = {"{\"b\":1}",  "{\"a\":null}", "{\"a\":\"\"}", "{\"a\":[]}",
                                         "{\"a\":{}}", "{\"a\":1",     "no JSON",      ""};
    for (size_t i = 0; i < sizeof(BODIES) / sizeof(BODIES[0]); i++)
        check("/a", BODIES[i], NULL);
    check("", "{\"a\":1}", NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_the_value_at_the_pointer),
        cmocka_unit_test(an_event_may_have_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
