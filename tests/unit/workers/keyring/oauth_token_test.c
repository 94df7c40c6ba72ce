#include "workers/keyring/oauth_token.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/xalloc.h"

static json_t *conf_of(const char *grant, const char *auth, const char *secret)
{
    json_t *conf =
        json_pack("{s:s,s:s,s:s,s:s,s:s,s:s,s:[s,s],s:s,s:s}", "grant", grant, "auth", auth,
                  "token_url", "", "discovery_url", "https://issuer.example.com/t/", "client_id",
                  "id:1", "client_secret", secret, "scopes", "data-actions:read",
                  "data-actions:write", "username", "me@x", "password", "p w+&=%\xc3\xbc");
    assert_non_null(conf);
    return conf;
}

static void forms(void **state)
{
    (void)state;
    static const struct {
        const char *grant, *auth, *form;
    } cases[] = {
        {"client_credentials", "basic",
         "grant_type=client_credentials&scope=data-actions%3Aread+data-actions%3Awrite"},
        {"client_credentials", "post",
         "grant_type=client_credentials&scope=data-actions%3Aread+data-actions%3Awrite"
         "&client_id=id%3A1&client_secret=s+e%2Fc%3Dr%26t"},
        {"password", "basic",
         "grant_type=password&username=me%40x&password=p+w%2B%26%3D%25%C3%BC"
         "&scope=data-actions%3Aread+data-actions%3Awrite"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        json_t *conf = conf_of(cases[i].grant, cases[i].auth, "s e/c=r&t");
        struct buf form = {0};
        oauth_token_form(conf, &form);
        assert_string_equal(form.data, cases[i].form);
        buf_free(&form);
        json_decref(conf);
    }
}

static void no_scope_is_no_field(void **state)
{
    (void)state;
    json_t *conf = conf_of("client_credentials", "basic", "s");
    json_array_clear(json_object_get(conf, "scopes"));
    struct buf form = {0};
    oauth_token_form(conf, &form);
    assert_string_equal(form.data, "grant_type=client_credentials");
    buf_free(&form);
    json_decref(conf);
}

/* RFC 6749 section 2.3.1: both are form-encoded before they are joined. */
static void basic(void **state)
{
    (void)state;
    struct buf out = {0};
    json_t *conf = conf_of("client_credentials", "basic", "a b:\xc3\xbc");
    assert_true(oauth_token_basic(conf, &out));
    /* id%3A1:a+b%3A%C3%BC */
    assert_string_equal(out.data, "Basic aWQlM0ExOmErYiUzQSVDMyVCQw==");
    buf_free(&out);
    json_decref(conf);
    conf = conf_of("client_credentials", "post", "x");
    assert_false(oauth_token_basic(conf, &out));
    json_decref(conf);
}

static int64_t lifetime(const char *expires)
{
    struct oauth_token token;
    char why[OAUTH_TOKEN_WHY_BYTES];
    char *body = xasprintf("{\"access_token\":\"t\",\"token_type\":\"bearer\"%s%s}",
                           expires ? ",\"expires_in\":" : "", expires ? expires : "");
    assert_int_equal(oauth_token_parse(body, strlen(body), &token, why), 0);
    assert_string_equal(token.text, "t");
    free(token.text);
    free(body);
    return token.lifetime_s;
}

static void lifetimes(void **state)
{
    (void)state;
    assert_int_equal(lifetime("3600"), 3600);
    assert_int_equal(lifetime("\"3600\""), 3600);
    assert_int_equal(lifetime("3599.9"), 3599);
    assert_int_equal(lifetime(NULL), OAUTH_TOKEN_DEFAULT_S);
    assert_int_equal(lifetime("null"), OAUTH_TOKEN_DEFAULT_S);
    assert_int_equal(lifetime("0"), OAUTH_TOKEN_DEFAULT_S);
    assert_int_equal(lifetime("-5"), OAUTH_TOKEN_DEFAULT_S);
    assert_int_equal(lifetime("\"soon\""), OAUTH_TOKEN_DEFAULT_S);
    assert_int_equal(lifetime("\"12x\""), OAUTH_TOKEN_DEFAULT_S);
    assert_int_equal(lifetime("\"\""), OAUTH_TOKEN_DEFAULT_S);
    assert_int_equal(lifetime("[1]"), OAUTH_TOKEN_DEFAULT_S);
    assert_int_equal(lifetime("1e300"), OAUTH_TOKEN_LONGEST_S);
    assert_int_equal(lifetime("\"999999999999999\""), OAUTH_TOKEN_LONGEST_S);
    assert_int_equal(lifetime("9223372036854775807"), OAUTH_TOKEN_LONGEST_S);
}

static void refused(const char *body, size_t len, const char *part)
{
    struct oauth_token token;
    char why[OAUTH_TOKEN_WHY_BYTES];
    assert_int_equal(oauth_token_parse(body, len, &token, why), -1);
    assert_null(token.text);
    if (!strstr(why, part))
        fail_msg("expected ...%s... in: %s", part, why);
}

static void refused_text(const char *body, const char *part)
{
    refused(body, strlen(body), part);
}

static void hostile_answers(void **state)
{
    (void)state;
    refused(NULL, 0, "not a JSON object");
    refused_text("<html>", "not a JSON object");
    refused_text("[]", "not a JSON object");
    refused_text("{\"access_token\":\"a\",\"access_token\":\"b\"}", "not a JSON object");
    refused_text("{\"access_token\":\"a\"", "not a JSON object");
    refused("{\"access_token\":\"a\"}\0x", 22, "not a JSON object");
    refused_text("{}", "no access_token");
    refused_text("{\"access_token\":\"\"}", "no access_token");
    refused_text("{\"access_token\":7}", "no access_token");
    refused_text("{\"access_token\":\"a\",\"token_type\":\"mac\"}", "type Bearer");
    refused_text("{\"access_token\":\"a\",\"token_type\":1}", "type Bearer");
    refused_text("{\"access_token\":\"a\\r\\nX: y\"}", "characters that no token");
    refused_text("{\"access_token\":\"a b\"}", "characters that no token");
    refused_text("{\"access_token\":\"a\\\"b\"}", "characters that no token");
    refused_text("{\"access_token\":\"\xc3\xbc\"}", "characters that no token");
    char nested[2000];
    memset(nested, '[', sizeof(nested));
    refused(nested, sizeof(nested), "not a JSON object");
}

static void long_tokens(void **state)
{
    (void)state;
    for (size_t len = OAUTH_TOKEN_MAX_BYTES; len <= OAUTH_TOKEN_MAX_BYTES + 1; len++) {
        char *text = xcalloc(1, len + 1);
        memset(text, 'x', len);
        char *body = xasprintf("{\"access_token\":\"%s\"}", text);
        struct oauth_token token;
        char why[OAUTH_TOKEN_WHY_BYTES];
        int rc = oauth_token_parse(body, strlen(body), &token, why);
        assert_int_equal(rc, len > OAUTH_TOKEN_MAX_BYTES ? -1 : 0);
        if (rc)
            assert_non_null(strstr(why, "at most 12288"));
        free(token.text);
        free(body);
        free(text);
    }
}

static void refusals(void **state)
{
    (void)state;
    static const struct {
        int status;
        const char *body;
        bool lasting;
        const char *part;
    } cases[] = {
        {400, "{\"error\":\"invalid_client\"}", true, "correct client_id"},
        {401, "{\"error\":\"invalid_client\",\"error_description\":\"no\"}", true, "(no)"},
        {400, "{\"error\":\"invalid_grant\"}", true, "correct username and password"},
        {400, "{\"error\":\"invalid_scope\"}", true, "correct scopes"},
        {401, "garbage", true, "correct client_id"},
        {404, "", true, "correct the token URL"},
        {200, "{\"error\":\"invalid_client\"}", true, "correct client_id"},
        {201, "", true, "correct the token URL"},
        {302, "", true, "redirects are not followed"},
        {429, "", false, "HTTP status 429"},
        {503, "{\"error\":\"temporarily_unavailable\"}", false, "503 temporarily_unavailable"},
        {500, "", false, "HTTP status 500"},
        {408, "", false, "HTTP status 408"},
        {400, "{\"error\":\"a\\nb\\u0007\"}", true, "a?b?"},
    };
    json_t *conf = conf_of("client_credentials", "basic", "s3cr et");
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char why[OAUTH_TOKEN_WHY_BYTES];
        bool lasting =
            oauth_token_refusal(conf, cases[i].status, cases[i].body, strlen(cases[i].body), why);
        assert_int_equal(lasting, cases[i].lasting);
        if (!strstr(why, cases[i].part))
            fail_msg("expected ...%s... in: %s", cases[i].part, why);
    }
    json_decref(conf);
}

