#include "tests/unit/common/conf/load.h"

static void defaults_are_filled_in(void **state)
{
    (void)state;
    json_t *conf = load_good("{}");
    assert_string_equal(conf_str(conf, "state_dir"), "/var/lib/sluice");
    assert_string_equal(conf_str(conf, "run_dir"), "/var/lib/sluice/run");
    assert_int_equal(conf_int(conf, "drain_s"), 25);
    assert_string_equal(conf_str(conf, "log.level"), "info");
    assert_int_equal(json_array_size(conf_value(conf, "ingest.listen")), 1);
    assert_int_equal(json_object_size(conf_value(conf, "queues")), 0);
    assert_false(conf_bool(conf, "retry.open_on_loopback"));
    assert_true(conf_bool(conf, "retry.unix_socket"));
    assert_int_equal(json_array_size(conf_value(conf, "retry.tokens")), 0);
    assert_string_equal(conf_str(conf, "ledger.table"), "sluice-ledger");
    assert_int_equal(conf_int(conf, "ledger.retention_s"), 42 * 86400);
    assert_string_equal(conf_str(conf, "dead_letters.bucket"), "sluice-dead-letters");
    expect_in(errors.warnings, errors.warning_count, "sources", "there is none");
    json_decref(conf);
}

static void a_source_is_completed(void **state)
{
    (void)state;
    char *text = with_sources(SOURCE(", \"retry\": {\"cap_s\": 7}"));
    json_t *conf = load_good(text);
    const json_t *a = conf_value(conf, "sources.a");
    assert_string_equal(conf_str(a, "preset"), "generic");
    assert_string_equal(conf_str(a, "body"), "any");
    assert_string_equal(conf_str(a, "queue"), "a");
    assert_string_equal(conf_str(a, "inspection_queue"), "a-inspection");
    assert_string_equal(conf_str(a, "dead_letter.queue"), "a-dlq");
    assert_string_equal(conf_str(a, "reply.body"), "{\"status\":\"accepted\"}");
    assert_int_equal(conf_int(a, "retry.cap_s"), 7);
    assert_int_equal(conf_int(a, "retry.base_s"), 1);
    assert_string_equal(conf_str(conf, "queues.a-dlq.name"), "a-dlq");
    assert_string_equal(conf_str(conf, "queues.a-dlq.service"), "embedded");
    assert_true(conf_bool(a, "dead_letter.s3"));
    assert_true(conf_bool(a, "ledger"));
    assert_string_equal(conf_str(a, "retry.strategy"), "visibility");
    assert_int_equal(json_object_size(conf_value(conf, "queues")), 3);
    assert_int_equal(errors.warning_count, 0);
    json_decref(conf);
    free(text);
}

static void a_dead_letter_needs_no_queue(void **state)
{
    (void)state;
    char *text = with_sources(SOURCE(", \"dead_letter\": {\"queue\": \"\"}"));
    json_t *conf = load_good(text);
    assert_string_equal(conf_str(conf, "sources.a.dead_letter.queue"), "");
    assert_int_equal(json_object_size(conf_value(conf, "queues")), 2);
    json_decref(conf);
    free(text);
}

