/* Every S3 operation and refusal, without HTTP, on an injected clock. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/aws/sigv4.h"
#include "common/aws/xml.h"
#include "common/base/buf.h"
#include "tests/unit/workers/store/service_world.h"
#include "workers/store/s3_request.h"
#include "workers/store/s3_service.h"

/* Of the body {"a":1}, from AWS's own answers. */
#define BODY "{\"a\":1}"
#define ETAG "\"bb6cb5c68df4652941caf652a366f2d8\""
#define CRC32 "Vhusrw=="
#define SHA256 "AVq9f1zFei3ZS3WQ8ErYCEJzkF7jPsXOvq5iJ2qX+GI="
#define MD5 "u2y1xo30ZSlByvZSo2by2A=="

struct fixture {
    struct world w;
    struct s3_service *service;
};

/* headers: "Name: value" each, ended by NULL. */
static int call(struct fixture *f, const char *method, const char *target, const char *body, ...)
{
    struct sigv4_header headers[40];
    char *texts[40];
    size_t count = 0;
    va_list ap;
    const char *text;
    va_start(ap, body);
    while ((text = va_arg(ap, const char *))) {
        texts[count] = xstrdup(text);
        char *colon = strchr(texts[count], ':');
        *colon = '\0';
        headers[count] = (struct sigv4_header){texts[count], colon + 2};
        count++;
    }
    va_end(ap);
    char *path = xstrdup(target);
    char *query = strchr(path, '?');
    if (query)
        *query++ = '\0';
    struct service_call c = {
        .operation = xstrdup(method),
        .s3 = s3_request_new(method, path, query ? query : "", headers, count, body, strlen(body))};
    free(path);
    while (count > 0)
        free(texts[--count]);
    world_run(&f->w, &c);
    return f->w.answer.status;
}

static int set_up(void **state)
{
    struct fixture *f = xcalloc(1, sizeof(*f));
    f->service = s3_service_new();
    world_open(&f->w, s3_service_table(f->service));
    f->w.now_ms = 1795253400000; /* 2026-11-21T09:30:00Z */
    *state = f;
    assert_int_equal(call(f, "PUT", "/bkt", "", NULL), 200);
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    world_close(&f->w);
    s3_service_free(f->service);
    free(f);
    return 0;
}

static const char *header(const struct fixture *f, const char *name)
{
    return world_header(&f->w, name);
}

static bool body_has(const struct fixture *f, const char *text)
{
    return f->w.answer.body && strstr(f->w.answer.body, text);
}

/* The last answer is this error. */
static void is_error(const struct fixture *f, int status, const char *code)
{
    char *got =
        f->w.answer.body ? xml_first_text(f->w.answer.body, f->w.answer.body_len, "Code") : NULL;
    if (f->w.answer.status != status || !got || strcmp(got, code) != 0)
        print_error("expected %d %s, got %d %s\n", status, code, f->w.answer.status,
                    f->w.answer.body ? f->w.answer.body : "");
    assert_int_equal(f->w.answer.status, status);
    assert_non_null(got);
    assert_string_equal(got, code);
    free(got);
}

static void put(struct fixture *f, const char *target)
{
    assert_int_equal(call(f, "PUT", target, BODY, NULL), 200);
}

