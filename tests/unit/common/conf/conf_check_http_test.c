#include "tests/unit/common/conf/load.h"

/* A configuration with one http destination that has these members too. */
static char *with(const char *members)
{
    return xasprintf("{\"state_dir\": \"s\", \"destinations\": {\"crm\": {\"type\": \"http\"%s%s}},"
                     " \"sources\": {\"x\": {\"path\": \"/x\", \"verify\": {\"type\": \"none\"},"
                     " \"destination\": \"crm\"}}}",
                     *members ? ", " : "", members);
}

static void good(const char *members)
{
    char *text = with(members);
    json_decref(load_good(text));
    free(text);
}

static void bad(const char *members, const char *key, const char *part)
{
    char *text = with(members);
    char *path = xasprintf("destinations.crm.%s", key);
    expect_one(text, path, part);
    free(path);
    free(text);
}

static void urls(void **state)
{
    (void)state;
    good("\"url\": \"https://crm.example.com\"");
    good("\"url\": \"http://crm.example.com:8080/a/b?c=d%20e\"");
    good("\"url\": \"https://8.8.8.8/\"");
    bad("", "url", "must be written");
    bad("\"url\": \"\"", "url", "http:// or https://");
    bad("\"url\": \"ftp://x/\"", "url", "http:// or https://");
    bad("\"url\": \"https:///x\"", "url", "http:// or https://");
    bad("\"url\": \"https://a:b@x/\"", "url", "put them into headers");
    bad("\"url\": \"https://x/#y\"", "url", "without \"#\"");
    bad("\"url\": \"https://x/a b\"", "url", "printable ASCII");
    bad("\"url\": \"https://x/\\r\\nX: y\"", "url", "printable ASCII");
}

static void addresses(void **state)
{
    (void)state;
    static const char *const loopback[] = {"127.0.0.1", "localhost",  "127.1",
                                           "0x7f.1",    "2130706433", "[::ffff:127.0.0.1]"};
    for (size_t i = 0; i < sizeof(loopback) / sizeof(loopback[0]); i++) {
        char *closed = xasprintf("\"url\": \"http://%s:9/x\"", loopback[i]);
        char *open = xasprintf("%s, \"allow_networks\": [\"127.0.0.0/8\"]", closed);
        bad(closed, "url", "is a loopback address: to call it all the same, list its network");
        good(open);
        free(open);
        free(closed);
    }
    bad("\"url\": \"http://10.0.0.1/\", \"allow_networks\": [\"127.0.0.0/8\"]", "url", "private");
    bad("\"url\": \"http://169.254.169.254/\", \"allow_networks\": [\"0.0.0.0/0\"]", "url",
        "metadata");
    bad("\"url\": \"http://[fd00::1]/\"", "url", "private");
    bad("\"url\": \"http://x/\", \"allow_networks\": [\"10.0.0.1/8\"]", "allow_networks[0]",
        "a network such as");
}

static void headers_and_secrets(void **state)
{
    (void)state;
    good(
        "\"url\": \"https://x/\", \"headers\": {\"Authorization\": \"Bearer x\", \"Host\": \"y\"}");
    static const char *const ours[] = {"Content-Length", "transfer-encoding", "Sluice-Trace",
                                       "webhook-id",     "Idempotency-Key",   "CONTENT-TYPE",
                                       "traceparent",    "Connection"};
    for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++) {
        char *members = xasprintf("\"url\": \"https://x/\", \"headers\": {\"%s\": \"1\"}", ours[i]);
        char *key = xasprintf("headers.%s", ours[i]);
        bad(members, key, "sets this header itself");
        free(key);
        free(members);
    }
    bad("\"url\": \"https://x/\", \"headers\": {\"A\": \"b\\r\\nC: d\"}", "headers.A", "one line");
    bad("\"url\": \"https://x/\", \"headers\": {\"A B\": \"c\"}", "headers.A B", "HTTP header");
    good("\"url\": \"https://x/\", \"secrets\": [\"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\","
         " \"sixteen letters!\"]");
    bad("\"url\": \"https://x/\", \"secrets\": [\"whsec_MfKQ\"]", "secrets[0]", "whsec_");
    bad("\"url\": \"https://x/\", \"secrets\": [\"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS*\"]",
        "secrets[0]", "whsec_");
    bad("\"url\": \"https://x/\", \"secrets\": [\"short\"]", "secrets[0]", "16 to 1024");
}

static void files(void **state)
{
    (void)state;
    write_file("pem", "x");
    good("\"url\": \"https://x/\", \"ca_file\": \"pem\", \"cert_file\": \"pem\", \"key_file\": "
         "\"pem\"");
    good("\"url\": \"https://x/\", \"cert_file\": \"pem\"");
    bad("\"url\": \"https://x/\", \"ca_file\": \"none\"", "ca_file", "cannot read");
    bad("\"url\": \"https://x/\", \"cert_file\": \"none\"", "cert_file", "cannot read");
    bad("\"url\": \"https://x/\", \"key_file\": \"pem\"", "cert_file", "key_file is the key");
}

static void secrets_are_masked(void **state)
{
    (void)state;
    char *text = with("\"url\": \"https://x/\", \"headers\": {\"A\": \"hidden-one\"},"
                      " \"secrets\": [\"hidden-two-hidden-two\"]");
    json_t *conf = load_good(text);
    json_t *masked = conf_masked(conf);
    char *shown = json_dumps(masked, 0);
    assert_null(strstr(shown, "hidden"));
    assert_non_null(strstr(shown, "***"));
    free(shown);
    json_decref(masked);
    json_decref(conf);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(urls, forget_errors),
        cmocka_unit_test_teardown(addresses, forget_errors),
        cmocka_unit_test_teardown(headers_and_secrets, forget_errors),
        cmocka_unit_test_teardown(files, forget_errors),
        cmocka_unit_test_teardown(secrets_are_masked, forget_errors),
    };
    return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
