#include "common/conf/conf_aws.h"

#include "common/conf/conf_check_aws.h"
#include "tests/unit/common/conf/load.h"

#define URL "https://sqs.eu-central-1.amazonaws.com/123456789012/events"
#define QUEUES "\"queues\": {\"a\": {\"service\": \"aws\", \"url\": \"" URL "\"}}"

/* Nothing of this machine's own environment may be seen. */
static int clear_environment(void **state)
{
    static const char *const names[] = {"AWS_REGION",
                                        "AWS_DEFAULT_REGION",
                                        "AWS_PROFILE",
                                        "AWS_DEFAULT_PROFILE",
                                        "AWS_ENDPOINT_URL",
                                        "AWS_ENDPOINT_URL_SQS",
                                        "AWS_ENDPOINT_URL_S3",
                                        "AWS_ENDPOINT_URL_DYNAMODB",
                                        "AWS_ENDPOINT_URL_STS",
                                        "AWS_CA_BUNDLE",
                                        "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS",
                                        "AWS_USE_FIPS_ENDPOINT",
                                        "AWS_USE_DUALSTACK_ENDPOINT"};
    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        unsetenv(names[i]);
    char *config = xasprintf("%s/config", directory);
    unlink(config);
    setenv("AWS_CONFIG_FILE", config, 1);
    setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent", 1);
    free(config);
    return 0;
}

/* A source "a" beside these members of the file. */
static char *file_with(const char *members)
{
    return xasprintf("{%s%s\"destinations\": {\"d\": {\"type\": \"exec\", \"argv\": "
                     "[\"/bin/true\"]}}, \"sources\": {%s}}",
                     members, *members ? ", " : "", SOURCE(""));
}

static json_t *load_with(const char *members)
{
    char *text = file_with(members);
    json_t *conf = load_good(text);
    free(text);
    return conf;
}

static void expect_error(const char *members, const char *path, const char *part)
{
    char *text = file_with(members);
    expect_one(text, path, part);
    free(text);
}

static void expect_text(const json_t *conf, const char *path, const char *expected)
{
    assert_string_equal(conf_str(conf, path), expected);
}

static void the_region_of_a_url(void **state)
{
    (void)state;
    static const struct {
        const char *url, *region; /* NULL: none */
    } cases[] = {
        {URL, "eu-central-1"},
        {"https://sqs.cn-north-1.amazonaws.com.cn/1/q", "cn-north-1"},
        {"https://sqs-fips.us-east-2.amazonaws.com/1/q", "us-east-2"},
        {"https://sqs.eu-west-1.api.aws/1/q", "eu-west-1"},
        {"https://eu-west-1.queue.amazonaws.com/1/q", "eu-west-1"},
        {"https://queue.amazonaws.com/1/q", "us-east-1"},
        {"https://vpce-0a-b.sqs.us-east-1.vpce.amazonaws.com/1/q", "us-east-1"},
        {"https://sqs.us-gov-west-1.amazonaws.com:443/1/q", "us-gov-west-1"},
        {"https://s3.eu-central-1.amazonaws.com/b", NULL},
        {"https://sqs.amazonaws.com/1/q", NULL},
        {"https://sqs.eu-central-1.amazonaws.com.evil.example/1/q", NULL},
        {"http://127.0.0.1:9324/1/q", NULL},
        {"http://sqs.eu-central-1.localhost.localstack.cloud:4566/1/q", NULL},
        {"", NULL},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char region[CONF_AWS_REGION_BYTES] = "";
        bool found = conf_aws_url_region(cases[i].url, region);
        if (found != (cases[i].region != NULL))
            fail_msg("%s: %s", cases[i].url, region);
        if (found)
            assert_string_equal(region, cases[i].region);
    }
}

static void the_embedded_default_is_deaf(void **state)
{
    (void)state;
    setenv("AWS_REGION", "not a region", 1);
    setenv("AWS_ENDPOINT_URL", "nonsense", 1);
    setenv("AWS_CONFIG_FILE", "/dev/full", 1);
    json_t *conf =
        load_with("\"aws\": {\"region\": \"eu-west-1\", \"s3_endpoint_url\": \"http://x\"}");
    assert_int_equal(errors.warning_count, 0);
    assert_false(conf_aws_is_used(conf));
    expect_text(conf, "aws.region", "");
    expect_text(conf, "aws.s3_endpoint_url", "");
    expect_text(conf, "aws.sts_endpoint_url", "");
    json_decref(conf);
}