static void test_buckets(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(call(f, "HEAD", "/bkt", "", NULL), 200);
    assert_string_equal(header(f, "x-amz-bucket-region"), "local");
    call(f, "PUT", "/bkt", "", NULL);
    is_error(f, 409, "BucketAlreadyOwnedByYou");
    call(f, "HEAD", "/other", "", NULL);
    is_error(f, 404, "NoSuchBucket");
    static const char *const bad[] = {"/ab",  "/-ab",      "/ab-", "/a..b",
                                      "/Abc", "/10.0.0.1", "/a_b", "/a%2Fbc"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        call(f, "PUT", bad[i], "", NULL);
        is_error(f, 400, "InvalidBucketName");
    }
    assert_int_equal(call(f, "PUT", "/a.b-c9/", "", NULL), 200); /* an empty key is the bucket */
    assert_string_equal(header(f, "Location"), "/a.b-c9");
    assert_int_equal(call(f, "GET", "/?x-id=ListBuckets", "", NULL), 200);
    assert_true(body_has(f, "<Name>a.b-c9</Name>") && body_has(f, "<Name>bkt</Name>"));
    assert_int_equal(call(f, "GET", "/bkt?versioning", "", NULL), 200);
    assert_true(body_has(f, "<VersioningConfiguration ") && !body_has(f, "Status"));
    assert_int_equal(call(f, "GET", "/bkt?location", "", NULL), 200);
    assert_true(body_has(f, ">local</LocationConstraint>"));
    put(f, "/bkt/k");
    call(f, "DELETE", "/bkt", "", NULL);
    is_error(f, 409, "BucketNotEmpty");
    assert_int_equal(call(f, "DELETE", "/a.b-c9", "", NULL), 204);
    call(f, "HEAD", "/a.b-c9", "", NULL);
    is_error(f, 404, "NoSuchBucket");
}

static void test_what_it_does_not_know(void **state)
{
    struct fixture *f = *state;
    static const char *const asked[][2] = {
        {"GET", "/bkt"},
        {"GET", "/bkt?acl"},
        {"PUT", "/bkt?versioning"},
        {"GET", "/bkt/k?acl"},
        {"PUT", "/bkt/k?tagging"},
        {"POST", "/bkt/k?uploads"},
        {"GET", "/bkt/k?versionId=null"},
        {"PATCH", "/bkt"},
        {"GET", "/bkt?list-type=2&foo=1"},
    };
    for (size_t i = 0; i < sizeof(asked) / sizeof(asked[0]); i++) {
        call(f, asked[i][0], asked[i][1], "", NULL);
        is_error(f, 501, "NotImplemented");
    }
    call(f, "PUT", "/", "", NULL);
    is_error(f, 405, "MethodNotAllowed");
    call(f, "PUT", "/bkt/k", BODY, "x-amz-copy-source: /bkt/x", NULL);
    is_error(f, 501, "NotImplemented");
    call(f, "PUT", "/bkt/k", BODY, "Content-Encoding: aws-chunked", NULL);
    is_error(f, 501, "NotImplemented");
}

static void test_put_and_get(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(call(f, "PUT", "/bkt/dlq/k.json?x-id=PutObject", BODY,
                          "Content-Type: application/json", "X-Amz-Meta-Event_Id: e-1",
                          "x-amz-meta-retry_count: 3", "Cache-Control: no-store",
                          "Host: store.local", NULL),
                     200);
    assert_string_equal(header(f, "ETag"), ETAG);
    assert_null(f->w.answer.body);
    assert_int_equal(call(f, "GET", "/bkt/dlq/k.json?x-id=GetObject", "", NULL), 200);
    assert_int_equal(f->w.answer.body_len, 7);
    assert_memory_equal(f->w.answer.body, BODY, 7);
    assert_string_equal(header(f, "ETag"), ETAG);
    assert_string_equal(header(f, "Content-Type"), "application/json");
    assert_string_equal(header(f, "x-amz-meta-event_id"), "e-1");
    assert_string_equal(header(f, "x-amz-meta-retry_count"), "3");
    assert_string_equal(header(f, "cache-control"), "no-store");
    assert_string_equal(header(f, "Last-Modified"), "Sat, 21 Nov 2026 09:30:00 GMT");
    assert_string_equal(header(f, "Accept-Ranges"), "bytes");
    assert_string_equal(header(f, "Host"), "");
    assert_string_equal(header(f, "x-amz-checksum-crc32"), "");
    assert_int_equal(call(f, "HEAD", "/bkt/dlq/k.json", "", NULL), 200);
    assert_null(f->w.answer.body);
    assert_int_equal(f->w.answer.body_len, 7); /* the Content-Length */
    assert_string_equal(header(f, "x-amz-meta-event_id"), "e-1");
    call(f, "GET", "/bkt/dlq/other", "", NULL);
    is_error(f, 404, "NoSuchKey");
    assert_true(body_has(f, "<Key>dlq/other</Key>"));
    call(f, "GET", "/none/k", "", NULL);
    is_error(f, 404, "NoSuchBucket");
    /* An empty object of no type, written over it. */
    assert_int_equal(call(f, "PUT", "/bkt/dlq/k.json", "", NULL), 200);
    assert_int_equal(call(f, "GET", "/bkt/dlq/k.json", "", NULL), 200);
    assert_int_equal(f->w.answer.body_len, 0);
    assert_string_equal(header(f, "Content-Type"), "binary/octet-stream");
    assert_string_equal(header(f, "x-amz-meta-event_id"), "");
    struct s3_counts c = s3_service_counts(f->service);
    assert_int_equal(c.objects_put, 2);
    assert_int_equal(c.objects_read, 2);
}

