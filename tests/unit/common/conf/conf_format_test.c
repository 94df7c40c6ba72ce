#include "common/conf/conf_format.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* Each format with texts it takes and texts it refuses, both ending at a NULL. */
static const struct {
    conf_format *format;
    const char *good[8];
    const char *bad[16];
} cases[] = {
    {conf_format_not_empty, {"x", " "}, {""}},
    {conf_format_line, {"", "a b", "gr\xc3\xbc\xc3\x9f"}, {"a\nb", "a\rb", "\t", "\x7f"}},
    {conf_format_secret, {"s3cret"}, {"", "a\n"}},
    {conf_format_header_name,
     {"", "X-Api-Key", "a!#$%&'*+.^_`|~1"},
     {"X Key", "a:", "a\n", "\xc3\xbc", "(x)"}},
    {conf_format_name,
     {"a", "genesys-1_X", "123456789012345678901234567890123456789012345678901234567890"},
     {"", "a.b", "a b", "a/b", "*",
      "1234567890123456789012345678901234567890123456789012345678901"}},
    {conf_format_queue,
     {"q", "genesys-dlq"},
     {"", "q.fifo", "a b",
      "123456789012345678901234567890123456789012345678901234567890123456789012345678901"}},
    {conf_format_queue_or_none, {"", "q"}, {"q.fifo", " "}},
    {conf_format_table, {"abc", "sluice-ledger", "A_b.c"}, {"", "ab", "a b", "a/b"}},
    {conf_format_bucket,
     {"abc", "sluice-dead-letters", "a.b-c", "0a9"},
     {"", "ab", "Abc", "a_b", "-abc", "abc-", ".abc", "abc.", "a..b",
      "1234567890123456789012345678901234567890123456789012345678901234"}},
    {conf_format_prefix,
     {"", "dlq/", "a/b-c/D_e.f/"},
     {"dlq", "/", "/dlq/", "a//", "../", "a b/", "a=b/", "\xc3\xbc/"}},
    {conf_format_token,
     {"0123456789abcdef", "!~0123456789abcdef"},
     {"", "0123456789abcde", "0123456789 abcdef", "0123456789abcdef\n", "0123456789abcde\xc3\xbc"}},
    {conf_format_url_path,
     {"/", "/webhooks/x", "/a.b/c~d%20"},
     {"", "x", "/a b", "/a?b", "/a#b", "/a//b", "/../a", "/a/..", "/\xc3\xbc", "/a\n"}},
    {conf_format_url,
     {"", "http://h", "https://h:1/p?q=1"},
     {"h", "ftp://h", "http://", "https:///p", "http://a b", "http://a\n", "http://a\"b"}},
    {conf_format_listen,
     {"127.0.0.1:8080", "0.0.0.0:1", "[::1]:65535", "[::]:0", "localhost:80"},
     {"", "127.0.0.1", ":80", "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:-1", "127.0.0.1:8o",
      "::1:80", "[127.0.0.1]:80", "[localhost]:80", "example.com:80", "*:80", "127.0.0.1:080808",
      "[]:80", "1.2.3:80"}},
    {conf_format_listen_local,
     {"127.0.0.1:9324", "127.1.2.3:1", "[::1]:1", "localhost:1"},
     {"0.0.0.0:1", "[::]:1", "10.0.0.1:1", "127.0.0.1", ""}},
    {conf_format_pointer, {"/a", "/a/0/b~0~1", "/"}, {"", "a", "/a~", "/a~2"}},
    {conf_format_pointer_or_none, {"", "/a"}, {"a"}},
    {conf_format_variable, {"A", "_a1"}, {"", "1A", "A=B", "A-B"}},
    {conf_format_template,
     {"", "/x/{source}.jsonl", "plain"},
     {"{", "}", "{name}", "a{source}{", "a\nb"}},
};

static void formats(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        for (const char *const *text = cases[i].good; *text; text++)
            if (cases[i].format(*text))
                fail_msg("case %zu refuses \"%s\": %s", i, *text, cases[i].format(*text));
        for (const char *const *text = cases[i].bad; *text; text++)
            if (!cases[i].format(*text))
                fail_msg("case %zu takes \"%s\"", i, *text);
    }
}

static void loopback(void **state)
{
    (void)state;
    assert_true(conf_format_is_loopback("127.0.0.1:1"));
    assert_true(conf_format_is_loopback("[::1]:1"));
    assert_true(conf_format_is_loopback("localhost:1"));
    assert_false(conf_format_is_loopback("0.0.0.0:1"));
    assert_false(conf_format_is_loopback("nonsense"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(formats),
        cmocka_unit_test(loopback),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
