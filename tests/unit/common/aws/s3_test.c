/* What goes over the wire to S3 and what is made of its answers. */
#include "common/aws/s3.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/buf.h"
#include "tests/unit/common/fake_aws.h"

#define STEPS(list) list, sizeof(list) / sizeof((list)[0])
#define ETAG "ETag: \"e\"\r\n"

static const struct s3_options once = {2000, 2000, 1};

struct seen {
    int calls;
    enum aws_class class;
    char code[96], message[256], etag[64], body[64], token[256];
    struct buf keys; /* own: "key size etag;" of each */
    bool truncated, enabled;
};

static void see(struct seen *seen, const struct aws_reply *reply)
{
    seen->calls++;
    seen->class = reply->class;
    snprintf(seen->code, sizeof(seen->code), "%s", reply->code);
    snprintf(seen->message, sizeof(seen->message), "%s", reply->message);
}

static void see_plain(void *arg, const struct aws_reply *reply)
{
    see(arg, reply);
}

static void see_put(void *arg, const struct aws_reply *reply, const char *etag)
{
    struct seen *seen = arg;
    see(seen, reply);
    assert_int_equal(etag != NULL, reply->class == AWS_OK);
    snprintf(seen->etag, sizeof(seen->etag), "%s", etag ? etag : "");
}

static void see_got(void *arg, const struct aws_reply *reply, const struct s3_got *got)
{
    struct seen *seen = arg;
    see(seen, reply);
    assert_int_equal(got != NULL, reply->class == AWS_OK);
    if (got)
        snprintf(seen->etag, sizeof(seen->etag), "%s", got->etag);
    if (got)
        snprintf(seen->body, sizeof(seen->body), "%.*s", (int)got->body_len, (char *)got->body);
}

static void see_page(void *arg, const struct aws_reply *reply, const struct s3_page *page)
{
    struct seen *seen = arg;
    see(seen, reply);
    assert_int_equal(page != NULL, reply->class == AWS_OK);
    if (!page)
        return;
    snprintf(seen->token, sizeof(seen->token), "%s", page->token);
    seen->truncated = page->truncated;
    for (size_t i = 0; i < page->count; i++)
        buf_printf(&seen->keys, "%s %lld %s;", page->objects[i].key,
                   (long long)page->objects[i].size, page->objects[i].etag);
}

static void see_versioning(void *arg, const struct aws_reply *reply, bool enabled)
{
    see(arg, reply);
    ((struct seen *)arg)->enabled = enabled;
}

static void wait_for(struct fake_aws *f, const struct seen *seen)
{
    int64_t until_ms = clock_mono_ms() + 10000;
    while (!seen->calls && clock_mono_ms() < until_ms)
        event_base_loop(f->base, EVLOOP_ONCE);
    assert_int_equal(seen->calls, 1);
}

static void get(struct fake_aws *f, const char *key, struct seen *seen)
{
    s3_get_object(f->client, &f->endpoint, "dead", key, &once, see_got, seen);
    wait_for(f, seen);
}

static void list(struct fake_aws *f, const struct s3_range *range, struct seen *seen)
{
    s3_list_objects(f->client, &f->endpoint, "dead", range, &once, see_page, seen);
    wait_for(f, seen);
}

static void assert_header(const struct fake_aws *f, size_t n, const char *name, const char *value)
{
    char *got = fake_header(f->server, n, name);
    if (value && got)
        assert_string_equal(got, value);
    else
        assert_true(!value && !got);
    free(got);
}

static void assert_request(const struct fake_aws *f, size_t n, const char *line)
{
    const char *request = f->server->requests[n];
    char *got = strndup(request, strcspn(request, "\r"));
    assert_string_equal(got, line);
    free(got);
}