static void test_keys_are_decoded_once(void **state)
{
    struct fixture *f = *state;
    /* In the path; as in a listing. */
    static const char *const keys[][2] = {
        {"a%2520b", "a%20b"},           {"plus+", "plus+"},          {"x//y", "x//y"},
        {"../../etc", "../../etc"},     {"%2e%2e%2f", "../"},        {"caf%C3%A9", "caf\xc3\xa9"},
        {"year%3D2026/", "year=2026/"}, {"a%26%3Cb", "a&amp;&lt;b"},
    };
    size_t n = sizeof(keys) / sizeof(keys[0]);
    for (size_t i = 0; i < n; i++) {
        char *target = xasprintf("/bkt/%s", keys[i][0]);
        put(f, target);
        assert_int_equal(call(f, "GET", target, "", NULL), 200);
        free(target);
    }
    assert_int_equal(call(f, "GET", "/bkt?list-type=2", "", NULL), 200);
    for (size_t i = 0; i < n; i++) {
        char *element = xasprintf("<Key>%s</Key>", keys[i][1]);
        assert_true(body_has(f, element));
        free(element);
    }
    static const char *const bad[] = {"/bkt/%",   "/bkt/%4",     "/bkt/%zz", "/bkt/%00",
                                      "/bkt/%ff", "/bkt/%C0%AF", "/b%kt/k"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        call(f, "PUT", bad[i], BODY, NULL);
        is_error(f, 400, "InvalidURI");
    }
    char *longest = xcalloc(1, 1100);
    strcpy(longest, "/bkt/");
    memset(longest + 5, 'k', 1025);
    call(f, "PUT", longest, BODY, NULL);
    is_error(f, 400, "KeyTooLongError");
    longest[5 + 1024] = '\0';
    put(f, longest);
    free(longest);
}

