#include "common/aws/endpoint.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/aws/s3.h"
#include "tests/unit/common/fake_aws.h"

static json_t *slice(const char *addressing, const char *s3_url)
{
    json_t *conf =
        json_pack("{s:s, s:{s:s, s:s, s:s, s:b}, s:{s:s, s:s, s:s, s:s, s:s, s:s}}", "run_dir",
                  "/run/x", "dead_letters", "bucket", "letters", "sse", "", "kms_key_id", "",
                  "conditional_writes", 1, "aws", "region", "eu-central-1", "ca_file", "",
                  "sqs_endpoint_url", "https://sqs.example", "dynamodb_endpoint_url",
                  "https://ddb.example", "s3_endpoint_url", s3_url, "s3_addressing", addressing);
    assert_non_null(conf);
    return conf;
}

static void set(json_t *conf, const char *object, const char *key, json_t *value)
{
    json_object_set_new(json_object_get(conf, object), key, value);
}

static void services_have_endpoints(void **state)
{
    (void)state;
    json_t *conf = slice("path", "https://s3.example");
    set(conf, "aws", "ca_file", json_string("/ca.pem"));
    struct endpoint *store = endpoint_new(conf, "embedded", "s3");
    struct endpoint *queue = endpoint_new(conf, "aws", "sqs");
    struct endpoint *table = endpoint_new(conf, "aws", "dynamodb");
    struct endpoint *bucket = endpoint_new(conf, "aws", "s3");
    json_decref(conf);
    assert_true(endpoint_is_embedded(endpoint_aws(store)));
    assert_string_equal(endpoint_aws(store)->unix_socket, "/run/x/store.sock");
    assert_string_equal(endpoint_aws(store)->service, "s3");
    assert_null(endpoint_aws(store)->ca_file);
    assert_false(endpoint_aws(store)->bucket_in_host);
    assert_false(endpoint_is_embedded(endpoint_aws(queue)));
    assert_string_equal(endpoint_aws(queue)->identity, "aws");
    assert_string_equal(endpoint_aws(queue)->region, "eu-central-1");
    assert_string_equal(endpoint_aws(queue)->service, "sqs");
    assert_string_equal(endpoint_aws(queue)->url, "https://sqs.example");
    assert_string_equal(endpoint_aws(queue)->ca_file, "/ca.pem");
    assert_null(endpoint_aws(queue)->unix_socket);
    assert_string_equal(endpoint_aws(table)->url, "https://ddb.example");
    assert_string_equal(endpoint_aws(bucket)->url, "https://s3.example");
    assert_false(endpoint_aws(bucket)->bucket_in_host);
    assert_false(endpoint_aws(bucket)->unconditional);
    assert_null(endpoint_aws(bucket)->sse);
    endpoint_free(store);
    endpoint_free(queue);
    endpoint_free(table);
    endpoint_free(bucket);
}

static void a_bucket_may_be_in_the_host(void **state)
{
    (void)state;
    json_t *conf = slice("virtual", "https://s3.eu-central-1.amazonaws.com");
    struct endpoint *bucket = endpoint_new(conf, "aws", "s3");
    struct endpoint *store = endpoint_new(conf, "embedded", "s3");
    json_decref(conf);
    assert_true(endpoint_aws(bucket)->bucket_in_host);
    assert_string_equal(endpoint_aws(bucket)->url, "https://letters.s3.eu-central-1.amazonaws.com");
    assert_false(endpoint_aws(store)->bucket_in_host);
    endpoint_free(bucket);
    endpoint_free(store);
}

static void on_put(void *arg, const struct aws_reply *reply, const char *etag)
{
    (void)etag;
    assert_int_equal(reply->class, AWS_OK);
    ++*(int *)arg;
}

static void on_plain(void *arg, const struct aws_reply *reply)
{
    assert_int_equal(reply->class, AWS_OK);
    ++*(int *)arg;
}

static void expect_header(struct fake_aws *f, size_t n, const char *name, const char *expected)
{
    char *value = fake_header(f->server, n, name);
    if (expected)
        assert_string_equal(value, expected);
    else
        assert_null(value);
    free(value);
}

