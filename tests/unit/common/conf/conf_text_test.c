#include "common/conf/conf_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void strips(const char *text, const char *expected, int result)
{
    char *copy = strdup(text);
    assert_int_equal(conf_text_strip_comments(copy, strlen(copy)), result);
    if (expected)
        assert_string_equal(copy, expected);
    free(copy);
}

static void comments(void **state)
{
    (void)state;
    strips("", "", 0);
    strips("{} // x", "{}     ", 0);
    strips("{ // x\r\n}", "{      \n}", 0);
    strips("/* a\nb */1", "    \n    1", 0);
    strips("/**/1", "    1", 0);
    strips("/***/1", "     1", 0);
    strips("/*/1", NULL, 1);
    strips("1\n\n/* x\n\n", NULL, 3);
    strips("{\"a\": \"http://x /* no */\"}", "{\"a\": \"http://x /* no */\"}", 0);
    strips("\"a\\\"//b\" // c", "\"a\\\"//b\"     ", 0);
    strips("\"a\\\\\" // c", "\"a\\\\\"     ", 0);
    strips("\"never ends // x", "\"never ends // x", 0);
    strips("\"ends in \\", "\"ends in \\", 0);
    strips("1 / 2", "1 / 2", 0);
    strips("/", "/", 0);
    strips("// /* \n1", "      \n1", 0);
    strips("/* // */1", "        1", 0);
}

static void expands(const char *text, const char *expected)
{
    char reason[320] = "";
    char *result = conf_text_expand(text, reason, sizeof(reason));
    if (expected) {
        assert_non_null(result);
        assert_string_equal(result, expected);
    } else {
        assert_null(result);
        assert_true(reason[0]);
    }
    free(result);
}

static void variables(void **state)
{
    (void)state;
    setenv("CONF_TEST_A", "alpha", 1);
    setenv("CONF_TEST_EMPTY", "", 1);
    unsetenv("CONF_TEST_NONE");
    expands("", "");
    expands("plain $ {x} $x", "plain $ {x} $x");
    expands("${CONF_TEST_A}", "alpha");
    expands("<${CONF_TEST_A}${CONF_TEST_A}>", "<alphaalpha>");
    expands("${CONF_TEST_A:-other}", "alpha");
    expands("${CONF_TEST_EMPTY}", "");
    expands("${CONF_TEST_EMPTY:-other}", "other");
    expands("${CONF_TEST_NONE:-}", "");
    expands("${CONF_TEST_NONE:-a b:-c}", "a b:-c");
    expands("127.0.0.1:${CONF_TEST_NONE:-8080}", "127.0.0.1:8080");
    expands("$${CONF_TEST_A}", "${CONF_TEST_A}");
    expands("${CONF_TEST_NONE}", NULL);
    expands("${CONF_TEST_A", NULL);
    expands("${}", NULL);
    expands("${:-x}", NULL);
    expands("${1A}", NULL);
    expands("${A-B}", NULL);
    expands("${A:B}", NULL);
    setenv("CONF_TEST_A", "${CONF_TEST_EMPTY}", 1);
    expands("${CONF_TEST_A}", "${CONF_TEST_EMPTY}"); /* not expanded again */
    char longest[300];
    snprintf(longest, sizeof(longest), "${%0200d}", 0);
    memset(longest + 2, 'A', 200);
    expands(longest, NULL);
}

static void near_words(void **state)
{
    (void)state;
    static const char *const words[] = {"queue",     "queues", "max_retries", "cap_s",
                                        "state_dir", "x",      "wait_s"};
    static const struct {
        const char *word, *nearest;
    } cases[] = {
        {"quue", "queue"},          {"queu", "queue"},
        {"queus", "queue"},         {"max_retrys", "max_retries"},
        {"stat_edir", "state_dir"}, {"caps", "cap_s"},
        {"cap_ms", "cap_s"},        {"y", NULL},
        {"destination", NULL},      {"", NULL},
        {"retries", NULL},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const char *near = conf_text_nearest(cases[i].word, words, 7);
        if (!cases[i].nearest)
            assert_null(near);
        else
            assert_string_equal(near ? near : "", cases[i].nearest);
    }
    assert_null(conf_text_nearest("queue", words, 0));
    char longest[200];
    memset(longest, 'a', sizeof(longest) - 1);
    longest[sizeof(longest) - 1] = '\0';
    assert_null(conf_text_nearest(longest, words, 7));
    const char *const long_words[] = {longest};
    assert_null(conf_text_nearest("aaaa", long_words, 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(comments),
        cmocka_unit_test(variables),
        cmocka_unit_test(near_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