static void presets_lie_under_what_is_written(void **state)
{
    (void)state;
    char *text = with_sources(
        "\"g\": {\"preset\": \"genesys-outbound\", \"verify\": {\"type\": \"none\"},"
        "  \"destination\": \"d\", \"event_id\": {\"header\": \"X-Mine\"}},"
        "\"c\": {\"preset\": \"cxone-data-actions\", \"verify\": {\"type\": \"none\"},"
        "  \"destination\": \"d\", \"path\": \"/mine\", \"require\": {\"/x\": [\"1\", \"2\"]}}");
    json_t *conf = load_good(text);
    const json_t *g = conf_value(conf, "sources.g"), *c = conf_value(conf, "sources.c");
    assert_string_equal(conf_str(g, "path"), "/webhooks/genesys-outbound");
    assert_string_equal(conf_str(g, "body"), "json");
    assert_string_equal(conf_str(g, "event_id.header"), "X-Mine");
    assert_int_equal(json_array_size(conf_value(g, "event_id.pointers")), 3);
    assert_int_equal(json_array_size(conf_value(g, "require./status")), 1);
    assert_string_equal(conf_str(c, "path"), "/mine");
    assert_string_equal(conf_str(c, "schema_version"), "v2.1");
    assert_string_equal(conf_str(g, "dead_letter.queue"), "g-dlq");
    assert_string_equal(conf_str(c, "dead_letter.queue"), "");
    assert_true(conf_bool(g, "dead_letter.s3") && conf_bool(c, "dead_letter.s3"));
    assert_string_equal(conf_str(c, "event_id.header"), "");
    assert_int_equal(json_array_size(conf_value(c, "required")), 3);
    assert_int_equal(json_array_size(conf_value(c, "require./x")), 2);
    json_decref(conf);
    free(text);
}

static void paths_become_absolute(void **state)
{
    (void)state;
    const char *text =
        "{\"state_dir\": \"var\", \"log\": {\"file\": \"l/s.log\"},"
        "\"destinations\": {\"e\": {\"type\": \"exec\", \"argv\": [\"./x\", \"y/z\"]},"
        " \"f\": {\"type\": \"file\", \"path\": \"out/{source}.jsonl\"}}}";
    json_t *conf = load_good(text);
    char *expected = xasprintf("%s/var/run", directory);
    assert_string_equal(conf_str(conf, "run_dir"), expected);
    free(expected);
    expected = xasprintf("%s/l/s.log", directory);
    assert_string_equal(conf_str(conf, "log.file"), expected);
    free(expected);
    expected = xasprintf("%s/out/{source}.jsonl", directory);
    assert_string_equal(conf_str(conf, "destinations.f.path"), expected);
    free(expected);
    expected = xasprintf("%s/./x", directory);
    const json_t *argv = conf_value(conf, "destinations.e.argv");
    assert_string_equal(json_string_value(json_array_get(argv, 0)), expected);
    assert_string_equal(json_string_value(json_array_get(argv, 1)), "y/z");
    free(expected);
    expect_in(errors.warnings, errors.warning_count, "destinations.e.argv", "not a program");
    json_decref(conf);
    conf_errors_free(&errors);
    char *path = xasprintf("%s/sluice.json", directory);
    conf = conf_load(path, "/usr", &errors);
    assert_string_equal(conf_str(conf, "state_dir"), "/usr/var");
    json_decref(conf);
    conf_errors_free(&errors);
    assert_null(conf_load(path, "/nonexistent", &errors));
    assert_int_equal(errors.count, 1);
    free(path);
}

static void variables(void **state)
{
    (void)state;
    setenv("CONF_TEST_PORT", "8123", 1);
    setenv("CONF_TEST_BAD", "12x", 1);
    json_t *conf = load_good("{\"ingest\": {\"listen\": [\"127.0.0.1:${CONF_TEST_PORT}\"]},"
                             "\"drain_s\": \"${CONF_TEST_UNSET:-7}\","
                             "\"log\": {\"level\": \"${CONF_TEST_UNSET:-debug}\"}}");
    assert_string_equal(json_string_value(json_array_get(conf_value(conf, "ingest.listen"), 0)),
                        "127.0.0.1:8123");
    assert_int_equal(conf_int(conf, "drain_s"), 7);
    assert_string_equal(conf_str(conf, "log.level"), "debug");
    json_decref(conf);
    expect_one("{\"drain_s\": \"${CONF_TEST_BAD}\"}", "drain_s", "the variable gives \"12x\"");
    expect_one("{\"drain_s\": \"${CONF_TEST_PORT}\"}", "drain_s", "8123 is out of range");
    expect_one("{\"drain_s\": \"${CONF_TEST_UNSET}\"}", "drain_s", "is not set");
    expect_one("{\"log\": {\"file\": \"${CONF_TEST_UNSET}\"}}", "log.file", "CONF_TEST_UNSET");
    expect_one("{\"log\": {\"file\": \"${oops\"}}", "log.file", "no closing");
    setenv("CONF_TEST_BAD", "\xff\xfe", 1);
    expect_one("{\"log\": {\"file\": \"${CONF_TEST_BAD}\"}}", "log.file", "UTF-8");
}

