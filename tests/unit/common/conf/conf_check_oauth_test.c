#include "tests/unit/common/conf/load.h"

#define CLIENT "\"client_id\": \"c\", \"client_secret\": \"s3cret\""
#define TOKEN_URL "\"token_url\": \"https://api.example.com/token\""

/* A configuration with one object under oauth, and more members of its destination and source. */
static char *with(const char *oauth, const char *destination, const char *source)
{
    return xasprintf(
        "{\"state_dir\": \"s\", \"oauth\": {\"api\": {%s}},"
        " \"destinations\": {\"crm\": {\"type\": \"http\", \"url\": \"https://x/\"%s}},"
        " \"sources\": {\"x\": {\"path\": \"/x\", \"verify\": {\"type\": \"none\"},"
        " \"destination\": \"crm\"%s}}}",
        oauth, destination, source);
}

static json_t *good(const char *oauth, const char *destination, const char *source)
{
    char *text = with(oauth, destination, source);
    json_t *conf = load_good(text);
    free(text);
    return conf;
}

static void bad(const char *oauth, const char *destination, const char *source, const char *path,
                const char *part)
{
    char *text = with(oauth, destination, source);
    expect_one(text, path, part);
    free(text);
}

static void bad_oauth(const char *oauth, const char *key, const char *part)
{
    char *path = xasprintf("oauth.api.%s", key);
    bad(oauth, "", "", path, part);
    free(path);
}

static void defaults(void **state)
{
    (void)state;
    json_t *conf = good(CLIENT ", " TOKEN_URL, ", \"oauth\": \"api\"", "");
    const json_t *one = conf_value(conf, "oauth.api");
    assert_string_equal(conf_str(one, "grant"), "client_credentials");
    assert_string_equal(conf_str(one, "auth"), "basic");
    assert_string_equal(conf_str(conf, "sources.x.check.url"), "");
    assert_string_equal(conf_str(conf, "sources.x.acknowledge.url"), "");
    json_decref(conf);
}

static void where_tokens_are_given(void **state)
{
    (void)state;
    json_decref(good(CLIENT ", \"discovery_url\": \"https://issuer.example.com\"", "", ""));
    bad_oauth(CLIENT, "token_url", "must be written, or discovery_url");
    bad_oauth(CLIENT ", " TOKEN_URL ", \"discovery_url\": \"https://y/\"", "discovery_url",
              "leave one of them out");
    bad_oauth(CLIENT ", \"token_url\": \"http://api.example.com/token\"", "token_url",
              "use https://");
    bad_oauth(CLIENT ", \"token_url\": \"http://8.8.8.8/\", \"allow_networks\": [\"10.0.0.0/8\"]",
              "token_url", "use https://");
    json_decref(good(CLIENT ", \"token_url\": \"http://127.0.0.1:9/t\","
                            " \"allow_networks\": [\"127.0.0.0/8\"]",
                     "", ""));
    bad_oauth(CLIENT ", \"token_url\": \"https://10.0.0.1/t\"", "token_url", "private address");
    bad_oauth(CLIENT ", " TOKEN_URL ", \"ca_file\": \"/nowhere.pem\"", "ca_file", "cannot read");
}

static void grants(void **state)
{
    (void)state;
    json_decref(good(CLIENT ", " TOKEN_URL ", \"grant\": \"password\", \"username\": \"u\","
                            " \"password\": \"p\"",
                     "", ""));
    bad_oauth(CLIENT ", " TOKEN_URL ", \"grant\": \"password\", \"username\": \"u\"", "password",
              "must be written");
    bad_oauth(CLIENT ", " TOKEN_URL ", \"username\": \"u\"", "username", "only for grant password");
    bad_oauth(CLIENT ", " TOKEN_URL ", \"grant\": \"implicit\"", "grant", "client_credentials");
    bad_oauth("\"client_id\": \"c\", " TOKEN_URL, "client_secret", "must be written");
    bad_oauth(CLIENT ", " TOKEN_URL ", \"scopes\": [\"a b\"]", "scopes[0]", "one scope");
    bad_oauth(CLIENT ", " TOKEN_URL ", \"auth\": \"jwt\"", "auth", "basic");
}

static void users(void **state)
{
    (void)state;
    const char *api = CLIENT ", " TOKEN_URL;
    bad(api, ", \"oauth\": \"apii\"", "", "destinations.crm.oauth", "did you mean \"api\"");
    bad(api, ", \"oauth\": \"something\"", "", "destinations.crm.oauth", "add it under oauth");
    bad(api, ", \"oauth\": \"api\", \"headers\": {\"authorization\": \"Bearer x\"}", "",
        "destinations.crm.headers.Authorization", "leave one of them out");
    bad(api, "", ", \"check\": {\"oauth\": \"api\"}", "sources.x.check.url", "must be written");
    bad(api, "", ", \"acknowledge\": {\"url\": \"http://y/\", \"oauth\": \"api\"}",
        "sources.x.acknowledge.url", "use https://");
    json_decref(good(api, "", ", \"acknowledge\": {\"url\": \"http://y/\"}"));
}

static void templates(void **state)
{
    (void)state;
    static const struct {
        const char *url, *part;
    } cases[] = {
        {"https://{/host}/x", "behind its host"},
        {"{/all}", "behind its host"},
        {"https://x/{id}", "behind its host"},
        {"https://x/{/id", "behind its host"},
        {"https://x/{/a{/b}}", "behind its host"},
        {"https://x/{/a~2}", "behind its host"},
        {"https://x/}", "printable ASCII"},
        {"https://u:p@x/{/id}", "put them into headers"},
        {"https://127.0.0.1/{/id}", "is a loopback address"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char *source = xasprintf(", \"check\": {\"url\": \"%s\"}", cases[i].url);
        bad(CLIENT ", " TOKEN_URL, "", source, "sources.x.check.url", cases[i].part);
        free(source);
    }
    json_decref(good(CLIENT ", " TOKEN_URL, "",
                     ", \"check\": {\"url\": \"https://x/a/{/b/c~1d}?e={/0}\"}"));
}

static void secrets_stay_with_the_keyring(void **state)
{
    (void)state;
    json_t *conf = good(CLIENT ", " TOKEN_URL ", \"grant\": \"password\", \"username\": \"u\","
                               " \"password\": \"pa55word\"",
                        ", \"oauth\": \"api\"", "");
    static const char *const roles[] = {"ingest", "consumer", "retry", "store"};
    for (size_t i = 0; i < sizeof(roles) / sizeof(roles[0]); i++) {
        json_t *slice = conf_slice(conf, roles[i]);
        assert_null(json_object_get(slice, "oauth"));
        json_decref(slice);
    }
    json_t *slice = conf_slice(conf, "keyring");
    assert_string_equal(conf_str(slice, "oauth.api.client_secret"), "s3cret");
    json_decref(slice);
    json_t *masked = conf_masked(conf);
    char *text = json_dumps(masked, 0);
    assert_null(strstr(text, "s3cret"));
    assert_null(strstr(text, "pa55word"));
    free(text);
    json_decref(masked);
    json_decref(conf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(defaults),  TEST(where_tokens_are_given),        TEST(grants), TEST(users),
        TEST(templates), TEST(secrets_stay_with_the_keyring),
    };
    return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
