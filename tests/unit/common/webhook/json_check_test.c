#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <jansson.h>

#include "common/base/buf.h"
#include "common/webhook/json_check.h"

#define LIT(text) text, sizeof(text) - 1

static bool ok(const char *text)
{
    return json_check(text, strlen(text), NULL, 0);
}

static void accepts_every_form_of_value(void **state)
{
    (void)state;
    static const char *const good[] = {"null",
                                       "true",
                                       "false",
                                       "0",
                                       "-0",
                                       "1",
                                       "-1",
                                       "10",
                                       "1.0",
                                       "1.50e10",
                                       "1E+2",
                                       "1e-2",
                                       "-0.0e0",
                                       "123456789012345678901234567890",
                                       "1e400",
                                       "\"\"",
                                       "\"a\"",
                                       "[]",
                                       "{}",
                                       "[ ]",
                                       "{ }",
                                       " \t\r\n[1 , 2 ]\n",
                                       "[[],{},[{}]]",
                                       "{\"a\":1,\"a\":2}",
                                       "{\"\":{\"\":[]}}",
                                       "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\"",
                                       "\"\\ud83d\\ude00\"",
                                       "\"\\ud800\"",
                                       "\"\\udc00x\"",
                                       "\"\\ud800\\u0041\"",
                                       "\"\\u0000\"",
                                       "\"\x7f\"",
                                       "\"\xc2\x80\"",
                                       "\"\xdf\xbf\"",
                                       "\"\xe0\xa0\x80\"",
                                       "\"\xed\x9f\xbf\"",
                                       "\"\xee\x80\x80\"",
                                       "\"\xef\xbf\xbf\"",
                                       "\"\xf0\x90\x80\x80\"",
                                       "\"\xf4\x8f\xbf\xbf\"",
                                       "{\"a\" : \"\\u005D}\"}"};
    for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
        if (!ok(good[i]))
            fail_msg("refused: %s", good[i]);
    }
}

static void refuses_everything_else(void **state)
{
    (void)state;
    static const char *const bad[] = {"",
                                      " ",
                                      "nul",
                                      "nulll",
                                      "True",
                                      "tru",
                                      "truefalse",
                                      "NaN",
                                      "Infinity",
                                      "-",
                                      "+1",
                                      "01",
                                      "-01",
                                      "1.",
                                      ".5",
                                      "1.e5",
                                      "1e",
                                      "1e+",
                                      "0x10",
                                      "1 2",
                                      "\"",
                                      "\"a",
                                      "\"\\\"",
                                      "\"\\x41\"",
                                      "\"\\u12\"",
                                      "\"\\u123g\"",
                                      "\"\n\"",
                                      "\"\x1f\"",
                                      "[",
                                      "]",
                                      "{",
                                      "}",
                                      "[1",
                                      "[1,",
                                      "[1,]",
                                      "[,1]",
                                      "[1 2]",
                                      "[1}",
                                      "{1}",
                                      "{\"a\"}",
                                      "{\"a\":}",
                                      "{\"a\":1,}",
                                      "{\"a\":1",
                                      "{,}",
                                      "{\"a\":1]",
                                      "{\"a\" 1}",
                                      "{\"a\"::1}",
                                      "{a:1}",
                                      "{'a':1}",
                                      "[]]",
                                      "{}{}",
                                      "[1]//c",
                                      "/**/1",
                                      "\xef\xbb\xbf{}",
                                      "\"\x80\"",
                                      "\"\xbf\"",
                                      "\"\xc0\xaf\"",
                                      "\"\xc1\xbf\"",
                                      "\"\xc2\"",
                                      "\"\xc2\x41\"",
                                      "\"\xe0\x9f\xbf\"",
                                      "\"\xed\xa0\x80\"",
                                      "\"\xed\xbf\xbf\"",
                                      "\"\xe2\x82\"",
                                      "\"\xf0\x8f\xbf\xbf\"",
                                      "\"\xf4\x90\x80\x80\"",
                                      "\"\xf5\x80\x80\x80\"",
                                      "\"\xff\"",
                                      "\xc3\xa9",
                                      "[\v]",
                                      "\f1",
                                      "\xc2\xa0"
                                      "1",
                                      "[1,2",
                                      ",",
                                      ":",
                                      "\"a\":1"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        if (ok(bad[i]))
            fail_msg("accepted: %s", bad[i]);
    }
    assert_false(json_check(LIT("1\0"), NULL, 0));
    assert_false(json_check(LIT("\0"), NULL, 0));
    assert_false(json_check(LIT("\"\0\""), NULL, 0));
    assert_false(json_check(LIT("\"\\\0\""), NULL, 0));
    assert_false(json_check(NULL, 0, NULL, 0));
}