static void what_is_put_is_encrypted_and_what_is_got_says_nothing_of_it(void **state)
{
    (void)state;
    static const struct {
        const char *sse, *key;
    } cases[] = {{NULL, NULL},
                 {"AES256", NULL},
                 {"aws:kms", NULL},
                 {"aws:kms", "arn:aws:kms:eu-central-1:1:alias/a b"}};
    static const struct fake_step steps[] = {{200, "", ETAG, NULL, false}};
    const struct http_header metadata[] = {{"schema_ver", "v2.1"}};
    const struct s3_put put = {.key = "dlq/year=2026/a",
                               .body = "{\"a\":1}",
                               .body_len = 7,
                               .content_type = "application/json",
                               .metadata = metadata,
                               .metadata_count = 1,
                               .create_once = true};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct fake_aws f = fake_aws_new("s3", STEPS(steps), true);
        struct seen seen = {0}, got = {0}, deleted = {0};
        f.endpoint.sse = cases[i].sse;
        f.endpoint.kms_key_id = cases[i].key;
        s3_put_object(f.client, &f.endpoint, "dead", &put, &once, see_put, &seen);
        wait_for(&f, &seen);
        assert_int_equal(seen.class, AWS_OK);
        assert_string_equal(seen.etag, "\"e\"");
        assert_request(&f, 0, "PUT /dead/dlq/year%3D2026/a HTTP/1.1");
        assert_header(&f, 0, "x-amz-server-side-encryption", cases[i].sse);
        assert_header(&f, 0, "x-amz-server-side-encryption-aws-kms-key-id", cases[i].key);
        assert_header(&f, 0, "x-amz-checksum-sha256",
                      "AVq9f1zFei3ZS3WQ8ErYCEJzkF7jPsXOvq5iJ2qX+GI=");
        assert_header(&f, 0, "x-amz-content-sha256",
                      "015abd7f5cc57a2dd94b7590f04ad8084273905ee33ec5cebeae62276a97f862");
        assert_header(&f, 0, "if-none-match", "*");
        assert_header(&f, 0, "x-amz-meta-schema_ver", "v2.1");
        assert_header(&f, 0, "content-length", "7");
        assert_true(fake_aws_signed(&f, 0));
        get(&f, "a", &got);
        s3_delete_object(f.client, &f.endpoint, "dead", "a", "\"e\"", &once, see_plain, &deleted);
        wait_for(&f, &deleted);
        assert_header(&f, 2, "if-match", "\"e\"");
        for (size_t n = 1; n < 3; n++) {
            assert_header(&f, n, "x-amz-server-side-encryption", NULL);
            assert_header(&f, n, "x-amz-server-side-encryption-aws-kms-key-id", NULL);
            assert_true(fake_aws_signed(&f, n));
        }
        fake_aws_free(&f);
    }
}

static void keys_are_encoded_once(void **state)
{
    (void)state;
    static const struct {
        const char *key, *path;
    } cases[] = {
        {"a/b", "/dead/a/b"},
        {"a=b+c d%25", "/dead/a%3Db%2Bc%20d%2525"},
        {"\xc3\xa9/\xf0\x9f\x98\x80", "/dead/%C3%A9/%F0%9F%98%80"},
        {"a//b/./../c", "/dead/a//b/./../c"},
        {"?x=1&y#z", "/dead/%3Fx%3D1%26y%23z"},
        {"~-_.", "/dead/~-_."},
        {"\x01\x7f", "/dead/%01%7F"},
    };
    static const struct fake_step steps[] = {{200, "x", ETAG, NULL, false}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct fake_aws f = fake_aws_new("s3", STEPS(steps), true);
        struct seen seen = {0};
        char *line = xasprintf("GET %s HTTP/1.1", cases[i].path);
        get(&f, cases[i].key, &seen);
        assert_int_equal(seen.class, AWS_OK);
        assert_request(&f, 0, line);
        assert_true(fake_aws_signed(&f, 0));
        free(line);
        fake_aws_free(&f);
    }
}