static void test_digests(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(call(f, "PUT", "/bkt/k", BODY, "x-amz-checksum-sha256: " SHA256,
                          "x-amz-sdk-checksum-algorithm: SHA256", "Content-MD5: " MD5, NULL),
                     200);
    assert_string_equal(header(f, "x-amz-checksum-sha256"), SHA256);
    assert_int_equal(call(f, "GET", "/bkt/k", "", "x-amz-checksum-mode: ENABLED", NULL), 200);
    assert_string_equal(header(f, "x-amz-checksum-sha256"), SHA256);
    assert_string_equal(header(f, "x-amz-checksum-type"), "FULL_OBJECT");
    assert_int_equal(call(f, "PUT", "/bkt/k", BODY, "x-amz-checksum-crc32: " CRC32, NULL), 200);
    assert_int_equal(call(f, "HEAD", "/bkt/k", "", "x-amz-checksum-mode: ENABLED", NULL), 200);
    assert_string_equal(header(f, "x-amz-checksum-crc32"), CRC32);
    assert_string_equal(header(f, "x-amz-checksum-sha256"), "");
    assert_int_equal(
        call(f, "GET", "/bkt/k", "", "x-amz-checksum-mode: ENABLED", "Range: bytes=0-1", NULL),
        206);
    assert_string_equal(header(f, "x-amz-checksum-crc32"), ""); /* that of the whole object */

    call(f, "PUT", "/bkt/k", BODY, "x-amz-checksum-crc32: AAAAAA==", NULL);
    is_error(f, 400, "BadDigest");
    assert_true(body_has(f, "The CRC32 you specified did not match the calculated checksum."));
    call(f, "PUT", "/bkt/k", BODY "x", "x-amz-checksum-sha256: " SHA256, NULL);
    is_error(f, 400, "BadDigest");
    call(f, "PUT", "/bkt/k", BODY, "x-amz-checksum-crc32: Vhusr", NULL);
    is_error(f, 400, "InvalidRequest");
    call(f, "PUT", "/bkt/k", BODY, "x-amz-checksum-crc32: " SHA256, NULL);
    is_error(f, 400, "InvalidRequest");
    call(f, "PUT", "/bkt/k", BODY, "x-amz-checksum-crc32: " CRC32, "x-amz-checksum-sha256: " SHA256,
         NULL);
    is_error(f, 400, "InvalidRequest");
    call(f, "PUT", "/bkt/k", BODY, "x-amz-checksum-crc64nvme: Bg96aNxkN7M=", NULL);
    is_error(f, 501, "NotImplemented");
    call(f, "PUT", "/bkt/k", BODY, "Content-MD5: AAAAAAAAAAAAAAAAAAAAAA==", NULL);
    is_error(f, 400, "BadDigest");
    call(f, "PUT", "/bkt/k", BODY, "Content-MD5: abc", NULL);
    is_error(f, 400, "InvalidDigest");
}

static void test_conditional_puts(void **state)
{
    struct fixture *f = *state;
    static const char other[] = "If-Match: \"00000000000000000000000000000000\"";
    call(f, "PUT", "/bkt/k", BODY, "If-Match: " ETAG, NULL);
    is_error(f, 404, "NoSuchKey");
    assert_int_equal(call(f, "PUT", "/bkt/k", BODY, "If-None-Match: *", NULL), 200);
    call(f, "PUT", "/bkt/k", "other", "If-None-Match: *", NULL);
    is_error(f, 412, "PreconditionFailed");
    assert_true(body_has(f, "<Condition>If-None-Match</Condition>"));
    call(f, "PUT", "/bkt/k", "other", other, NULL);
    is_error(f, 412, "PreconditionFailed");
    assert_true(body_has(f, "<Condition>If-Match</Condition>"));
    call(f, "GET", "/bkt/k", "", NULL);
    assert_string_equal(header(f, "ETag"), ETAG);
    call(f, "PUT", "/bkt/k", "x", "If-None-Match: " ETAG, NULL);
    is_error(f, 501, "NotImplemented");
    call(f, "PUT", "/bkt/k", "x", "If-Match: *", NULL);
    is_error(f, 501, "NotImplemented");
    call(f, "PUT", "/bkt/k", "x", "If-Match: " ETAG, "If-None-Match: *", NULL);
    is_error(f, 501, "NotImplemented");
    assert_int_equal(call(f, "PUT", "/bkt/k", "other", "If-Match: " ETAG, NULL), 200);
    assert_string_not_equal(header(f, "ETag"), ETAG);
    call(f, "PUT", "/bkt/k", BODY, "If-Match: " ETAG, NULL);
    is_error(f, 412, "PreconditionFailed");
}

