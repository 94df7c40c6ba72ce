#include "common/net/http_collect.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static bool line(struct http_collect *c, const char *text)
{
    return http_collect_header_line(c, text, strlen(text));
}

static void assert_headers(const struct http_collect *c, const char *const (*expected)[2],
                           size_t count)
{
    struct http_header *headers = http_collect_headers(c);
    assert_int_equal(c->header_count, count);
    for (size_t i = 0; i < count; i++) {
        assert_string_equal(headers[i].name, expected[i][0]);
        assert_string_equal(headers[i].value, expected[i][1]);
    }
    free(headers);
}

static void only_the_last_head_counts(void **state)
{
    (void)state;
    struct http_collect c = {.cap_bytes = 10};
    assert_true(line(&c, "HTTP/1.1 103 Early Hints\r\n") && line(&c, "Link: x\r\n"));
    assert_true(c.first_byte_mono_ms > 0);
    assert_true(line(&c, "\r\n") && c.head_done);
    assert_true(line(&c, "HTTP/1.1 200 OK\r\n") && !c.head_done);
    assert_headers(&c, NULL, 0);
    assert_true(line(&c, "A:b\r\n") && line(&c, "C: \t d e \t\r\n") && line(&c, "E:\r\n"));
    assert_true(line(&c, "no colon\r\n") && line(&c, "URL: http://x\n"));
    assert_true(http_collect_header_line(&c, "N: a\0b\r\n", 8));
    assert_true(line(&c, "\r\n") && c.head_done);
    assert_true(line(&c, "Trailer: x\r\n"));
    static const char *const EXPECTED[][2] = {
        {"A", "b"}, {"C", "d e"}, {"E", ""}, {"URL", "http://x"}};
    assert_headers(&c, EXPECTED, 4);
    http_collect_free(&c);
}

static void both_parts_are_bounded(void **state)
{
    (void)state;
    struct http_collect c = {.cap_bytes = 10};
    assert_true(http_collect_body(&c, "12345", 5));
    assert_true(http_collect_body(&c, "67890", 5));
    assert_true(http_collect_body(&c, "", 0));
    assert_false(c.too_large);
    assert_false(http_collect_body(&c, "1", 1));
    assert_true(c.too_large);
    assert_int_equal(c.body.len, 10);
    http_collect_free(&c);
    struct http_collect many = {.cap_bytes = 1};
    size_t lines = 0;
    while (line(&many, "X-A: 01234567\r\n"))
        lines++;
    assert_true(many.too_large);
    assert_in_range(many.head.len, HTTP_COLLECT_HEAD_BYTES - 16, HTTP_COLLECT_HEAD_BYTES);
    assert_int_equal(many.header_count, lines);
    http_collect_free(&many);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_the_last_head_counts),
        cmocka_unit_test(both_parts_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
