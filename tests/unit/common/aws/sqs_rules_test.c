#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "common/aws/sqs.h"

static void md5_is(const char *text, const char *expected)
{
    char hex[33];
    sqs_md5_hex(text, strlen(text), hex);
    assert_string_equal(hex, expected);
}

static void bodies_hash_as_aws_says(void **state)
{
    (void)state;
    md5_is("This is a test message", "fafb00f5732ab283681e124bf8747ed1");
    md5_is("hello", "5d41402abc4b2a76b9719d911017c592");
    md5_is("h\xc3\xa9", "33fcd01258e6ba07ef405dc9e721f3a7");
    md5_is("", "d41d8cd98f00b204e9800998ecf8427e");
}

static void attributes_are(const struct sqs_attribute *list, size_t count, const char *expected)
{
    char hex[33];
    sqs_attributes_md5_hex(list, count, hex);
    assert_string_equal(hex, expected);
}

static void attributes_hash_as_aws_says(void **state)
{
    (void)state;
    static const struct sqs_attribute published[] = {
        {"my_attribute_name_2", "String", "my_attribute_value_2"},
        {"my_attribute_name_1", "String", "my_attribute_value_1"}};
    attributes_are(published, 2, "c48838208d2b4e14e3ca0093a8443f09");
    static const struct sqs_attribute mixed[] = {{"trace", "String", "h\xc3\xa9"},
                                                 {"blob", "Binary.gzip", "AAH+/w=="},
                                                 {"attempt", "Number", "3"}};
    attributes_are(mixed, 3, "0e7f5a99c23b623c111039e42a8d033b");
    static const struct sqs_attribute one[] = {{"a", "String", "1"}};
    attributes_are(one, 1, "314c77b249893c6b3c765a42cc08b245");
    static const struct sqs_attribute broken[] = {{"a", "Binary", "A$=="}};
    attributes_are(broken, 1, "");
    static const struct sqs_attribute odd[] = {{"a", "Binary", "AAA"}};
    attributes_are(odd, 1, "");
}

static void sizes_count_all_parts(void **state)
{
    (void)state;
    static const struct sqs_attribute list[] = {{"ab", "String", "xyz"}, {"c", "Number.int", "1"}};
    struct sqs_outgoing m = {
        .body = "hello", .body_len = 5, .attributes = list, .attribute_count = 2};
    assert_int_equal(sqs_message_bytes(&m), 5 + 2 + 6 + 3 + 1 + 10 + 1);
    m.attribute_count = 0;
    assert_int_equal(sqs_message_bytes(&m), 5);
}

static size_t encode(uint32_t point, char out[5])
{
    if (point < 0x80)
        return (size_t)sprintf(out, "%c", (int)point) ? 1 : 1;
    if (point < 0x800)
        return (size_t)sprintf(out, "%c%c", (int)(0xc0 | point >> 6), (int)(0x80 | (point & 0x3f)));
    if (point < 0x10000)
        return (size_t)sprintf(out, "%c%c%c", (int)(0xe0 | point >> 12),
                               (int)(0x80 | (point >> 6 & 0x3f)), (int)(0x80 | (point & 0x3f)));
    return (size_t)sprintf(out, "%c%c%c%c", (int)(0xf0 | point >> 18),
                           (int)(0x80 | (point >> 12 & 0x3f)), (int)(0x80 | (point >> 6 & 0x3f)),
                           (int)(0x80 | (point & 0x3f)));
}

/* Every code point, up to those that four bytes can spell but Unicode does not have. */
static void every_character_is_judged(void **state)
{
    (void)state;
    for (uint32_t point = 0; point < 0x1fffff; point++) {
        char text[5];
        size_t len = encode(point, text);
        bool allowed = point == 9 || point == 10 || point == 13 ||
                       (point >= 0x20 && point <= 0xd7ff) || (point >= 0xe000 && point <= 0xfffd) ||
                       (point >= 0x10000 && point <= 0x10ffff);
        if (sqs_body_allowed(text, len) != allowed)
            fail_msg("U+%04X", point);
    }
}

static void malformed_utf8_is_refused(void **state)
{
    (void)state;
    static const char *const BAD[] = {
        "",
        "\x80",
        "\xc0\x80",
        "\xc1\xbf",
        "\xe0\x80\x80",
        "\xe0\x9f\xbf",
        "\xf0\x80\x80\x80",
        "\xf0\x8f\xbf\xbf",
        "\xc3",
        "\xe2\x82",
        "\xf0\x9f\x98",
        "\xf8\x88\x80\x80\x80",
        "\xff",
        "a\xc3(",
        "ok\xe2\x28\xa1",
        "\xed\xa0\x80",
        "\xed\xbf\xbf",
    };
    for (size_t i = 0; i < sizeof(BAD) / sizeof(BAD[0]); i++)
        assert_false(sqs_body_allowed(BAD[i], strlen(BAD[i])));
    assert_false(sqs_body_allowed("a\0b", 3));
    assert_true(sqs_body_allowed(" ", 1));
    assert_true(sqs_body_allowed("{\"a\":\"\\u0000 h\xc3\xa9 \xf0\x9f\x98\x80\"}\r\n\t", 25));
}

static void group_is(const char *text, const char *want)
{
    char *group = sqs_group_id(text, strlen(text));
    assert_string_equal(group, want);
    free(group);
}

static void a_group_id_is_what_sqs_takes(void **state)
{
    (void)state;
    char longest[130];
    memset(longest, '~', 129);
    longest[129] = '\0';
    group_is("!conv-1/ABC~", "!conv-1/ABC~");
    group_is(longest + 1, longest + 1);
    group_is(longest, "fbf0092a548636af57b81ef6ba37dd6709d0e3af99154967ecbe3813ff587b91");
    group_is("a b", "c8687a08aa5d6ed2044328fa6a697ab8e96dc34291e8c2034ae8c38e6fcc6d65");
    group_is("\x7f", "620bfdaa346b088fb49998d92f19a7eaf6bfc2fb0aee015753966da1028cb731");
    group_is("h\xc3\xa9", "7dfbe0eab96510b11c9a2671d83019cd52953211294db5f917ffa0b7cc84f534");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bodies_hash_as_aws_says),   cmocka_unit_test(attributes_hash_as_aws_says),
        cmocka_unit_test(sizes_count_all_parts),     cmocka_unit_test(every_character_is_judged),
        cmocka_unit_test(malformed_utf8_is_refused), cmocka_unit_test(a_group_id_is_what_sqs_takes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
