#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "common/aws/errors.h"
#include "common/aws/xml.h"
#include "common/base/buf.h"

/* The tokens of a document as text: "<name", ">" for an end, "'text'", "." done, "!" broken. */
static char *tokens(const char *document)
{
    struct xml_reader r;
    struct xml_piece piece;
    struct buf out = {0};
    xml_start(&r, document, strlen(document));
    for (;;) {
        switch (xml_next(&r, &piece)) {
        case XML_START:
            buf_printf(&out, "<%s", piece.name);
            break;
        case XML_END:
            buf_puts(&out, ">");
            break;
        case XML_TEXT:
            buf_printf(&out, "'%s'", piece.text);
            free(piece.text);
            break;
        case XML_DONE:
            buf_puts(&out, ".");
            return buf_steal(&out);
        case XML_BROKEN:
            buf_puts(&out, "!");
            return buf_steal(&out);
        }
    }
}

static void test_tokens(void **state)
{
    (void)state;
    static const struct {
        const char *document, *tokens;
    } cases[] = {
        {"<a/>", "<a>."},
        {"<?xml version=\"1.0\"?>\n<a x=\"1\">b</a>\n", "<a'b'>."},
        {"<a>\n  <b>1</b>\n  <c/>\n</a>", "<a<b'1'><c>>."},
        {"<n:a>/&gt;x</n:a>", "<a'/>x'>."},
        {"<a>&lt;&amp;&quot;&apos;&#65;&#xe9;&#x1F600;</a>",
         "<a'<&\"'A\xc3\xa9\xf0\x9f\x98\x80'>."},
        {"<a>&quot;e&quot;</a>", "<a'\"e\"'>."},
        {"<a>", "<a!"},
        {"</a>", "!"},
        {"<a>&bad;</a>", "<a!"},
        {"<a>&#0;</a>", "<a!"},
        {"<a>&#xd800;</a>", "<a!"},
        {"<!DOCTYPE a><a/>", "!"},
        {"<!-- > --><a><!-- no --></a><!-- - -->", "<a>."},
        {"<a><!-- <b> --> <!-- & --><b/></a>", "<a<b>>."},
        {"<a>x<!-- & -->y</a>", "<a'xy'>."},
        {"<a><!-- no </a>", "<a!"},
        {"<a><![CDATA[x]]></a>", "<a'x'>."},
        {"<a><![CDATA[<&amp;]]>&amp;<![CDATA[]]]></a>", "<a'<&amp;&]'>."},
        {"<a><b/><![CDATA[x]]></a>", "<a<b>'x'>."},
        {"<a><![CDATA[x]></a>", "<a!"},
        {"<![CDATA[x]]>", "!"},
        {"\xef\xbb\xbf<?xml version=\"1.0\"?><a/>", "<a>."},
        {"text", "!"},
        {"", "."},
        {"<", "!"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char *got = tokens(cases[i].document);
        assert_string_equal(got, cases[i].tokens);
        free(got);
    }
}

static void test_every_cut_is_broken_or_shorter(void **state)
{
    (void)state;
    const char *document = "<a><b>x&amp;y</b><c/></a>";
    for (size_t n = 1; n < strlen(document); n++) {
        char *cut = strndup(document, n);
        char *got = tokens(cut);
        assert_int_equal(got[strlen(got) - 1], '!');
        free(got);
        free(cut);
    }
}

static void test_deep_nesting_is_refused(void **state)
{
    (void)state;
    struct buf deep = {0};
    for (int i = 0; i < 100000; i++)
        buf_puts(&deep, "<a>");
    char *got = tokens(deep.data);
    assert_int_equal(got[strlen(got) - 1], '!');
    assert_true(strlen(got) < 100);
    free(got);
    buf_free(&deep);
}

static void test_error_documents(void **state)
{
    (void)state;
    const char *s3 = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>NoSuchKey</Code>"
                     "<Message>The specified key does not exist.</Message></Error>";
    struct aws_error error;
    aws_error_read_xml(s3, strlen(s3), 404, &error);
    assert_string_equal(error.code, "NoSuchKey");
    assert_string_equal(error.message, "The specified key does not exist.");
    assert_int_equal(aws_error_class(&error, 404), AWS_MISSING);
    aws_error_read_xml("<html>", 6, 503, &error);
    assert_string_equal(error.code, "HTTP 503");
    assert_int_equal(aws_error_class(&error, 503), AWS_TRANSIENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tokens),
        cmocka_unit_test(test_every_cut_is_broken_or_shorter),
        cmocka_unit_test(test_deep_nesting_is_refused),
        cmocka_unit_test(test_error_documents),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
