#include "common/delivery/http_headers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void values_are_made_safe(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"plain", "plain"},
        {"a b", "a b"},
        {" a ", "%20a%20"},
        {"a\r\nX: y", "a%0D%0AX: y"},
        {"\t\x7f\x01", "%09%7F%01"},
        {"gr\xc3\xbc\xc3\x9f", "gr%C3%BC%C3%9F"},
        {"50%", "50%"},
        {"\xff", "%FF"},
    };
    struct http_headers h = {0};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        http_headers_add(&h, "X", cases[i][0]);
        assert_int_equal(h.count, i + 1);
        assert_string_equal(h.list[i].value, cases[i][1]);
    }
    http_headers_free(&h);
    assert_int_equal(h.count, 0);
}

static void nothing_for_nothing_and_no_end(void **state)
{
    (void)state;
    struct http_headers h = {0};
    char text[8000];
    http_headers_add(&h, "X", "");
    assert_int_equal(h.count, 0);
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    http_headers_add(&h, "X", text);
    assert_in_range(strlen(h.list[0].value), HTTP_HEADERS_VALUE_BYTES - 4,
                    HTTP_HEADERS_VALUE_BYTES);
    http_headers_add_plain(&h, "Y", "");
    assert_string_equal(h.list[1].value, "");
    http_headers_free(&h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_are_made_safe),
        cmocka_unit_test(nothing_for_nothing_and_no_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