static json_t *load_secret(const char *secret)
{
    char *source = xasprintf("\"a\": {\"path\": \"/a\", \"destination\": \"d\", \"verify\": "
                             "{\"type\": \"bearer\", \"secrets\": [%s]}}",
                             secret);
    char *text = with_sources(source);
    json_t *conf = load(text);
    free(text);
    free(source);
    return conf;
}

static void expect_secret(const char *written, const char *value)
{
    json_t *conf = load_secret(written);
    assert_non_null(conf);
    assert_string_equal(
        json_string_value(json_array_get(conf_value(conf, "sources.a.verify.secrets"), 0)), value);
    json_decref(conf);
}

static void expect_secret_error(const char *written, const char *part)
{
    assert_null(load_secret(written));
    assert_int_equal(errors.count, 1);
    expect_in(errors.list, 1, "sources.a.verify.secrets[0]", part);
}

static void secrets_from_files(void **state)
{
    (void)state;
    write_file("key", "from a file\n");
    write_file("crlf", "windows\r\n");
    write_file("empty", "\n");
    write_file("two", "one\ntwo\n");
    setenv("CONF_TEST_SECRET", "from the environment", 1);
    setenv("CONF_TEST_NAME", "key", 1);
    expect_secret("\"written\"", "written");
    expect_secret("\"${CONF_TEST_SECRET}\"", "from the environment");
    expect_secret("{\"file\": \"key\"}", "from a file");
    expect_secret("{\"file\": \"${CONF_TEST_NAME}\"}", "from a file");
    expect_secret("{\"file\": \"crlf\"}", "windows");
    expect_secret_error("{\"file\": \"empty\"}", "is empty");
    expect_secret_error("{\"file\": \"missing\"}", "No such file");
    expect_secret_error("{\"file\": \"two\"}", "control characters");
    expect_secret_error("{\"file\": 5}", "expected a string or {\"file\"");
    expect_secret_error("{\"file\": \"key\", \"x\": 1}", "expected a string or {\"file\"");
    expect_secret_error("{\"fiel\": \"key\"}", "expected a string or {\"file\"");
    expect_secret_error("{\"file\": \"${CONF_TEST_UNSET}\"}", "is not set");
    /* A message never repeats a secret. */
    expect_secret_error("\"hush\\u0001hush\"", "must be");
    assert_null(strstr(errors.list[0].message, "hush"));
}

static const char *const whole =
    "{\"retry\": {\"uids\": [7, 1000], \"tokens\": [{\"name\": \"ops\","
    "  \"secret\": \"hush-hush-token-1\", \"role\": \"admin\"}]},"
    " \"destinations\": {\"d\": {\"type\": \"exec\", \"argv\": [\"/bin/true\"],"
    "  \"env\": {\"TOKEN\": \"hush\"}}},"
    " \"sources\": {\"a\": {\"path\": \"/a\", \"destination\": \"d\","
    "  \"verify\": {\"type\": \"shared-header\", \"header\": \"X-Key\","
    "  \"secrets\": [\"hush\", \"hush2\"]}}}}";