static void test_conditional_reads(void **state)
{
    struct fixture *f = *state;
    put(f, "/bkt/k");
    assert_int_equal(call(f, "GET", "/bkt/k", "", "If-Match: " ETAG, NULL), 200);
    assert_int_equal(call(f, "GET", "/bkt/k", "", "If-Match: *", NULL), 200);
    assert_int_equal(call(f, "GET", "/bkt/k", "", "If-Match: \"1\", " ETAG, NULL), 200);
    call(f, "GET", "/bkt/k", "", "If-Match: \"1\"", NULL);
    is_error(f, 412, "PreconditionFailed");
    assert_int_equal(call(f, "GET", "/bkt/k", "", "If-None-Match: " ETAG, NULL), 304);
    assert_null(f->w.answer.body);
    assert_string_equal(header(f, "ETag"), ETAG);
    assert_int_equal(call(f, "GET", "/bkt/k", "", "If-None-Match: \"1\"", NULL), 200);
}

static void test_ranges(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *range;
        const char *body;
        const char *content_range;
    } cases[] = {
        {"0-2", "{\"a", "bytes 0-2/7"}, {"3-", "\":1}", "bytes 3-6/7"}, {"-2", "1}", "bytes 5-6/7"},
        {"-99", BODY, "bytes 0-6/7"},   {"6-99", "}", "bytes 6-6/7"},   {"0-0", "{", "bytes 0-0/7"},
    };
    put(f, "/bkt/k");
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char *range = xasprintf("Range: bytes=%s", cases[i].range);
        assert_int_equal(call(f, "GET", "/bkt/k", "", range, NULL), 206);
        assert_int_equal(f->w.answer.body_len, strlen(cases[i].body));
        assert_memory_equal(f->w.answer.body, cases[i].body, strlen(cases[i].body));
        assert_string_equal(header(f, "Content-Range"), cases[i].content_range);
        free(range);
    }
    static const char *const outside[] = {"Range: bytes=7-", "Range: bytes=7-9", "Range: bytes=-0",
                                          "Range: bytes=999999999999999999-"};
    for (size_t i = 0; i < sizeof(outside) / sizeof(outside[0]); i++) {
        call(f, "GET", "/bkt/k", "", outside[i], NULL);
        is_error(f, 416, "InvalidRange");
        assert_string_equal(header(f, "Content-Range"), "bytes */7");
    }
    static const char *const ignored[] = {"Range: bytes=",
                                          "Range: bytes=-",
                                          "Range: bytes=4-2",
                                          "Range: bytes=0-1,3-4",
                                          "Range: lines=0-1",
                                          "Range: bytes=a-b",
                                          "Range: bytes=99999999999999999999-"};
    for (size_t i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++)
        assert_int_equal(call(f, "GET", "/bkt/k", "", ignored[i], NULL), 200);
}

static void test_deletes(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(call(f, "DELETE", "/bkt/k", "", NULL), 204);
    assert_int_equal(call(f, "DELETE", "/bkt/k", "", "If-Match: " ETAG, NULL), 204);
    put(f, "/bkt/k");
    call(f, "DELETE", "/bkt/k", "", "If-Match: \"1\"", NULL);
    is_error(f, 412, "PreconditionFailed");
    assert_int_equal(call(f, "DELETE", "/bkt/k", "", "If-Match: " ETAG, NULL), 204);
    call(f, "GET", "/bkt/k", "", NULL);
    is_error(f, 404, "NoSuchKey");
    call(f, "DELETE", "/bkt/k", "", "x-amz-if-match-size: 7", NULL);
    is_error(f, 501, "NotImplemented");
    put(f, "/bkt/a%26b");
    put(f, "/bkt/c");
    assert_int_equal(call(f, "POST", "/bkt?delete",
                          "<Delete><Object><Key>a&amp;b</Key></Object><Object><Key>gone</Key>"
                          "</Object></Delete>",
                          NULL),
                     200);
    assert_true(body_has(f, "<Deleted><Key>a&amp;b</Key></Deleted>"));
    assert_true(body_has(f, "<Deleted><Key>gone</Key></Deleted>"));
    assert_int_equal(call(f, "POST", "/bkt?delete",
                          "<Delete><Object><Key>c</Key></Object><Quiet>true</Quiet></Delete>",
                          NULL),
                     200);
    assert_false(body_has(f, "Deleted>"));
    static const char *const bad[] = {"", "<Delete/>", "<Other><Key>c</Key></Other>",
                                      "<Delete><Key>c", "{}"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        call(f, "POST", "/bkt?delete", bad[i], NULL);
        is_error(f, 400, "MalformedXML");
    }
    assert_int_equal(s3_service_counts(f->service).objects_deleted, 3);
}

