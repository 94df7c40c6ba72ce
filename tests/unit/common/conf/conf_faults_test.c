/* Each way in which a configuration can be wrong, with the one error it must give. */
#include "tests/unit/common/conf/load.h"

#include "common/base/buf.h"

static void five_faults_are_five_errors(void **state)
{
    (void)state;
    assert_null(
        load("{ // one file, five faults\n"
             "  \"drain_s\": 0,\n"
             "  \"log\": {\"levle\": \"info\"},\n"
             "  \"destinations\": {\"d\": {\"type\": \"exec\", \"argv\": [\"/bin/true\"]}},\n"
             "  \"sources\": {\"a\": {\n"
             "    \"path\": \"/a\", \"verify\": {\"type\": \"none\"},\n"
             "    \"destination\": \"e\", \"schema_version\": \"${CONF_TEST_UNSET}\",\n"
             "    \"retry\": {\"visibility_s\": 25} }}\n"
             "}\n"));
    assert_int_equal(errors.count, 5);
    expect_in(errors.list, 5, "drain_s", "0 is out of range: write a number from 1 to 3600");
    expect_in(errors.list, 5, "log.levle", "did you mean \"level\"?");
    expect_in(errors.list, 5, "sources.a.destination", "unknown destination \"e\"");
    expect_in(errors.list, 5, "sources.a.schema_version", "CONF_TEST_UNSET is not set");
    expect_in(errors.list, 5, "sources.a.retry.visibility_s", "raise visibility_s");
}

static void the_file_as_a_whole(void **state)
{
    (void)state;
    expect_one("", "", "line 1");
    expect_one("{\n  // c\n  \"drain_s\": ,\n}", "", "line 3");
    expect_one("{\n/* c\n*/ \"drain_s\": 1,\n\n \"drain_s\": 2}", "", "line 5");
    expect_one("{\n/* c\n*/ \"drain_s\": 1,\n\n \"drain_s\": 2}", "", "duplicate");
    expect_one("{}\n/* never", "", "line 2: a comment begins here and never ends");
    expect_one("[]", "", "one JSON object");
    expect_one("{} x", "", "line 1");
    char *big = xmalloc((1 << 20) + 3);
    memset(big, ' ', (1 << 20) + 1);
    memcpy(big + (1 << 20), "{}", 3);
    expect_one(big, "", "larger than 1 MiB");
    free(big);
    conf_errors_free(&errors);
    assert_null(conf_load("/nonexistent/sluice.json", NULL, &errors));
    expect_in(errors.list, errors.count, "", "cannot read \"/nonexistent/sluice.json\"");
}

/* Errors go into JSON answers, so they must be UTF-8 whatever they quote. */
static void messages_are_utf8(void **state)
{
    (void)state;
    /* Cut behind the first byte of its last character. */
    expect_one("{\"log\": {\"level\": \"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\u00e9\"}}",
               "log.level", "unknown word");
    json_t *text = json_string(errors.list[0].message);
    assert_non_null(text);
    json_decref(text);
    assert_int_equal(setenv("CONF_TEST_BYTES", "\xff", 1), 0);
    expect_one("{\"drain_s\": \"${CONF_TEST_BYTES}\"}", "drain_s", "the variable gives \"%FF\"");
    unsetenv("CONF_TEST_BYTES");
}

static void too_many_objects(void **state)
{
    (void)state;
    struct buf text = {0};
    buf_puts(&text, "{\"queues\": {\"q\": {}");
    for (int i = 1; i < 501; i++)
        buf_printf(&text, ", \"q%d\": {}", i);
    buf_puts(&text, "}}");
    expect_one(text.data, "queues", "takes at most 500, found 501");
    buf_free(&text);
}

static void unknown_keys(void **state)
{
    (void)state;
    expect_one("{\"stat_dir\": \"x\"}", "stat_dir", "did you mean \"state_dir\"?");
    expect_one("{\"zzzzzz\": 1}", "zzzzzz", "there are state_dir, run_dir");
    expect_one("{\"consumer\": {\"wrokers\": 1}}", "consumer.wrokers", "\"workers\"");
    expect_one("{\"queues\": {\"q\": {\"nam\": \"x\"}}}", "queues.q.nam", "\"name\"");
    expect_source_error(SOURCE(", \"max_retries\": 3"), "sources.a.max_retries",
                        "did you mean \"retry.max_retries\"?");
    expect_one("{\"Drain_s\": 5}", "Drain_s", "\"drain_s\"");
}