/* The host that names the bucket is the endpoint's; here it has a port. */
static void a_bucket_in_the_host_is_not_in_the_path(void **state)
{
    (void)state;
    static const struct fake_step steps[] = {{200, "x", ETAG, NULL, false}};
    struct fake_aws f = fake_aws_new("s3", STEPS(steps), true);
    struct seen seen = {0}, head = {0};
    f.endpoint.bucket_in_host = true;
    get(&f, "a", &seen);
    s3_head_bucket(f.client, &f.endpoint, "dead", &once, see_plain, &head);
    wait_for(&f, &head);
    assert_request(&f, 0, "GET /a HTTP/1.1");
    assert_request(&f, 1, "HEAD / HTTP/1.1");
    assert_header(&f, 0, "host", f.server->url + strlen("http://"));
    fake_aws_free(&f);
}

static void objects_are_checked(void **state)
{
    (void)state;
    static const struct {
        const char *headers;
        const char *body;
        enum aws_class class;
        const char *code;
    } cases[] = {
        {ETAG, "{\"a\":1}", AWS_OK, ""},
        {ETAG "x-amz-checksum-sha256: AVq9f1zFei3ZS3WQ8ErYCEJzkF7jPsXOvq5iJ2qX+GI=\r\n",
         "{\"a\":1}", AWS_OK, ""},
        {ETAG "X-Amz-Checksum-Sha256: AVq9f1zFei3ZS3WQ8ErYCEJzkF7jPsXOvq5iJ2qX+GI=\r\n",
         "{\"a\":2}", AWS_TRANSIENT, "BadChecksum"},
        {ETAG "x-amz-checksum-sha256: AVq9f1zFei3ZS3WQ8ErYCEJzkF7jPsXOvq5iJ2qX+GI=-2\r\n",
         "{\"a\":2}", AWS_OK, ""},                                            /* of its parts */
        {ETAG "x-amz-checksum-crc32: AAAAAA==\r\n", "{\"a\":2}", AWS_OK, ""}, /* not ours */
        {NULL, "<html>", AWS_TRANSIENT, "UnreadableAnswer"},                  /* a proxy's */
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct fake_step step = {200, cases[i].body, cases[i].headers, NULL, false};
        struct fake_aws f = fake_aws_new("s3", &step, 1, true);
        struct seen seen = {0};
        get(&f, "a", &seen);
        assert_int_equal(seen.class, cases[i].class);
        assert_string_equal(seen.code, cases[i].code);
        if (seen.class == AWS_OK)
            assert_string_equal(seen.body, cases[i].body);
        assert_header(&f, 0, "x-amz-checksum-mode", "ENABLED");
        fake_aws_free(&f);
    }
}

#define PAGE(inside)                                                                               \
    "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"                                                 \
    "<ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">"                         \
    "<Name>dead</Name><Prefix>dlq/</Prefix>" inside "</ListBucketResult>"
#define OBJECT(key)                                                                                \
    "<Contents><Key>" key "</Key><LastModified>2026-11-21T09:30:00.000Z</LastModified>"            \
    "<ETag>&quot;e&quot;</ETag><Size>11</Size><Owner><ID>1</ID></Owner>"                           \
    "<StorageClass>STANDARD</StorageClass></Contents>"