static void test_metadata_bounds(void **state)
{
    struct fixture *f = *state;
    char *value = xasprintf("x-amz-meta-a: %02100d", 1);
    call(f, "PUT", "/bkt/k", BODY, value, NULL);
    is_error(f, 400, "MetadataTooLarge");
    free(value);
    call(f, "PUT", "/bkt/k", BODY, "x-amz-meta-a: caf\xc3\xa9", NULL);
    is_error(f, 400, "InvalidArgument");
}

static void test_full(void **state)
{
    struct fixture *f = *state;
    put(f, "/bkt/k");
    f->w.full = true;
    call(f, "PUT", "/bkt/l", BODY, NULL);
    is_error(f, 503, "ServiceUnavailable");
    assert_true(f->w.answer.retry_after_s > 0);
    call(f, "PUT", "/new", "", NULL);
    is_error(f, 503, "ServiceUnavailable");
    assert_int_equal(call(f, "GET", "/bkt/k", "", NULL), 200);
    assert_int_equal(call(f, "DELETE", "/bkt/k", "", NULL), 204);
}

/* ---- listings */

/* The keys and common prefixes of the last answer, "key key |prefix prefix". */
static char *listed(const struct fixture *f)
{
    struct xml_reader r;
    struct xml_piece piece;
    char name[64] = "";
    char outer[64] = "";
    struct buf keys = {0};
    struct buf prefixes = {0};
    enum xml_token token;
    xml_start(&r, f->w.answer.body, f->w.answer.body_len);
    while ((token = xml_next(&r, &piece)) != XML_DONE) {
        assert_int_not_equal(token, XML_BROKEN);
        if (token == XML_START) {
            if (r.depth == 2)
                strcpy(outer, piece.name);
            strcpy(name, piece.name);
        } else if (token == XML_TEXT) {
            if (strcmp(name, "Key") == 0)
                buf_printf(&keys, "%s ", piece.text);
            if (strcmp(outer, "CommonPrefixes") == 0 && strcmp(name, "Prefix") == 0)
                buf_printf(&prefixes, " %s", piece.text);
            free(piece.text);
        } else {
            name[0] = '\0';
        }
    }
    char *out = xasprintf("%s|%s", keys.data ? keys.data : "", prefixes.data ? prefixes.data : "");
    buf_free(&keys);
    buf_free(&prefixes);
    return out;
}

static void lists(struct fixture *f, const char *parameters, const char *expected)
{
    char *target = xasprintf("/bkt?list-type=2%s", parameters);
    if (call(f, "GET", target, "", NULL) != 200)
        print_error("%s: %s\n", target, f->w.answer.body);
    assert_int_equal(f->w.answer.status, 200);
    char *got = listed(f);
    assert_string_equal(got, expected);
    free(got);
    free(target);
}

static void set_up_keys(struct fixture *f)
{
    static const char *const keys[] = {"b/2", "a",      "b/1",   "b/x/1", "B",
                                       "c/",  "%C3%A9", "d%20e", "b"};
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        char *target = xasprintf("/bkt/%s", keys[i]);
        put(f, target);
        free(target);
    }
    assert_int_equal(call(f, "PUT", "/other", "", NULL), 200);
    put(f, "/other/zzz");
}