static void aws_own_endpoints(void **state)
{
    (void)state;
    json_t *conf = load_with(QUEUES ", \"ledger\": {\"service\": \"aws\"},"
                                    "\"dead_letters\": {\"service\": \"aws\"}");
    assert_true(conf_aws_is_used(conf));
    expect_text(conf, "aws.region", "eu-central-1");
    expect_text(conf, "aws.sqs_endpoint_url", "https://sqs.eu-central-1.amazonaws.com");
    expect_text(conf, "aws.s3_endpoint_url", "https://s3.eu-central-1.amazonaws.com");
    expect_text(conf, "aws.dynamodb_endpoint_url", "https://dynamodb.eu-central-1.amazonaws.com");
    expect_text(conf, "aws.sts_endpoint_url", "https://sts.eu-central-1.amazonaws.com");
    expect_text(conf, "aws.s3_addressing", "virtual");
    expect_text(conf, "queues.a.name", "events");
    expect_text(conf, "queues.a.url", URL);
    expect_text(conf, "queues.a-dlq.service", "embedded");
    expect_text(conf, "queues.a-dlq.url", "");
    assert_int_equal(errors.warning_count, 0);
    json_decref(conf);
}

static void what_is_not_used_stays_empty(void **state)
{
    (void)state;
    setenv("AWS_REGION", "cn-north-1", 1);
    json_t *conf =
        load_with("\"dead_letters\": {\"service\": \"aws\", \"bucket\": \"my.letters\"}");
    expect_text(conf, "aws.sqs_endpoint_url", "");
    expect_text(conf, "aws.dynamodb_endpoint_url", "");
    expect_text(conf, "aws.s3_endpoint_url", "https://s3.cn-north-1.amazonaws.com.cn");
    expect_text(conf, "aws.s3_addressing", "path");
    json_decref(conf);
}

static void the_order_of_regions(void **state)
{
    (void)state;
    write_file("config", "[default]\nregion = ap-south-1\n[profile p]\nregion = sa-east-1\n");
    json_t *conf = load_with(QUEUES);
    expect_text(conf, "aws.region", "ap-south-1");
    expect_in(errors.warnings, errors.warning_count, "queues.a.url", "eu-central-1");
    expect_in(errors.warnings, errors.warning_count, "ledger.service", "this host only");
    assert_int_equal(errors.warning_count, 2);
    json_decref(conf);
    conf = load_with(QUEUES ", \"aws\": {\"profile\": \"p\"}");
    expect_text(conf, "aws.region", "sa-east-1");
    json_decref(conf);
    setenv("AWS_DEFAULT_REGION", "us-east-1", 1);
    conf = load_with(QUEUES);
    expect_text(conf, "aws.region", "us-east-1");
    json_decref(conf);
    setenv("AWS_REGION", "us-west-2", 1);
    conf = load_with(QUEUES);
    expect_text(conf, "aws.region", "us-west-2");
    json_decref(conf);
    conf = load_with(QUEUES ", \"aws\": {\"region\": \"eu-central-1\"}");
    expect_text(conf, "aws.region", "eu-central-1");
    assert_int_equal(errors.warning_count, 1);
    json_decref(conf);
    setenv("AWS_REGION", "Frankfurt am Main", 1);
    expect_error(QUEUES, "aws.region", "AWS_REGION says \"Frankfurt am Main\"");
}

static void no_region(void **state)
{
    (void)state;
    expect_error("\"ledger\": {\"service\": \"aws\"}", "aws.region", "set AWS_REGION");
}