static void pages_are_read(void **state)
{
    (void)state;
    static const struct {
        const char *body, *keys, *token;
        bool truncated;
        enum aws_class class;
    } cases[] = {
        {PAGE("<IsTruncated>false</IsTruncated>"), "", "", false, AWS_OK},
        {PAGE(OBJECT("a&amp;b") OBJECT("\xc3\xa9 &#13;") "<IsTruncated>false</IsTruncated>"),
         "a&b 11 \"e\";\xc3\xa9 \r 11 \"e\";", "", false, AWS_OK},
        {PAGE("<NextContinuationToken>1/+=</NextContinuationToken><IsTruncated>true</IsTruncated>"
              "<ContinuationToken>0</ContinuationToken>"),
         "", "1/+=", true, AWS_OK},
        {PAGE("<IsTruncated>true</IsTruncated><CommonPrefixes><Prefix>x/</Prefix></"
              "CommonPrefixes>" OBJECT("a")),
         "a 11 \"e\";", "", true, AWS_OK},
        {PAGE("<Contents><Size>1</Size></Contents>"), "", "", false, AWS_TRANSIENT},
        {"<ListBucketResult>", "", "", false, AWS_TRANSIENT},
        {"<html></html>", "", "", false, AWS_TRANSIENT},
        {"", "", "", false, AWS_TRANSIENT},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct fake_step step = {200, cases[i].body, NULL, NULL, false};
        const struct s3_range range = {"dlq/", "", "", 1000};
        struct fake_aws f = fake_aws_new("s3", &step, 1, true);
        struct seen seen = {0};
        buf_puts(&seen.keys, "");
        list(&f, &range, &seen);
        if (seen.class != cases[i].class)
            fail_msg("case %zu: %s %s", i, aws_class_word(seen.class), seen.message);
        assert_string_equal(seen.keys.data, cases[i].keys);
        assert_string_equal(seen.token, cases[i].token);
        assert_int_equal(seen.truncated, cases[i].truncated);
        buf_free(&seen.keys);
        fake_aws_free(&f);
    }
}

static void a_range_is_asked_for_with_everything_encoded(void **state)
{
    (void)state;
    static const struct {
        struct s3_range range;
        const char *line;
    } cases[] = {
        {{"dlq/", "", "", 250}, "GET /dead?list-type=2&max-keys=250&prefix=dlq%2F HTTP/1.1"},
        {{"a=b/ +", "a=b/ +~\xc3\xa9", "", 1},
         "GET /dead?list-type=2&max-keys=1&prefix=a%3Db%2F%20%2B&start-after="
         "a%3Db%2F%20%2B~%C3%A9 HTTP/1.1"},
        {{"", "", "1ueG/XY+Q==", 1000},
         "GET /dead?list-type=2&max-keys=1000&prefix=&continuation-token=1ueG%2FXY%2BQ%3D%3D "
         "HTTP/1.1"},
        {{"p", "a", "t", 1000},
         "GET /dead?list-type=2&max-keys=1000&prefix=p&continuation-token=t HTTP/1.1"},
    };
    static const struct fake_step steps[] = {{200, PAGE(""), NULL, NULL, false}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct fake_aws f = fake_aws_new("s3", STEPS(steps), true);
        struct seen seen = {0};
        list(&f, &cases[i].range, &seen);
        assert_int_equal(seen.class, AWS_OK);
        assert_request(&f, 0, cases[i].line);
        assert_true(fake_aws_signed(&f, 0));
        fake_aws_free(&f);
    }
}

static void versions_are_enabled_suspended_or_unheard_of(void **state)
{
    (void)state;
    static const struct {
        const char *body;
        bool enabled;
    } cases[] = {
        {"<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>", true},
        {"<VersioningConfiguration><Status>Suspended</Status></VersioningConfiguration>", false},
        {"<VersioningConfiguration xmlns=\"x\"/>", false},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct fake_step step = {200, cases[i].body, NULL, NULL, false};
        struct fake_aws f = fake_aws_new("s3", &step, 1, true);
        struct seen seen = {0};
        s3_get_bucket_versioning(f.client, &f.endpoint, "dead", &once, see_versioning, &seen);
        wait_for(&f, &seen);
        assert_int_equal(seen.class, AWS_OK);
        assert_int_equal(seen.enabled, cases[i].enabled);
        assert_request(&f, 0, "GET /dead?versioning= HTTP/1.1");
        assert_true(fake_aws_signed(&f, 0));
        fake_aws_free(&f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_put_is_encrypted_and_what_is_got_says_nothing_of_it),
        cmocka_unit_test(keys_are_encoded_once),
        cmocka_unit_test(a_bucket_in_the_host_is_not_in_the_path),
        cmocka_unit_test(objects_are_checked),
        cmocka_unit_test(pages_are_read),
        cmocka_unit_test(a_range_is_asked_for_with_everything_encoded),
        cmocka_unit_test(versions_are_enabled_suspended_or_unheard_of),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