static void says_what_is_wrong_and_where(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *reason;
    } cases[] = {
        {"{\"a\":1,}", "unexpected byte 0x7d at offset 7"},
        {"[1", "the text ends too early, at offset 2"},
        {"", "the text ends too early, at offset 0"},
        {"\"a\x01\"", "control byte in a string (byte 0x01) at offset 2"},
        {"\"\xff\"", "invalid UTF-8 (byte 0xff) at offset 1"},
        {"\"\\q\"", "unknown escape (byte 0x71) at offset 2"},
    };
    char reason[128];
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        assert_false(json_check(cases[i].text, strlen(cases[i].text), reason, sizeof(reason)));
        assert_string_equal(reason, cases[i].reason);
    }
    assert_false(json_check(LIT("[1"), reason, 5));
    assert_string_equal(reason, "the ");
}

static char *nested(size_t depth, char open, char close)
{
    char *text = malloc(2 * depth + 1);
    memset(text, open, depth);
    memset(text + depth, close, depth);
    text[2 * depth] = '\0';
    return text;
}

static void bounds_the_depth(void **state)
{
    (void)state;
    char reason[128];
    char *deep = nested(JSON_CHECK_DEPTH, '[', ']');
    assert_true(ok(deep));
    free(deep);
    deep = nested(JSON_CHECK_DEPTH + 1, '[', ']');
    assert_false(json_check(deep, strlen(deep), reason, sizeof(reason)));
    assert_string_equal(reason, "nested too deep (byte 0x5b) at offset 256");
    free(deep);
    /* Objects and arrays in turn, and then closed in the wrong order at each level. */
    struct buf b = {0};
    for (int i = 0; i < JSON_CHECK_DEPTH / 2; i++)
        buf_puts(&b, "[{\"k\":");
    buf_puts(&b, "1");
    size_t middle = b.len;
    for (int i = 0; i < JSON_CHECK_DEPTH / 2; i++)
        buf_puts(&b, "}]");
    assert_true(json_check(b.data, b.len, NULL, 0));
    for (size_t i = middle; i < b.len; i++) {
        char was = b.data[i];
        b.data[i] = was == '}' ? ']' : '}';
        assert_false(json_check(b.data, b.len, NULL, 0));
        b.data[i] = was;
    }
    buf_free(&b);
}

/* Every text of up to 6 bytes over an alphabet that reaches each state, judged by Jansson too. */
static bool excused(const char *text, const json_error_t *error)
{
    (void)text;
    enum json_error_code code = json_error_code(error);
    return code == json_error_numeric_overflow;
}

static void agree(const char *text, size_t len)
{
    json_error_t error;
    json_t *tree = json_loadb(text, len, JSON_DECODE_ANY | JSON_ALLOW_NUL, &error);
    bool mine = json_check(text, len, NULL, 0);
    bool theirs = tree != NULL;
    json_decref(tree);
    if (mine != theirs && !(mine && excused(text, &error)))
        fail_msg("we say %d, Jansson says %d: %.*s (%s)", mine, theirs, (int)len, text, error.text);
}

static void agrees_with_jansson_on_all_short_texts(void **state)
{
    (void)state;
    static const char alphabet[] = "[]{},:\"a01-.eE+ \\u";
    const size_t letters = sizeof(alphabet) - 1;
    char text[6];
    for (size_t len = 1; len <= 5; len++) {
        size_t total = 1;
        for (size_t i = 0; i < len; i++)
            total *= letters;
        for (size_t n = 0; n < total; n++) {
            size_t rest = n;
            for (size_t i = 0; i < len; i++, rest /= letters)
                text[i] = alphabet[rest % letters];
            agree(text, len);
        }
    }
}

static void agrees_with_jansson_on_every_two_byte_utf8_start(void **state)
{
    (void)state;
    for (unsigned a = 0; a < 256; a++) {
        for (unsigned b = 0; b < 256; b++) {
            char text[6] = {'"', (char)a, (char)b, '"'};
            if (a != '\\')
                agree(text, 4);
            char three[] = {'"', (char)a, (char)b, (char)0x80, '"'};
            if (a != '\\' && b != '\\')
                agree(three, 5);
            char four[] = {'"', (char)a, (char)b, (char)0x80, (char)0xbf, '"'};
            if (a != '\\' && b != '\\')
                agree(four, 6);
        }
    }
}