static void secrets_are_masked(void **state)
{
    (void)state;
    json_t *conf = load_good(whole);
    json_t *masked = conf_masked(conf);
    char *text = json_dumps(masked, 0);
    assert_null(strstr(text, "hush"));
    assert_non_null(strstr(text, "\"TOKEN\": \"***\""));
    assert_non_null(strstr(text, "[\"***\", \"***\"]"));
    assert_non_null(strstr(text, "X-Key"));
    assert_non_null(strstr(text, "{\"name\": \"ops\", \"secret\": \"***\", \"role\": \"admin\"}"));
    free(text);
    text = json_dumps(conf, 0);
    assert_non_null(strstr(text, "hush2"));
    free(text);
    json_decref(masked);
    json_decref(conf);
}

static void slices_hold_what_a_role_may_see(void **state)
{
    (void)state;
    static const char *const roles[] = {"ingest", "consumer", "retry", "keyring", "store"};
    json_t *conf = load_good(whole);
    for (size_t i = 0; i < 5; i++) {
        json_t *slice = conf_slice(conf, roles[i]);
        char *text = json_dumps(slice, 0);
        assert_string_equal(conf_str(slice, "run_dir"), "/var/lib/sluice/run");
        assert_int_equal(conf_int(slice, "drain_s"), 25);
        assert_string_equal(conf_str(slice, "log.level"), "info");
        assert_null(json_object_get(slice, "ready_s"));
        assert_null(json_object_get(slice, "user"));
        assert_int_equal(strstr(text, "hush2") != NULL, i == 0); /* only ingest verifies */
        /* only consumers and redrives deliver */
        assert_int_equal(strstr(text, "TOKEN") != NULL, i == 1 || i == 2);
        assert_int_equal(strstr(text, "hush-hush-token-1") != NULL, i == 2);
        assert_int_equal(json_object_get(slice, "ledger") != NULL, i == 1 || i == 2);
        assert_int_equal(json_object_get(slice, "dead_letters") != NULL, i == 1 || i == 2);
        assert_int_equal(json_object_get(slice, "sources") != NULL, i < 3);
        free(text);
        json_decref(slice);
    }
    json_t *slice = conf_slice(conf, "consumer");
    assert_int_equal(conf_int(slice, "sources.a.retry.visibility_s"), 30);
    assert_string_equal(conf_str(slice, "queues.a-dlq.name"), "a-dlq");
    assert_string_equal(conf_str(slice, "destinations.d.type"), "exec");
    json_decref(slice);
    slice = conf_slice(conf, "store");
    assert_int_equal(conf_int(slice, "store.max_mib"), 4096);
    assert_null(json_object_get(slice, "ingest"));
    json_decref(slice);
    json_decref(conf);
}

static void a_change_touches_only_its_roles(void **state)
{
    (void)state;
    json_t *before = load_good("{}");
    json_t *after = load_good("{\"ingest\": {\"max_pending\": 7}, \"consumer\": {\"workers\": 9}}");
    static const char *const roles[] = {"ingest", "consumer", "retry", "keyring", "store"};
    for (size_t i = 0; i < 5; i++) {
        json_t *a = conf_slice(before, roles[i]), *b = conf_slice(after, roles[i]);
        assert_int_equal(json_equal(a, b), i != 0);
        json_decref(a);
        json_decref(b);
    }
    assert_true(conf_reload_allowed(before, after, &errors));
    json_decref(after);
    after = load_good("{\"state_dir\": \"/x\", \"store\": {\"max_mib\": 100}, \"drain_s\": 3}");
    conf_errors_free(&errors);
    assert_false(conf_reload_allowed(before, after, &errors));
    assert_int_equal(errors.count, 3);
    expect_in(errors.list, 3, "state_dir", "needs a restart");
    expect_in(errors.list, 3, "run_dir", "needs a restart");
    expect_in(errors.list, 3, "store.max_mib", "needs a restart");
    json_decref(after);
    json_decref(before);
}