static void wrong_types(void **state)
{
    (void)state;
    static const struct {
        const char *text, *path, *part;
    } cases[] = {
        {"{\"drain_s\": \"5\"}", "drain_s",
         "expected a whole number from 1 to 3600, found a string"},
        {"{\"drain_s\": 5.0}", "drain_s", "found a number with a fraction"},
        {"{\"drain_s\": true}", "drain_s", "found true or false"},
        {"{\"drain_s\": null}", "drain_s", "found null"},
        {"{\"drain_s\": [5]}", "drain_s", "found a list"},
        {"{\"drain_s\": -1}", "drain_s", "-1 is out of range"},
        {"{\"drain_s\": 3601}", "drain_s", "3601 is out of range"},
        {"{\"user\": 5}", "user", "expected a string, found a number"},
        {"{\"user\": {\"file\": \"x\"}}", "user", "expected a string, found an object"},
        {"{\"user\": \"a\\nb\"}", "user", "control characters"},
        {"{\"state_dir\": \"\"}", "state_dir", "not empty"},
        {"{\"log\": []}", "log", "expected an object"},
        {"{\"log\": {\"level\": \"warm\"}}", "log.level", "did you mean \"warn\"?"},
        {"{\"log\": {\"level\": \"loudest\"}}", "log.level", "write one of error|warn|info|debug"},
        {"{\"ingest\": {\"listen\": \"127.0.0.1:1\"}}", "ingest.listen",
         "expected a list of strings"},
        {"{\"ingest\": {\"listen\": []}}", "ingest.listen", "needs at least 1"},
        {"{\"ingest\": {\"listen\": [\"here\"]}}", "ingest.listen[0]", "found \"here\""},
        {"{\"ingest\": {\"listen\": [5]}}", "ingest.listen[0]", "expected a string"},
        {"{\"store\": {\"listen\": [\"0.0.0.0:1\"]}}", "store.listen[0]", "loopback"},
        {"{\"ingest\": {\"public_retry_url\": \"x\"}}", "ingest.public_retry_url", "a URL"},
        {"{\"consumer\": {\"workers\": 0}}", "consumer.workers", "from 1 to 64"},
        {"{\"consumer\": {\"workers\": 65}}", "consumer.workers", "from 1 to 64"},
        {"{\"queues\": []}", "queues", "expected an object"},
        {"{\"queues\": {\"q\": 1}}", "queues.q", "expected an object"},
        {"{\"queues\": {\"a.b\": {}}}", "queues.a.b", "the name must be"},
        {"{\"queues\": {\"q\": {\"service\": \"azure\"}}}", "queues.q.service", "unknown word"},
        {"{\"sources\": {\"a b\": {}}}", "sources.a b", "the name must be"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        expect_one(cases[i].text, cases[i].path, cases[i].part);
}

static void destinations(void **state)
{
    (void)state;
    static const struct {
        const char *object, *path, *part;
    } cases[] = {
        {"{}", "destinations.x.type", "must be written"},
        {"{\"type\": \"exce\"}", "destinations.x.type", "did you mean \"exec\"?"},
        {"{\"type\": \"exec\"}", "destinations.x.argv", "must be written"},
        {"{\"type\": \"exec\", \"argv\": []}", "destinations.x.argv", "at least 1"},
        {"{\"type\": \"exec\", \"argv\": [\"sh\"]}", "destinations.x.argv", "no directory"},
        {"{\"type\": \"exec\", \"argv\": [\"\"]}", "destinations.x.argv", "no directory"},
        {"{\"type\": \"exec\", \"argv\": [\"/bin/true\"], \"path\": \"/x\"}", "destinations.x.path",
         "only for type file"},
        {"{\"type\": \"exec\", \"argv\": [\"/bin/true\"], \"env\": {\"1\": \"\"}}",
         "destinations.x.env.1", "environment variable"},
        {"{\"type\": \"exec\", \"argv\": [\"/bin/true\"], \"env\": {\"A\": 1}}",
         "destinations.x.env.A", "expected a string or {\"file\""},
        {"{\"type\": \"exec\", \"argv\": [\"/bin/true\"], \"env\": []}", "destinations.x.env",
         "expected an object"},
        {"{\"type\": \"file\"}", "destinations.x.path", "must be written"},
        {"{\"type\": \"file\", \"path\": \"/x/{sources}\"}", "destinations.x.path", "{source}"},
        {"{\"type\": \"file\", \"path\": \"/x\", \"timeout_s\": 5}", "destinations.x.timeout_s",
         "only for type exec"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char *text = xasprintf("{\"destinations\": {\"x\": %s}}", cases[i].object);
        expect_one(text, cases[i].path, cases[i].part);
        free(text);
    }
}

#define TOKEN(name, secret)                                                                        \
    "{\"name\": \"" name "\", \"secret\": \"" secret "\", \"role\": \"read\"}"

static void access_to_the_retry_api(void **state)
{
    (void)state;
    static const struct {
        const char *retry, *path, *part;
    } cases[] = {
        {"\"listen\": [\"0.0.0.0:81\"]", "retry.listen", "add retry.tokens"},
        {"\"listen\": [\"0.0.0.0:81\"], \"open_on_loopback\": true", "retry.listen",
         "add retry.tokens"},
        {"\"listen\": [\"0.0.0.0:81\"], \"tokens\": [" TOKEN("a", "short") "]",
         "retry.tokens[0].secret", "16 to 1024 characters"},
        {"\"tokens\": [" TOKEN("a", "0123456789abcdef") ", " TOKEN("a", "0123456789ABCDEF") "]",
         "retry.tokens[1].name", "already the name of retry.tokens[0]"},
        {"\"tokens\": [" TOKEN("a", "0123456789abcdef") ", " TOKEN("b", "0123456789abcdef") "]",
         "retry.tokens[1].secret", "same as that of retry.tokens[0]"},
        {"\"tokens\": [" TOKEN("a b", "0123456789abcdef") "]", "retry.tokens[0].name", "letters"},
        {"\"tokens\": [" TOKEN("a", "0123456789 abcdef") "]", "retry.tokens[0].secret",
         "without blanks"},
        {"\"tokens\": [{\"name\": \"a\", \"secret\": \"0123456789abcdef\"}]",
         "retry.tokens[0].role", "must be written"},
        {"\"tokens\": [{\"name\": \"a\", \"role\": \"read\"}]", "retry.tokens[0].secret",
         "must be written"},
        {"\"tokens\": [{\"name\": \"a\", \"secret\": \"0123456789abcdef\", \"role\": \"raed\"}]",
         "retry.tokens[0].role", "did you mean \"read\"?"},
        {"\"tokens\": [{\"nam\": \"a\", \"name\": \"a\", \"secret\": \"0123456789abcdef\","
         "\"role\": \"read\"}]",
         "retry.tokens[0].nam", "did you mean \"name\"?"},
        {"\"tokens\": [{\"x-y-z-w\": 1, \"name\": \"a\", \"secret\": \"0123456789abcdef\","
         "\"role\": \"read\"}]",
         "retry.tokens[0].x-y-z-w", "there are name, secret, role"},
        {"\"tokens\": [\"0123456789abcdef\"]", "retry.tokens[0]", "expected {\"name\""},
        {"\"tokens\": {}", "retry.tokens", "expected a list of {\"name\""},
        {"\"uids\": [\"root\"]", "retry.uids[0]", "expected a whole number from 0 to 4294967294"},
        {"\"uids\": [-1]", "retry.uids[0]", "out of range"},
        {"\"uids\": 5", "retry.uids", "expected a list of user ids, found a number"},
        {"\"open_on_loopback\": 1", "retry.open_on_loopback", "expected true or false"},
        {"\"unix_socket\": null", "retry.unix_socket", "expected true or false, found null"},
        {"\"max_redrive_s\": 0", "retry.max_redrive_s", "out of range"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char *text = xasprintf("{\"retry\": {%s}}", cases[i].retry);
        expect_one(text, cases[i].path, cases[i].part);
        assert_null(strstr(errors.list[0].message, "abcdef"));
        free(text);
    }
}

static void where_ledger_and_dead_letters_are(void **state)
{
    (void)state;
    expect_one("{\"ledger\": {\"table\": \"a\"}}", "ledger.table", "name of a table");
    expect_one("{\"ledger\": {\"outage\": \"wiat\"}}", "ledger.outage", "did you mean \"wait\"?");
    expect_one("{\"dead_letters\": {\"bucket\": \"A\"}}", "dead_letters.bucket",
               "name of a bucket");
    expect_one("{\"dead_letters\": {\"prefix\": \"dlq\"}}", "dead_letters.prefix", "ends with");
    expect_one("{\"dead_letters\": {\"max_redrives\": 0}}", "dead_letters.max_redrives",
               "out of range");
}

static void source_faults(void **state)
{
    (void)state;
#define V(verify) "\"a\": {\"path\": \"/a\", \"destination\": \"d\", \"verify\": " verify "}"
    static const struct {
        const char *sources, *path, *part;
    } cases[] = {
        {"\"a\": {\"verify\": {\"type\": \"none\"}, \"destination\": \"d\"}", "sources.a.path",
         "must be written"},
        {"\"a\": {\"path\": \"/a\", \"verify\": {\"type\": \"none\"}}", "sources.a.destination",
         "must be written"},
        {"\"a\": {\"path\": \"/a\", \"destination\": \"d\"}", "sources.a.verify.type",
         "none must be written out"},
        {V("{\"type\": \"shared-header\", \"secrets\": [\"s\"]}"), "sources.a.verify.header",
         "must be written"},
        {V("{\"type\": \"shared-header\", \"header\": \"X\"}"), "sources.a.verify.secrets",
         "must be written"},
        {V("{\"type\": \"bearer\", \"secrets\": []}"), "sources.a.verify.secrets", "at least 1"},
        {V("{\"type\": \"bearer\", \"secrets\": [\"\"]}"), "sources.a.verify.secrets[0]",
         "not empty"},
        {V("{\"type\": \"bearer\", \"secrets\": [\"s\"], \"header\": \"X\"}"),
         "sources.a.verify.header", "only for type shared-header"},
        {V("{\"type\": \"none\", \"secrets\": [\"s\"]}"), "sources.a.verify.secrets",
         "this one's type is \"none\""},
        {V("{\"type\": \"noone\"}"), "sources.a.verify.type", "did you mean \"none\"?"},
        {SOURCE(", \"preset\": \"genesys-outbond\""), "sources.a.preset", "\"genesys-outbound\"?"},
        {"\"a\": {\"preset\": \"genesys-outbuond\", \"verify\": {\"type\": \"none\"}, "
         "\"destination\": \"d\"}",
         "sources.a.preset", "\"genesys-outbound\"?"},
        {SOURCE(", \"required\": [\"event_id\"]"), "sources.a.required[0]", "JSON pointer"},
        {SOURCE(", \"require\": {\"/a\": []}"), "sources.a.require./a", "at least one value"},
        {SOURCE(", \"require\": {\"/a\": \"x\"}"), "sources.a.require./a", "list of strings"},
        {SOURCE(", \"require\": {\"a\": [\"x\"]}"), "sources.a.require.a", "JSON pointer"},
        {SOURCE(", \"event_id\": {\"header\": \"a b\"}"), "sources.a.event_id.header",
         "HTTP header"},
        {SOURCE(", \"reply\": {\"status\": 404}"), "sources.a.reply.status", "from 200 to 299"},
        {SOURCE(", \"max_body_bytes\": 1048576"), "sources.a.max_body_bytes", "out of range"},
        {SOURCE(", \"queue\": \"a b\""), "sources.a.queue", "name of a queue"},
        {SOURCE(", \"queue\": \"a-dlq\""), "sources.a.queue", "dead_letter.queue of source \"a\""},
        {SOURCE(", \"inspection_queue\": \"a\""), "sources.a.queue", "inspection_queue of source"},
        {SOURCE(", \"retry\": {\"base_s\": 9, \"cap_s\": 8}"), "sources.a.retry.cap_s",
         "less than base_s"},
        {SOURCE(", \"retry\": {\"visibility_s\": 29}"), "sources.a.retry.visibility_s",
         "29 is less than wait_s + 10 = 30: raise visibility_s"},
        {SOURCE(", \"ledger\": 1"), "sources.a.ledger", "expected true or false, found a number"},
        {SOURCE(", \"ledger\": \"true\""), "sources.a.ledger", "expected true or false"},
        {SOURCE(", \"ledger\": false, \"retry\": {\"strategy\": \"requeue\"}"),
         "sources.a.retry.strategy", "requeue needs the ledger"},
        {SOURCE(", \"retry\": {\"strategy\": \"requeu\"}"), "sources.a.retry.strategy",
         "did you mean \"requeue\"?"},
        {SOURCE(", \"dead_letter\": {\"queue\": \"\", \"s3\": false}"), "sources.a.dead_letter",
         "would have no place"},
        {SOURCE(", \"dead_letter\": {\"s4\": false}"), "sources.a.dead_letter.s4",
         "did you mean \"s3\"?"},
        {SOURCE(", \"retry\": {\"wait_s\": 21}"), "sources.a.retry.wait_s", "from 0 to 20"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        expect_source_error(cases[i].sources, cases[i].path, cases[i].part);
}

static void lease_and_poll_fit_exactly(void **state)
{
    (void)state;
    char *text = with_sources(SOURCE(", \"retry\": {\"visibility_s\": 15, \"wait_s\": 5}"));
    json_decref(load_good(text));
    free(text);
}

static void paths_clash(void **state)
{
    (void)state;
    expect_source_error(SOURCE("") ", \"b\": {\"path\": \"/a\", \"verify\": {\"type\": \"none\"}, "
                                   "\"destination\": \"d\"}",
                        "sources.b.path", "already the path of source \"a\"");
    static const char *const own[] = {"/", "/healthz", "/metrics", "/api/v1/dlq",
                                      "/api/v1/dlq/retry"};
    for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++) {
        char *source = xasprintf("\"a\": {\"path\": \"%s\", \"verify\": {\"type\": \"none\"}, "
                                 "\"destination\": \"d\"}",
                                 own[i]);
        expect_source_error(source, "sources.a.path", "Sluice's own paths");
        free(source);
    }
}

static void names_that_lead_nowhere(void **state)
{
    (void)state;
    char *text =
        xasprintf("{\"destinations\": {\"trial\": {\"type\": \"file\", \"path\": \"/x\"}},"
                  "\"sources\": {\"a\": {\"path\": \"/a\", \"verify\": {\"type\": \"none\"},"
                  "\"destination\": \"trail\"}}}");
    expect_one(text, "sources.a.destination", "did you mean \"trial\"?");
    free(text);
    text = xasprintf("{\"queues\": {\"orders\": {}},"
                     "\"destinations\": {\"d\": {\"type\": \"file\", \"path\": \"/x\"}},"
                     "\"sources\": {%s}}",
                     SOURCE(", \"queue\": \"ordres\""));
    expect_one(text, "sources.a.queue", "did you mean \"orders\"?");
    free(text);
    expect_one("{\"queues\": {\"a\": {}, \"b\": {\"name\": \"a\"}}}", "queues.b.name",
               "already the name of queue \"a\"");
}

static void listeners_clash(void **state)
{
    (void)state;
    expect_one("{\"retry\": {\"listen\": [\"127.0.0.1:8080\"]}}", "retry.listen",
               "already in ingest.listen");
    expect_one("{\"ingest\": {\"listen\": [\"127.0.0.1:1\", \"127.0.0.1:1\"]}}", "ingest.listen",
               "already in ingest.listen");
    json_decref(load_good("{\"ingest\": {\"listen\": [\"127.0.0.1:0\"]},"
                          "\"retry\": {\"listen\": [\"127.0.0.1:0\"]}}"));
}

static void what_is_only_warned_of(void **state)
{
    (void)state;
    char *text = with_sources(SOURCE("") ", \"b\": {\"path\": \"/b\", \"verify\": {\"type\": "
                                         "\"none\"}, \"destination\": \"d\", \"queue\": \"a\"}");
    json_decref(load_good(text));
    assert_int_equal(errors.warning_count, 1);
    expect_in(errors.warnings, 1, "sources.b.queue", "pausing one stops both");
    free(text);
    json_decref(load_good(
        "{\"ingest\": {\"listen\": [\"0.0.0.0:80\"]},"
        "\"retry\": {\"listen\": [\"[::]:81\"], \"open_on_loopback\": true,"
        "  \"unix_socket\": false, \"uids\": [0],"
        "  \"tokens\": [" TOKEN(
            "a",
            "0123456789abcdef") "]},"
                                "\"ledger\": {\"retention_s\": 3600},"
                                "\"queues\": {\"unused\": {}},"
                                "\"destinations\": {\"d\": {\"type\": \"file\", \"path\": \"/x\"}},"
                                "\"sources\": {" SOURCE("") "}}"));
    assert_int_equal(errors.warning_count, 5);
    expect_in(errors.warnings, 5, "sources.a.verify.type", "reachable from other hosts");
    expect_in(errors.warnings, 5, "retry.open_on_loopback", "reachable from other hosts");
    expect_in(errors.warnings, 5, "retry.uids", "unix_socket is false");
    expect_in(errors.warnings, 5, "ledger.retention_s", "sources.a.retry.age_limit_s = 1209600");
    expect_in(errors.warnings, 5, "queues.unused.name", "no source uses it");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(five_faults_are_five_errors),
        TEST(the_file_as_a_whole),
        TEST(messages_are_utf8),
        TEST(too_many_objects),
        TEST(unknown_keys),
        TEST(wrong_types),
        TEST(destinations),
        TEST(access_to_the_retry_api),
        TEST(where_ledger_and_dead_letters_are),
        TEST(source_faults),
        TEST(lease_and_poll_fit_exactly),
        TEST(paths_clash),
        TEST(names_that_lead_nowhere),
        TEST(listeners_clash),
        TEST(what_is_only_warned_of),
    };
    return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