/* One byte of a rich document changed at a time, and the document cut at each length. */
static void agrees_with_jansson_on_damaged_documents(void **state)
{
    (void)state;
    static const char document[] = "{\"event_id\":\"evt_\\u00e9\\n\xc3\xa9\",\"n\":[0,-1.5e+10,"
                                   "true,false,null,{}],\"o\":{\"p\":[ ]}}";
    static const char replacements[] = "\"\\{}[],:0-.eu \x01\x80\xc3";
    char text[sizeof(document)];
    for (size_t at = 0; at + 1 < sizeof(document); at++) {
        for (size_t r = 0; r + 1 < sizeof(replacements); r++) {
            memcpy(text, document, sizeof(document));
            text[at] = replacements[r];
            agree(text, sizeof(document) - 1);
        }
        agree(document, at);
    }
}

static void differs_from_jansson_only_as_documented(void **state)
{
    (void)state;
    static const char *const ours_only[] = {
        "9223372036854775808", "-9223372036854775809", "1e400",           "\"\\ud800\"",
        "\"\\udc00\"",         "\"\\ud800\\ud800\"",   "{\"\\u0000\":1}", "{\"a\\u0000b\":1}"};
    for (size_t i = 0; i < sizeof(ours_only) / sizeof(*ours_only); i++) {
        assert_true(ok(ours_only[i]));
        assert_null(json_loads(ours_only[i], JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL));
    }
}

static char *found_text(const char *text, const char *pointer)
{
    struct json_span span;
    struct buf out = {0};
    assert_true(ok(text));
    if (!json_check_find(text, strlen(text), pointer, &span))
        return NULL;
    if (!json_check_text(text, &span, &out))
        buf_append(&out, text + span.at, span.len);
    return buf_steal(&out);
}

static void finds_what_a_pointer_names(void **state)
{
    (void)state;
    /* RFC 6901 section 5's document, and shapes that it lacks. */
    static const char rfc[] =
        "{ \"foo\": [\"bar\", \"baz\"], \"\": 0, \"a/b\": 1, \"c%d\": 2, \"e^f\": 3, \"g|h\": 4,"
        " \"i\\\\j\": 5, \"k\\\"l\": 6, \" \": 7, \"m~n\": 8 }";
    static const struct {
        const char *text;
        const char *pointer;
        const char *want;
    } cases[] = {
        {rfc, "", rfc},
        {rfc, "/foo", "[\"bar\", \"baz\"]"},
        {rfc, "/foo/0", "bar"},
        {rfc, "/foo/1", "baz"},
        {rfc, "/", "0"},
        {rfc, "/a~1b", "1"},
        {rfc, "/c%d", "2"},
        {rfc, "/e^f", "3"},
        {rfc, "/g|h", "4"},
        {rfc, "/i\\j", "5"},
        {rfc, "/k\"l", "6"},
        {rfc, "/ ", "7"},
        {rfc, "/m~0n", "8"},
        {rfc, "/foo/2", NULL},
        {rfc, "/foo/-", NULL},
        {rfc, "/foo/00", NULL},
        {rfc, "/foo/01", NULL},
        {rfc, "/foo/", NULL},
        {rfc, "/foo/1x", NULL},
        {rfc, "/foo/9999999999", NULL},
        {rfc, "/foo/0/x", NULL},
        {rfc, "/m~2n", NULL},
        {rfc, "/m~", NULL},
        {rfc, "foo", NULL},
        {rfc, "/nope", NULL},
        {"{\"a\":1,\"a\":2}", "/a", "2"},
        {"{\"a\":{\"b\":1},\"a\":{\"c\":2}}", "/a/b", NULL},
        {"{\"a\":{\"b\":1},\"a\":{\"c\":2}}", "/a/c", "2"},
        {"{\"x\":{\"a\":1},\"a\":3}", "/a", "3"},
        {"{\"x\":[\"a\",\"}\",\"\\\"]\"],\"a\":3}", "/a", "3"},
        {"{\"\\u0061\":3}", "/a", "3"},
        {"{\"\xc3\xa9\":3}", "/\xc3\xa9", "3"},
        {"{\"\\u00E9\":3}", "/\xc3\xa9", "3"},
        {"{}", "/a", NULL},
        {"[]", "/0", NULL},
        {"[[1,[2]],{\"a\":[3]}]", "/1/a/0", "3"},
        {"[[1,[2]],{\"a\":[3]}]", "/0/1/0", "2"},
        {" 5 ", "", "5"},
        {"5", "/0", NULL},
        {"\"s\"", "", "s"},
        {"{\"0\":\"zero\"}", "/0", "zero"},
        {"{ \"a\" : -1.50E+3 , \"b\":true,\"c\":false,\"d\":null}", "/a", "-1.50E+3"},
        {"{ \"a\" : 1 , \"b\":true,\"c\":false,\"d\":null}", "/b", "true"},
        {"{ \"a\" : 1 , \"b\":true,\"c\":false,\"d\":null}", "/c", "false"},
        {"{ \"a\" : 1 , \"b\":true,\"c\":false,\"d\":null}", "/d", "null"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        char *got = found_text(cases[i].text, cases[i].pointer);
        if (!cases[i].want != !got || (got && strcmp(got, cases[i].want) != 0))
            fail_msg("%s in %s: %s", cases[i].pointer, cases[i].text, got ? got : "nothing");
        free(got);
    }
}

static void names_the_type(void **state)
{
    (void)state;
    static const char text[] = "[null,true,false,-1,\"s\",[],{}]";
    static const enum json_type want[] = {JSON_CHECK_NULL,   JSON_CHECK_TRUE,   JSON_CHECK_FALSE,
                                          JSON_CHECK_NUMBER, JSON_CHECK_STRING, JSON_CHECK_ARRAY,
                                          JSON_CHECK_OBJECT};
    for (int i = 0; i < 7; i++) {
        char pointer[3] = {'/', (char)('0' + i)};
        struct json_span span;
        struct buf out = {0};
        assert_true(json_check_find(LIT(text), pointer, &span));
        assert_int_equal(span.type, want[i]);
        assert_int_equal(json_check_text(text, &span, &out), i < 5);
        buf_free(&out);
    }
}

static void unescapes_text(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *want;
    } cases[] = {
        {"\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\/\b\f\n\r\t"},
        {"\"a\\u00e9b\"", "a\xc3\xa9"
                          "b"},
        {"\"\\u20AC\"", "\xe2\x82\xac"},
        {"\"\\ud83d\\ude00\"", "\xf0\x9f\x98\x80"},
        {"\"\\ud800\"", "\xef\xbf\xbd"},
        {"\"\\udc00\\ud800\"", "\xef\xbf\xbd\xef\xbf\xbd"},
        {"\"\\ud800\\u0041\"", "\xef\xbf\xbd"
                               "A"},
        {"\"\\ud800x\"", "\xef\xbf\xbdx"},
        {"\"\\ud800\\n12345\"", "\xef\xbf\xbd\n12345"},
        {"\"a\\u0000b\"", "a\\u0000b"},
        {"\"\"", ""},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        char *got = found_text(cases[i].text, "");
        assert_string_equal(got, cases[i].want);
        free(got);
    }
}