static void a_refusal_may_have_status_200(void **state)
{
    (void)state;
    static const struct {
        const char *body;
        bool is_refusal;
    } cases[] = {
        {"{\"error\":\"invalid_client\"}", true},
        {"{\"error\":\"\",\"access_token\":\"a\"}", false},
        {"{\"error\":null}", false},
        {"{}", false},
        {"<html>", false},
        {"", false},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_int_equal(oauth_token_is_refusal(cases[i].body, strlen(cases[i].body)),
                         cases[i].is_refusal);
}

/* A server may say back what it was told, in whatever form it has it. */
static void secrets_are_not_repeated(void **state)
{
    (void)state;
    json_t *conf = conf_of("password", "basic", "s3cr et");
    struct buf authorization = {0}, base64 = {0};
    oauth_token_basic(conf, &authorization);
    buf_puts(&base64, "czNjciBldA==");
    const char *said[] = {"s3cr et",
                          "s3cr+et",
                          "S3CR ET",
                          base64.data,
                          authorization.data + 6,
                          "p w+&=%\xc3\xbc",
                          "p+w%2B%26%3D%25%C3%BC",
                          "p+w%2b%26%3d%25%c3%bc"};
    for (size_t i = 0; i < sizeof(said) / sizeof(said[0]); i++) {
        char why[OAUTH_TOKEN_WHY_BYTES];
        json_t *body = json_pack("{s:s,s:o}", "error", said[i], "error_description",
                                 json_sprintf("you sent %s, that is %s.", said[i], said[i]));
        char *text = json_dumps(body, 0);
        oauth_token_refusal(conf, 400, text, strlen(text), why);
        if (strcasestr(why, said[i]) || !strstr(why, "you sent *"))
            fail_msg("case %zu: %s", i, why);
        free(text);
        json_decref(body);
    }
    buf_free(&authorization);
    buf_free(&base64);
    json_decref(conf);
}

static void discovery(void **state)
{
    (void)state;
    json_t *conf = conf_of("client_credentials", "basic", "s");
    char *url = oauth_token_discovery_url(conf);
    assert_string_equal(url, "https://issuer.example.com/t/.well-known/openid-configuration");
    free(url);
    static const struct {
        const char *body, *part; /* NULL: good */
    } cases[] = {
        {"{\"issuer\":\"https://issuer.example.com/t\",\"token_endpoint\":\"https://a/t?x=1\"}",
         NULL},
        {"{\"issuer\":\"https://issuer.example.com/t/\",\"token_endpoint\":\"https://a/t?x=1\"}",
         NULL},
        {"{\"issuer\":\"https://evil.example.com\",\"token_endpoint\":\"https://a/\"}",
         "another issuer"},
        {"{\"token_endpoint\":\"https://a/\"}", "another issuer"},
        {"{\"issuer\":\"https://issuer.example.com/t\",\"token_endpoint\":\"http://a/\"}",
         "not https"},
        {"{\"issuer\":\"https://issuer.example.com/t\",\"token_endpoint\":\"file:///x\"}",
         "no good token_endpoint"},
        {"{\"issuer\":\"https://issuer.example.com/t\",\"token_endpoint\":\"https://a/\\r\\n\"}",
         "no good token_endpoint"},
        {"{\"issuer\":\"https://issuer.example.com/t\"}", "no good token_endpoint"},
        {"[]", "not a JSON object"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char why[OAUTH_TOKEN_WHY_BYTES] = "";
        char *found = oauth_token_endpoint(conf, cases[i].body, strlen(cases[i].body), why);
        assert_int_equal(found == NULL, cases[i].part != NULL);
        if (found)
            assert_string_equal(found, "https://a/t?x=1");
        else
            assert_non_null(strstr(why, cases[i].part));
        free(found);
    }
    json_object_set_new(conf, "discovery_url",
                        json_string("https://i/.well-known/openid-configuration?a"));
    url = oauth_token_discovery_url(conf);
    assert_string_equal(url, "https://i/.well-known/openid-configuration?a");
    free(url);
    json_decref(conf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(forms),
        cmocka_unit_test(no_scope_is_no_field),
        cmocka_unit_test(basic),
        cmocka_unit_test(lifetimes),
        cmocka_unit_test(hostile_answers),
        cmocka_unit_test(long_tokens),
        cmocka_unit_test(refusals),
        cmocka_unit_test(a_refusal_may_have_status_200),
        cmocka_unit_test(secrets_are_not_repeated),
        cmocka_unit_test(discovery),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
