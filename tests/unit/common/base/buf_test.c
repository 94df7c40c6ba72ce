#include "common/base/buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void starts_empty(void **state)
{
    (void)state;
    struct buf b = {0};
    char *text = buf_steal(&b);
    assert_string_equal(text, "");
    free(text);
    buf_reset(&b);
    buf_free(&b);
    assert_null(b.data);
}

static void keeps_bytes_and_a_nul_behind(void **state)
{
    (void)state;
    struct buf b = {0};
    for (int i = 0; i < 1000; i++)
        buf_append(&b, "ab\0c", 4);
    assert_int_equal(b.len, 4000);
    assert_memory_equal(b.data + 3996, "ab\0c", 5);
    buf_append(&b, NULL, 0);
    assert_int_equal(b.len, 4000);
    buf_reset(&b);
    assert_int_equal(b.len, 0);
    assert_string_equal(b.data, "");
    buf_free(&b);
}

static void prints_and_hands_over(void **state)
{
    (void)state;
    struct buf b = {0};
    buf_puts(&b, "x=");
    buf_printf(&b, "%d %s", 42,
               "and a text that is longer than the first hundred and twenty-eight "
               "bytes of room, so that printing has to make more of it first ....");
    assert_int_equal(b.len, strlen(b.data));
    assert_memory_equal(b.data, "x=42 and", 8);
    buf_printf(&b, "%s", "");
    char *text = buf_steal(&b);
    assert_null(b.data);
    assert_int_equal(b.len, 0);
    assert_memory_equal(text, "x=42 and", 8);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(starts_empty),
        cmocka_unit_test(keeps_bytes_and_a_nul_behind),
        cmocka_unit_test(prints_and_hands_over),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