/* Each scalar of a generated document is found and reads as Jansson reads it. */
static void finds_the_same_as_jansson(void **state)
{
    (void)state;
    static const char text[] = "{\"a\":{\"b\":[1,{\"c\":\"\\u00e9\\ud83d\\ude00\\/"
                               "\"},[]],\"d\":\"x\"},\"e\":[[[\"deep\"]]],\"a2\":\"\"}";
    static const char *const pointers[] = {"/a/b/1/c", "/a/d", "/e/0/0/0", "/a2"};
    json_t *tree = json_loads(text, 0, NULL);
    const char *want[] = {
        json_string_value(json_object_get(
            json_array_get(json_object_get(json_object_get(tree, "a"), "b"), 1), "c")),
        "x", "deep", ""};
    for (size_t i = 0; i < 4; i++) {
        char *got = found_text(text, pointers[i]);
        assert_string_equal(got, want[i]);
        free(got);
    }
    json_decref(tree);
}

/* A body of the largest size is checked and searched in linear time whatever its shape. */
static void takes_linear_time(void **state)
{
    (void)state;
    struct buf b = {0};
    buf_puts(&b, "[");
    while (b.len < 1000000)
        buf_puts(&b, "{},");
    buf_puts(&b, "{\"k\":1}]");
    struct json_span span;
    assert_true(json_check(b.data, b.len, NULL, 0));
    assert_false(json_check_find(b.data, b.len, "/999999999", &span));
    buf_free(&b);
    for (int i = 0; i < 500000; i++)
        buf_puts(&b, "[");
    assert_false(json_check(b.data, b.len, NULL, 0));
    buf_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(accepts_every_form_of_value),
        cmocka_unit_test(refuses_everything_else),
        cmocka_unit_test(says_what_is_wrong_and_where),
        cmocka_unit_test(bounds_the_depth),
        cmocka_unit_test(agrees_with_jansson_on_all_short_texts),
        cmocka_unit_test(agrees_with_jansson_on_every_two_byte_utf8_start),
        cmocka_unit_test(agrees_with_jansson_on_damaged_documents),
        cmocka_unit_test(differs_from_jansson_only_as_documented),
        cmocka_unit_test(finds_what_a_pointer_names),
        cmocka_unit_test(names_the_type),
        cmocka_unit_test(unescapes_text),
        cmocka_unit_test(finds_the_same_as_jansson),
        cmocka_unit_test(takes_linear_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