static void test_listings(void **state)
{
    struct fixture *f = *state;
    lists(f, "", "|");
    assert_true(body_has(f, "<KeyCount>0</KeyCount>") && body_has(f, "<Prefix></Prefix>"));
    set_up_keys(f);
    lists(f, "", "B a b b/1 b/2 b/x/1 c/ d e \xc3\xa9 |");
    assert_true(body_has(f, "<KeyCount>9</KeyCount>"));
    assert_true(body_has(f, "<IsTruncated>false</IsTruncated>"));
    assert_true(body_has(f, "<LastModified>2026-11-21T09:30:00.000Z</LastModified>"));
    assert_true(body_has(f, "<ETag>&quot;bb6cb5c68df4652941caf652a366f2d8&quot;</ETag><Size>7<"));
    lists(f, "&delimiter=/", "B a b d e \xc3\xa9 | b/ c/");
    lists(f, "&prefix=b%2F", "b/1 b/2 b/x/1 |");
    lists(f, "&prefix=b/&delimiter=/", "b/1 b/2 | b/x/");
    lists(f, "&prefix=b&delimiter=%2F", "b | b/");
    lists(f, "&prefix=nothing", "|");
    lists(f, "&start-after=b/1", "b/2 b/x/1 c/ d e \xc3\xa9 |");
    lists(f, "&start-after=b/15", "b/2 b/x/1 c/ d e \xc3\xa9 |");
    lists(f, "&start-after=%C3%A9", "|");
    lists(f, "&start-after=a&prefix=b/", "b/1 b/2 b/x/1 |");
    lists(f, "&start-after=z&prefix=b/", "|");
    lists(f, "&max-keys=0", "|");
    assert_true(body_has(f, "<IsTruncated>false</IsTruncated>"));
    lists(f, "&max-keys=5000&encoding-type=url", "B a b b/1 b/2 b/x/1 c/ d%20e %C3%A9 |");
    assert_true(body_has(f, "<MaxKeys>1000</MaxKeys>"));
    assert_true(body_has(f, "<EncodingType>url</EncodingType>"));
    static const char *const bad[] = {"max-keys=x",           "max-keys=-1",
                                      "encoding-type=base64", "continuation-token=%21",
                                      "continuation-token=",  "continuation-token=eA%3D%3D",
                                      "max-keys=99999999999"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        char *target = xasprintf("/bkt?list-type=2&%s", bad[i]);
        call(f, "GET", target, "", NULL);
        is_error(f, 400, "InvalidArgument");
        free(target);
    }
    call(f, "GET", "/bkt?list-type=1", "", NULL);
    is_error(f, 400, "InvalidArgument");
}

/* Pages of every size, with and without a delimiter, give the same as one page. */
static void test_pages(void **state)
{
    struct fixture *f = *state;
    set_up_keys(f);
    for (int delimiter = 0; delimiter < 2; delimiter++) {
        for (int size = 1; size <= 10; size++) {
            char *token = xstrdup("");
            int total = 0;
            int pages = 0;
            do {
                char *encoded = sigv4_encode(token, false);
                char *target = xasprintf("/bkt?max-keys=%d&list-type=2%s%s%s", size,
                                         delimiter ? "&delimiter=/" : "",
                                         *token ? "&continuation-token=" : "", encoded);
                assert_int_equal(call(f, "GET", target, "", NULL), 200);
                char *count = xml_first_text(f->w.answer.body, f->w.answer.body_len, "KeyCount");
                total += atoi(count);
                assert_true(atoi(count) <= size);
                pages++;
                free(count);
                free(target);
                free(encoded);
                free(token);
                token =
                    xml_first_text(f->w.answer.body, f->w.answer.body_len, "NextContinuationToken");
                assert_int_equal(token != NULL, body_has(f, "<IsTruncated>true</IsTruncated>"));
            } while (token);
            assert_int_equal(total, delimiter ? 7 : 9);
            assert_int_equal(pages, (total + size - 1) / size);
        }
    }
}

int main(void)
{
#define TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_buckets),
        TEST(test_what_it_does_not_know),
        TEST(test_put_and_get),
        TEST(test_keys_are_decoded_once),
        TEST(test_digests),
        TEST(test_conditional_puts),
        TEST(test_conditional_reads),
        TEST(test_ranges),
        TEST(test_deletes),
        TEST(test_metadata_bounds),
        TEST(test_full),
        TEST(test_listings),
        TEST(test_pages),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
