#include "common/webhook/url_template.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/xalloc.h"

static const char body[] =
    "{\"id\":\"a/b?c#d%20e \xc3\xbc\",\"n\":12.50,\"t\":true,\"o\":{\"x~\":{\"y/z\":\"deep\"}},"
    "\"e\":\"\",\"z\":null,\"l\":[7],\"dot\":\".\",\"dots\":\"..\",\"crlf\":\"a\\r\\nb\","
    "\"nul\":\"a\\u0000b\"}";

static void filled(const char *url, const char *expected)
{
    char reason[URL_TEMPLATE_REASON_BYTES];
    char *out = url_template_fill(url, body, sizeof(body) - 1, reason);
    assert_string_equal(out ? out : reason, expected);
    free(out);
}

static void values_are_encoded(void **state)
{
    (void)state;
    filled("https://x/plain?a=b", "https://x/plain?a=b");
    filled("https://x/{/id}/y", "https://x/a%2Fb%3Fc%23d%2520e%20%C3%BC/y");
    filled("https://x/{/n}?t={/t}&l={/l/0}", "https://x/12.50?t=true&l=7");
    filled("https://x/{/o/x~0/y~1z}", "https://x/deep");
    filled("https://x/{/crlf}", "https://x/a%0D%0Ab");
    filled("https://x/{/n}{/n}", "https://x/12.5012.50");
}

static void refused(const char *url, const char *text, const char *part)
{
    char reason[URL_TEMPLATE_REASON_BYTES] = "";
    assert_null(url_template_fill(url, text, strlen(text), reason));
    if (!strstr(reason, part))
        fail_msg("expected ...%s... in: %s", part, reason);
}

static void places_without_a_value(void **state)
{
    (void)state;
    refused("https://x/{/nothing}", body, "the field /nothing is missing");
    refused("https://x/{/z}", body, "/z is missing");
    refused("https://x/{/e}", body, "/e is empty");
    refused("https://x/{/o}", body, "/o is not a plain value");
    refused("https://x/{/l}", body, "/l is not a plain value");
    refused("https://x/{/dot}", body, "part of a path");
    refused("https://x/{/dots}", body, "part of a path");
    refused("https://x/{/id}", "no JSON", "the body is not JSON");
    refused("https://x/{/id}", "", "the body is not JSON");
}

static void too_long(void **state)
{
    (void)state;
    char *value = xcalloc(1, URL_TEMPLATE_MAX_BYTES + 2);
    memset(value, 'a', URL_TEMPLATE_MAX_BYTES + 1);
    char *text = xasprintf("{\"id\":\"%s\"}", value);
    refused("https://x/{/id}", text, "too long");
    value[3000] = '\0';
    char *encoded = xasprintf("{\"id\":\"%s\"}", value);
    memset(strchr(encoded, 'a'), '/', 3000);
    refused("https://x/{/id}", encoded, "the URL would have 9010 bytes");
    free(encoded);
    free(text);
    free(value);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_are_encoded),
        cmocka_unit_test(places_without_a_value),
        cmocka_unit_test(too_long),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
