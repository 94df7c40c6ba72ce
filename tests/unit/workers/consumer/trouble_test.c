#include "workers/consumer/trouble.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void a_repeated_failure_is_no_news(void **state)
{
    struct trouble t = {0};
    (void)state;
    assert_true(trouble_note(&t, "denied", 10));
    assert_false(trouble_note(&t, "denied", 20));
    assert_true(trouble_note(&t, "missing", 30));
    assert_true(trouble_note(&t, "denied", 40));
}

static void what_works_is_no_trouble(void **state)
{
    struct trouble t = {0};
    (void)state;
    assert_false(trouble_end(&t));
    assert_null(trouble_shown(&t, 10));
    trouble_note(&t, "denied", 10);
    assert_string_equal(trouble_shown(&t, 10), "denied");
    assert_true(trouble_end(&t));
    assert_false(trouble_end(&t));
    assert_null(trouble_shown(&t, 10));
    assert_true(trouble_note(&t, "denied", 20));
}

static void what_nobody_tried_again_is_shown_for_a_while(void **state)
{
    struct trouble t = {0};
    (void)state;
    trouble_note(&t, "denied", 10);
    trouble_note(&t, "denied", 1000);
    assert_non_null(trouble_shown(&t, 1000 + TROUBLE_SHOWN_MS));
    assert_null(trouble_shown(&t, 1001 + TROUBLE_SHOWN_MS));
    assert_true(trouble_end(&t)); /* that it works again is worth a line all the same */
}

static void a_long_one_is_cut_and_known_again(void **state)
{
    struct trouble t = {0};
    char text[sizeof(t.text) + 100];
    (void)state;
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    assert_true(trouble_note(&t, text, 10));
    assert_int_equal(strlen(trouble_shown(&t, 10)), sizeof(t.text) - 1);
    assert_false(trouble_note(&t, text, 10));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_repeated_failure_is_no_news),
        cmocka_unit_test(what_works_is_no_trouble),
        cmocka_unit_test(what_nobody_tried_again_is_shown_for_a_while),
        cmocka_unit_test(a_long_one_is_cut_and_known_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