static void a_ledger_stays_where_it_is(void **state)
{
    (void)state;
    char *text = with_sources(SOURCE("") ", \"b\": {\"path\": \"/b\", \"verify\": {\"type\": "
                                         "\"none\"}, \"destination\": \"d\"}");
    json_t *before = load_good(text);
    free(text);
    text = with_sources(SOURCE(", \"ledger\": false") ", \"c\": {\"path\": \"/b\", \"verify\": "
                                                      "{\"type\": \"none\"}, \"destination\": "
                                                      "\"d\", \"ledger\": false}");
    json_t *after = load_good(text);
    assert_false(conf_reload_allowed(before, after, &errors));
    assert_int_equal(errors.count, 1); /* of c nothing is known yet, so it may be what it likes */
    expect_in(errors.list, 1, "sources.a.ledger", "needs a restart");
    json_decref(after);
    json_decref(before);
    free(text);
    before = load_good("{}");
    after = load_good("{\"ledger\": {\"table\": \"other\", \"outage\": \"deliver\"},"
                      " \"dead_letters\": {\"bucket\": \"other\"}}");
    assert_false(conf_reload_allowed(before, after, &errors));
    assert_int_equal(errors.count, 2);
    expect_in(errors.list, 2, "ledger.table", "needs a restart");
    expect_in(errors.list, 2, "ledger.outage", "needs a restart");
    json_decref(after);
    json_decref(before);
}

static void booleans_from_variables(void **state)
{
    (void)state;
    setenv("CONF_TEST_BOOL", "true", 1);
    json_t *conf = load_good("{\"retry\": {\"open_on_loopback\": \"${CONF_TEST_BOOL}\","
                             " \"unix_socket\": \"${CONF_TEST_UNSET:-false}\"}}");
    assert_true(conf_bool(conf, "retry.open_on_loopback"));
    assert_false(conf_bool(conf, "retry.unix_socket"));
    json_decref(conf);
    setenv("CONF_TEST_BOOL", "yes", 1);
    expect_one("{\"retry\": {\"unix_socket\": \"${CONF_TEST_BOOL}\"}}", "retry.unix_socket",
               "the variable gives \"yes\"");
}

static void inspecting_goes_past_faults_elsewhere(void **state)
{
    (void)state;
    assert_null(load("{\"state_dir\": \"var\", \"sources\": {\"a\": {\"path\": \"x\"}},"
                     "\"ingest\": {\"listen\": [\"x\"]}}"));
    conf_errors_free(&errors);
    char *path = xasprintf("%s/sluice.json", directory);
    json_t *conf = conf_inspect(path, NULL, &errors);
    assert_non_null(conf);
    assert_true(errors.count >= 3);
    assert_false(conf_errors_concern(&errors, "state_dir"));
    assert_true(conf_errors_concern(&errors, "ingest"));
    assert_true(conf_errors_concern(&errors, "ingest.listen"));
    assert_true(conf_errors_concern(&errors, "sources"));
    assert_true(conf_errors_concern(&errors, "sources.a"));
    assert_true(conf_errors_concern(&errors, "sources.a.path"));
    assert_false(conf_errors_concern(&errors, "sources.ab"));
    assert_false(conf_errors_concern(&errors, "sources.a.pa"));
    assert_true(conf_errors_concern(&errors, ""));
    char *expected = xasprintf("%s/var/run", directory);
    assert_string_equal(conf_str(conf, "run_dir"), expected);
    free(expected);
    json_decref(conf);
    free(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(defaults_are_filled_in),
        TEST(a_source_is_completed),
        TEST(a_dead_letter_needs_no_queue),
        TEST(presets_lie_under_what_is_written),
        TEST(paths_become_absolute),
        TEST(variables),
        TEST(secrets_from_files),
        TEST(secrets_are_masked),
        TEST(slices_hold_what_a_role_may_see),
        TEST(a_change_touches_only_its_roles),
        TEST(a_ledger_stays_where_it_is),
        TEST(booleans_from_variables),
        TEST(inspecting_goes_past_faults_elsewhere),
    };
    return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
