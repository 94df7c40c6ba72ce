#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "common/base/utf8.h"

/* Every code point encodes to a sequence that is recognised, and no other start of three bytes is.
 */
static void knows_exactly_the_well_formed_sequences(void **state)
{
    (void)state;
    for (unsigned long cp = 0; cp <= 0x10ffff; cp++) {
        char bytes[4];
        size_t n = utf8_encode(cp, bytes);
        int surrogate = cp >= 0xd800 && cp <= 0xdfff;
        assert_int_equal(utf8_sequence(bytes, n), surrogate ? 0 : n);
        if (n > 1)
            assert_int_equal(utf8_sequence(bytes, n - 1), 0);
    }
    unsigned long good = 0;
    for (unsigned long v = 0x800000; v <= 0xffffff; v++) {
        unsigned char bytes[3] = {(unsigned char)(v >> 16), (unsigned char)(v >> 8),
                                  (unsigned char)v};
        good += utf8_sequence(bytes, 3) == 3;
    }
    assert_int_equal(good, 0x10000 - 0x800 - 0x800);
    assert_int_equal(utf8_sequence("", 0), 0);
}

static void makes_text_safe(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t max;
        const char *want;
    } cases[] = {
        {"plain", 99, "plain"},
        {"a\r\n\x7f", 99, "a%0D%0A%7F"},
        {"\xc3\xa9\xff", 99, "\xc3\xa9%FF"},
        {"abc", 2, "ab"},
        {"a\xc3\xa9", 2, "a"},
        {"a\n", 3, "a"},
        {"a\n", 4, "a%0A"},
        {"", 0, ""},
        {"100%", 99, "100%"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        char *safe = utf8_safe(cases[i].text, strlen(cases[i].text), cases[i].max);
        assert_string_equal(safe, cases[i].want);
        free(safe);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(knows_exactly_the_well_formed_sequences),
        cmocka_unit_test(makes_text_safe),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
