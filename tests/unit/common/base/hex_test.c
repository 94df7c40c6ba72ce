#include "common/base/hex.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void every_byte_has_two_digits(void **state)
{
    (void)state;
    for (int i = 0; i < 256; i++) {
        unsigned char byte = (unsigned char)i;
        char text[4] = "???";
        hex_encode(&byte, 1, text);
        assert_int_equal(strlen(text), 2);
        assert_int_equal(hex_digit(text[0]) << 4 | hex_digit(text[1]), i);
        assert_null(strpbrk(text, "ABCDEF"));
    }
    char nothing[2] = "?";
    hex_encode("", 0, nothing);
    assert_string_equal(nothing, "");
}

static void digits_have_either_case_and_nothing_else_is_one(void **state)
{
    (void)state;
    static const char lower[] = "0123456789abcdef", upper[] = "0123456789ABCDEF";
    int digits = 0;
    for (int i = 0; i < 16; i++) {
        assert_int_equal(hex_digit(lower[i]), i);
        assert_int_equal(hex_digit(upper[i]), i);
    }
    for (int c = 0; c < 256; c++)
        digits += hex_digit((char)c) >= 0;
    assert_int_equal(digits, 22);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_byte_has_two_digits),
        cmocka_unit_test(digits_have_either_case_and_nothing_else_is_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
