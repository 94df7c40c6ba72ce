#include "common/conf/conf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/base/fdio.h"
#include "common/base/xalloc.h"
#include "common/conf/conf_keys.h"

static char directory[64];
static struct conf_errors errors;

static int make_directory(void **state)
{
    (void)state;
    strcpy(directory, "/tmp/conf_test.XXXXXX");
    return mkdtemp(directory) ? 0 : -1;
}

static int remove_directory(void **state)
{
    (void)state;
    char *command = xasprintf("rm -rf '%s'", directory);
    int rc = system(command);
    free(command);
    return rc;
}

static int forget_errors(void **state)
{
    (void)state;
    conf_errors_free(&errors);
    return 0;
}

static void write_file(const char *name, const char *text)
{
    char *path = xasprintf("%s/%s", directory, name);
    assert_int_equal(fdio_replace_file(path, text, strlen(text), 0600), 0);
    free(path);
}

static json_t *load(const char *text)
{
    conf_errors_free(&errors);
    write_file("sluice.json", text);
    char *path = xasprintf("%s/sluice.json", directory);
    json_t *conf = conf_load(path, NULL, &errors);
    free(path);
    assert_int_equal(conf == NULL, errors.count > 0);
    return conf;
}

static json_t *load_good(const char *text)
{
    json_t *conf = load(text);
    for (size_t i = 0; i < errors.count; i++)
        print_error("%s: %s\n", errors.list[i].path, errors.list[i].message);
    assert_non_null(conf);
    return conf;
}

static void expect_in(const struct conf_error *list, size_t count, const char *path,
                      const char *part)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(list[i].path, path) == 0 && strstr(list[i].message, part))
            return;
    for (size_t i = 0; i < count; i++)
        print_error("found %s: %s\n", list[i].path, list[i].message);
    fail_msg("expected %s: ...%s...", path, part);
}

/* Loading gives exactly this one error. */
static void expect_one(const char *text, const char *path, const char *part)
{
    assert_null(load(text));
    expect_in(errors.list, errors.count, path, part);
    if (errors.count != 1)
        for (size_t i = 0; i < errors.count; i++)
            print_error("%s: %s\n", errors.list[i].path, errors.list[i].message);
    assert_int_equal(errors.count, 1);
}

/* A file with one exec destination "d" and these sources. */
static char *with_sources(const char *sources)
{
    return xasprintf("{\"destinations\": {\"d\": {\"type\": \"exec\", \"argv\": [\"/bin/true\"]}},"
                     " \"sources\": {%s}}",
                     sources);
}

static void expect_source_error(const char *sources, const char *path, const char *part)
{
    char *text = with_sources(sources);
    expect_one(text, path, part);
    free(text);
}

#define SOURCE(more)                                                                               \
    "\"a\": {\"path\": \"/a\", \"verify\": {\"type\": \"none\"}, \"destination\": \"d\"" more "}"

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
    assert_int_equal(json_object_size(conf_value(conf, "queues")), 3);
    assert_int_equal(errors.warning_count, 0);
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
    json_decref(load_good("{\"ingest\": {\"listen\": [\"0.0.0.0:80\"]},"
                          "\"retry\": {\"listen\": [\"[::]:81\"]},"
                          "\"queues\": {\"unused\": {}},"
                          "\"destinations\": {\"d\": {\"type\": \"file\", \"path\": \"/x\"}},"
                          "\"sources\": {" SOURCE("") "}}"));
    assert_int_equal(errors.warning_count, 3);
    expect_in(errors.warnings, 3, "sources.a.verify.type", "reachable from other hosts");
    expect_in(errors.warnings, 3, "retry.listen", "reachable from other hosts");
    expect_in(errors.warnings, 3, "queues.unused.name", "no source uses it");
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
    "{\"destinations\": {\"d\": {\"type\": \"exec\", \"argv\": [\"/bin/true\"],"
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
        assert_int_equal(strstr(text, "TOKEN") != NULL, i == 1); /* only consumers deliver */
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
    json_decref(before);
    json_decref(after);
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

#define TEST(f) cmocka_unit_test_teardown(f, forget_errors)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(defaults_are_filled_in),
        TEST(a_source_is_completed),
        TEST(presets_lie_under_what_is_written),
        TEST(paths_become_absolute),
        TEST(five_faults_are_five_errors),
        TEST(the_file_as_a_whole),
        TEST(unknown_keys),
        TEST(wrong_types),
        TEST(destinations),
        TEST(source_faults),
        TEST(lease_and_poll_fit_exactly),
        TEST(paths_clash),
        TEST(names_that_lead_nowhere),
        TEST(listeners_clash),
        TEST(what_is_only_warned_of),
        TEST(variables),
        TEST(secrets_from_files),
        TEST(secrets_are_masked),
        TEST(slices_hold_what_a_role_may_see),
        TEST(a_change_touches_only_its_roles),
        TEST(inspecting_goes_past_faults_elsewhere),
    };
    return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