static void the_order_of_endpoints(void **state)
{
    (void)state;
    static const char members[] = QUEUES ", \"aws\": {\"region\": \"eu-central-1\"},"
                                         "\"dead_letters\": {\"service\": \"aws\"}";
    write_file("config", "[default]\nendpoint_url = http://file\nservices = s\n"
                         "[services s]\nsqs =\n  endpoint_url = http://file-sqs\n");
    json_t *conf = load_with(members);
    expect_text(conf, "aws.sqs_endpoint_url", "http://file-sqs");
    expect_text(conf, "aws.s3_endpoint_url", "http://file");
    expect_text(conf, "aws.s3_addressing", "path");
    json_decref(conf);
    setenv("AWS_ENDPOINT_URL", "http://env/", 1);
    setenv("AWS_ENDPOINT_URL_S3", "http://env-s3/prefix/", 1);
    conf = load_with(members);
    expect_text(conf, "aws.sqs_endpoint_url", "http://env");
    expect_text(conf, "aws.s3_endpoint_url", "http://env-s3/prefix");
    expect_text(conf, "aws.sts_endpoint_url", "http://env");
    json_decref(conf);
    setenv("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "true", 1);
    conf = load_with(members);
    expect_text(conf, "aws.sqs_endpoint_url", "https://sqs.eu-central-1.amazonaws.com");
    json_decref(conf);
    unsetenv("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS");
    write_file("config", "[default]\nignore_configured_endpoint_urls = True\n");
    conf = load_with(members);
    expect_text(conf, "aws.sqs_endpoint_url", "https://sqs.eu-central-1.amazonaws.com");
    json_decref(conf);
    setenv("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "false", 1);
    conf = load_with(members);
    expect_text(conf, "aws.sqs_endpoint_url", "http://env");
    json_decref(conf);
    conf =
        load_with(QUEUES ", \"dead_letters\": {\"service\": \"aws\"}, \"aws\": {\"region\": "
                         "\"eu-central-1\", \"endpoint_url\": \"http://all\","
                         "\"s3_endpoint_url\": \"http://mine\", \"s3_addressing\": \"virtual\"}");
    expect_text(conf, "aws.sqs_endpoint_url", "http://all");
    expect_text(conf, "aws.s3_endpoint_url", "http://mine");
    expect_text(conf, "aws.s3_addressing", "virtual");
    json_decref(conf);
    setenv("AWS_ENDPOINT_URL_SQS", "localhost:9324", 1);
    expect_error(QUEUES ", \"aws\": {\"region\": \"eu-central-1\"}", "aws.sqs_endpoint_url",
                 "AWS_ENDPOINT_URL_SQS says \"localhost:9324\"");
}

static void authorities(void **state)
{
    (void)state;
    setenv("AWS_CA_BUNDLE", "/etc/passwd", 1);
    json_t *conf = load_with(QUEUES);
    expect_text(conf, "aws.ca_file", "/etc/passwd");
    json_decref(conf);
    setenv("AWS_CA_BUNDLE", "/nonexistent", 1);
    expect_error(QUEUES, "aws.ca_file", "cannot read");
}

static void what_is_not_looked_at_is_said(void **state)
{
    (void)state;
    setenv("AWS_USE_FIPS_ENDPOINT", "true", 1);
    json_decref(load_with(QUEUES));
    expect_in(errors.warnings, errors.warning_count, "aws", "AWS_USE_FIPS_ENDPOINT");
    write_file("config", "what is this\n");
    json_decref(load_with(QUEUES));
    expect_in(errors.warnings, errors.warning_count, "aws.profile", "config");
}

static void a_stop_must_outlast_a_poll(void **state)
{
    (void)state;
    json_decref(load_with(QUEUES ", \"ledger\": {\"service\": \"aws\"}, \"drain_s\": 22"));
    expect_in(errors.warnings, errors.warning_count, "drain_s", "sources.a.retry.wait_s + 3 = 23");
    json_decref(load_with(QUEUES ", \"ledger\": {\"service\": \"aws\"}, \"drain_s\": 23"));
    assert_int_equal(errors.warning_count, 0);
    json_decref(load_with("\"drain_s\": 1"));
    assert_int_equal(errors.warning_count, 0);
}

/* The certificate of AWS covers one name in front of it. */
static void a_bucket_with_dots_stands_in_no_host(void **state)
{
    (void)state;
#define DOTTED "\"dead_letters\": {\"service\": \"aws\", \"bucket\": \"a.b\"}, \"aws\": "
    json_decref(load_with(DOTTED "{\"region\": \"x\", \"s3_addressing\": \"virtual\"}"));
    expect_in(errors.warnings, errors.warning_count, "aws.s3_addressing", "a.b");
    json_decref(load_with(DOTTED "{\"region\": \"x\", \"s3_addressing\": \"virtual\","
                                 " \"s3_endpoint_url\": \"http://h\"}"));
    assert_int_equal(errors.warning_count, 0);
    json_decref(load_with(DOTTED "{\"region\": \"x\"}"));
    assert_int_equal(errors.warning_count, 0);
}

static void notes_say_what_to_keep_in_mind(void **state)
{
    (void)state;
    json_t *conf = load_with(QUEUES ", \"dead_letters\": {\"service\": \"aws\", "
                                    "\"conditional_writes\": false}");
    json_t *notes = conf_check_aws_notes(conf);
    assert_int_equal(json_array_size(notes), 2);
    assert_non_null(strstr(json_string_value(json_array_get(notes, 0)), "this host only"));
    assert_non_null(strstr(json_string_value(json_array_get(notes, 1)), "without conditions"));
    json_decref(notes);
    json_decref(conf);
    conf = load_with("");
    notes = conf_check_aws_notes(conf);
    assert_int_equal(json_array_size(notes), 0);
    json_decref(notes);
    json_decref(conf);
}

static void faults(void **state)
{
    (void)state;
    static const struct {
        const char *members, *path, *part;
    } cases[] = {
        {"\"queues\": {\"a\": {\"service\": \"aws\"}}, \"aws\": {\"region\": \"x\"}",
         "queues.a.url", "must be written"},
        {"\"queues\": {\"a\": {\"url\": \"" URL "\"}}", "queues.a.url", "set service"},
        {"\"queues\": {\"a\": {\"service\": \"aws\", \"url\": \"https://h/1/q\"}},"
         "\"aws\": {\"region\": \"x\"}",
         "queues.a.url", "none of AWS's"},
        {"\"queues\": {\"a\": {\"service\": \"aws\", \"url\": \"" URL ".fifo.fifo\"}},"
         "\"aws\": {\"region\": \"x\"}",
         "queues.a.url", "the URL of an SQS queue"},
        {"\"queues\": {\"a\": {\"name\": \"q.fifo\"}}", "queues.a.name",
         "the embedded store keeps standard queues only"},
        {"\"queues\": {\"a\": {\"service\": \"aws\", \"url\": \"" URL "\", \"name\": \"other\"}}",
         "queues.a.name", "leave it out"},
        {QUEUES ", \"aws\": {\"ca_file\": \"/nonexistent\"}", "aws.ca_file", "cannot read"},
        {"\"dead_letters\": {\"sse\": \"AES256\"}", "dead_letters.sse", "only for service aws"},
        {"\"dead_letters\": {\"conditional_writes\": false}", "dead_letters.conditional_writes",
         "only for service aws"},
        {"\"dead_letters\": {\"kms_key_id\": \"k\", \"service\": \"aws\", \"sse\": \"AES256\"},"
         "\"aws\": {\"region\": \"x\"}",
         "dead_letters.kms_key_id", "only for sse"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        expect_error(cases[i].members, cases[i].path, cases[i].part);
    char *text = xasprintf("{\"queues\": {\"a\": {\"service\": \"aws\", \"url\": \"" URL "\"},"
                           " \"a-dlq\": {\"service\": \"aws\", \"url\": \"" URL "\"}},"
                           "\"destinations\": {\"d\": {\"type\": \"file\", \"path\": \"x\"}},"
                           "\"sources\": {%s}}",
                           SOURCE(""));
    expect_one(text, "queues.a-dlq.url", "already that of queue \"a\"");
    free(text);
}

static void a_fifo_queue_asks_for_groups_and_the_ledger(void **state)
{
    (void)state;
#define GROUP ", \"message_group\": \"/call\""
#define FIFO_CONF(members, source)                                                                 \
    "{\"queues\": {\"a\": {\"service\": \"aws\", \"url\": \"" URL ".fifo\"}}," members             \
    "\"destinations\": {\"d\": {\"type\": \"file\", \"path\": \"x\"}}, \"sources\": {" SOURCE(     \
        source) "}}"
    json_t *conf = load_good(FIFO_CONF("", GROUP));
    expect_text(conf, "queues.a.name", "events.fifo");
    expect_text(conf, "sources.a.message_group", "/call");
    json_decref(conf);
    expect_one(FIFO_CONF("", ""), "sources.a.message_group", "such as \"/conversation_id\"");
    expect_one(FIFO_CONF("", ", \"message_group\": \"call\""), "sources.a.message_group",
               "JSON pointer");
    expect_one(FIFO_CONF("", GROUP ", \"ledger\": false"), "sources.a.ledger", "must be true");
    expect_one(FIFO_CONF("", GROUP ", \"retry\": {\"strategy\": \"requeue\"}"),
               "sources.a.retry.strategy", "must be visibility");
    json_decref(load_good(FIFO_CONF("\"ledger\": {\"outage\": \"deliver\"},", GROUP)));
    expect_in(errors.warnings, errors.warning_count, "ledger.outage", "wait all the same");
}

/* An embedded queue of the same name is another queue. */
static void names_are_the_services_own(void **state)
{
    (void)state;
    char *text = xasprintf("{\"queues\": {\"a\": {\"service\": \"aws\", \"url\": \"" URL "\"},"
                           " \"events\": {}},"
                           "\"destinations\": {\"d\": {\"type\": \"file\", \"path\": \"x\"}},"
                           "\"sources\": {%s}}",
                           SOURCE(", \"inspection_queue\": \"events\", \"ledger\": false"));
    json_t *conf = load_good(text);
    assert_int_equal(errors.warning_count, 0);
    json_decref(conf);
    free(text);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, clear_environment, forget_errors)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(the_region_of_a_url),
        CASE(the_embedded_default_is_deaf),
        CASE(aws_own_endpoints),
        CASE(what_is_not_used_stays_empty),
        CASE(the_order_of_regions),
        CASE(no_region),
        CASE(the_order_of_endpoints),
        CASE(authorities),
        CASE(what_is_not_looked_at_is_said),
        CASE(a_stop_must_outlast_a_poll),
        CASE(a_bucket_with_dots_stands_in_no_host),
        CASE(notes_say_what_to_keep_in_mind),
        TEST(faults),
        CASE(a_fifo_queue_asks_for_groups_and_the_ledger),
        CASE(names_are_the_services_own),
    };
    return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