static void expect_line(const struct fake_aws *f, size_t n, const char *line)
{
    assert_int_equal(strncmp(f->server->requests[n], line, strlen(line)), 0);
    assert_true(fake_aws_signed(f, n));
}

/* Two headers of which one begins with the other must be signed in the order of their names. */
static void the_endpoint_shapes_requests(void **state)
{
    (void)state;
    static const struct fake_step steps[] = {{200, "", "ETag: \"e\"\r\n", NULL, false}};
    static const struct s3_options limits = {
        .timeout_ms = 5000, .deadline_ms = 5000, .max_attempts = 1};
    struct s3_put put = {.key = "dlq/year=2026/a+b c.json",
                         .body = "{}",
                         .body_len = 2,
                         .content_type = "application/json",
                         .create_once = true};
    struct fake_aws f = fake_aws_new("s3", steps, 1, true);
    int calls = 0;
    s3_put_object(f.client, &f.endpoint, "letters", &put, &limits, on_put, &calls);
    run_until(f.base, &calls, 1);
    expect_line(&f, 0, "PUT /letters/dlq/year%3D2026/a%2Bb%20c.json HTTP/1.1");
    expect_header(&f, 0, "if-none-match", "*");
    expect_header(&f, 0, "x-amz-server-side-encryption", NULL);
    f.endpoint.bucket_in_host = true;
    f.endpoint.unconditional = true;
    f.endpoint.sse = "aws:kms";
    f.endpoint.kms_key_id = "alias/letters";
    s3_put_object(f.client, &f.endpoint, "letters", &put, &limits, on_put, &calls);
    run_until(f.base, &calls, 2);
    expect_line(&f, 1, "PUT /dlq/year%3D2026/a%2Bb%20c.json HTTP/1.1");
    expect_header(&f, 1, "if-none-match", NULL);
    expect_header(&f, 1, "x-amz-server-side-encryption", "aws:kms");
    expect_header(&f, 1, "x-amz-server-side-encryption-aws-kms-key-id", "alias/letters");
    put.create_once = false;
    put.if_match = "\"e\"";
    f.endpoint.sse = "AES256";
    s3_put_object(f.client, &f.endpoint, "letters", &put, &limits, on_put, &calls);
    run_until(f.base, &calls, 3);
    expect_header(&f, 2, "if-match", NULL);
    expect_header(&f, 2, "x-amz-server-side-encryption", "AES256");
    s3_delete_object(f.client, &f.endpoint, "letters", "k", "\"e\"", &limits, on_plain, &calls);
    run_until(f.base, &calls, 4);
    expect_line(&f, 3, "DELETE /k HTTP/1.1");
    expect_header(&f, 3, "if-match", NULL);
    expect_header(&f, 3, "x-amz-server-side-encryption", NULL);
    s3_head_bucket(f.client, &f.endpoint, "letters", &limits, on_plain, &calls);
    run_until(f.base, &calls, 5);
    expect_line(&f, 4, "HEAD / HTTP/1.1");
    fake_aws_free(&f);
}

static void on_refused_put(void *arg, const struct aws_reply *reply, const char *etag)
{
    assert_int_equal(reply->class, AWS_TRANSIENT);
    assert_string_equal(reply->code, "UnreadableAnswer");
    assert_null(etag);
    ++*(int *)arg;
}

/* What says "200" without an ETag is not S3: the page of a proxy, for example. */
static void nothing_is_stored_without_an_etag(void **state)
{
    (void)state;
    static const struct fake_step steps[] = {{200, "<html>welcome</html>", NULL, NULL, false}};
    static const struct s3_options limits = {
        .timeout_ms = 5000, .deadline_ms = 5000, .max_attempts = 1};
    const struct s3_put put = {
        .key = "k", .body = "{}", .body_len = 2, .content_type = "application/json"};
    struct fake_aws f = fake_aws_new("s3", steps, 1, true);
    int calls = 0;
    s3_put_object(f.client, &f.endpoint, "letters", &put, &limits, on_refused_put, &calls);
    run_until(f.base, &calls, 1);
    fake_aws_free(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(services_have_endpoints),
        cmocka_unit_test(a_bucket_may_be_in_the_host),
        cmocka_unit_test(the_endpoint_shapes_requests),
        cmocka_unit_test(nothing_is_stored_without_an_etag),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
