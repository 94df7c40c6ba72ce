/* Signed with our own signer, which has AWS's vectors in its own test; refused for every reason. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/aws/material.h"
#include "common/base/clock.h"
#include "workers/store/verify.h"

#define NOW 1795253400000 /* 2026-11-21T09:30:00Z */
#define BODY "{\"QueueUrl\":\"q\"}"

struct request {
    struct sigv4_header headers[8];
    size_t count;
    char *authorization;
    const char *body;
};

static struct material *service_keys(const char *service, const char *akid, const char *secret)
{
    struct material *m = material_new();
    unsigned char key[SIGV4_KEY_BYTES];
    char hex[65];
    sigv4_derive_key(secret, "20261121", "local", service, key);
    for (int i = 0; i < SIGV4_KEY_BYTES; i++)
        snprintf(hex + 2 * i, 3, "%02x", key[i]);
    json_t *msg =
        json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:i}", "t", "material", "kind",
                  "sigv4", "identity", "embedded", "region", "local", "service", service, "date",
                  "20261121", "access_key_id", akid, "key", hex, "token", "", "version", 1);
    assert_int_equal(material_put(m, msg), 0);
    json_decref(msg);
    return m;
}

static struct material *keys(const char *akid, const char *secret)
{
    return service_keys("sqs", akid, secret);
}

static void sign(struct request *r, const char *amz_date, const char *region)
{
    struct sigv4_key key = {.access_key_id = "AKID"};
    char hash[SIGV4_HEX_BYTES];
    *r = (struct request){.headers = {{"Host", "store.local"},
                                      {"X-Amz-Date", amz_date},
                                      {"X-Amz-Target", "AmazonSQS.SendMessage"}},
                          .count = 3,
                          .body = BODY};
    memcpy(key.date, amz_date, 8);
    snprintf(key.region, sizeof(key.region), "%s", region);
    strcpy(key.service, "sqs");
    sigv4_derive_key("secret", key.date, region, "sqs", key.key);
    sigv4_sha256_hex(BODY, strlen(BODY), hash);
    struct sigv4_request s = {"POST", "/", "", r->headers, r->count, hash};
    r->authorization = sigv4_authorization(&s, &key, amz_date);
    r->headers[r->count++] = (struct sigv4_header){"Authorization", r->authorization};
}

static const char *verdict(const struct material *m, const struct request *r, int *status_out)
{
    struct verify_input in = {"POST", "/", "", r->headers, r->count, r->body, strlen(r->body)};
    static struct verify_result out;
    bool good = verify_request(m, "local", "sqs", &in, NOW, &out);
    assert_int_equal(good, out.status == 200);
    if (good)
        assert_string_equal(out.caller, "AKID");
    else
        assert_true(strlen(out.message) > 0);
    *status_out = out.status;
    return out.code;
}

static void check(const struct material *m, struct request *r, int status, const char *code)
{
    int got = 0;
    assert_string_equal(verdict(m, r, &got), code);
    assert_int_equal(got, status);
}

static void good_requests_pass(void **state)
{
    (void)state;
    struct material *m = keys("AKID", "secret");
    static const char *const dates[] = {"20261121T093000Z", "20261121T091500Z", "20261121T094500Z"};
    for (size_t i = 0; i < 3; i++) {
        struct request r;
        sign(&r, dates[i], "local");
        check(m, &r, 200, "");
        free(r.authorization);
    }
    material_free(m);
}

static void changed_requests_fail(void **state)
{
    (void)state;
    struct material *m = keys("AKID", "secret");
    struct request r;
    sign(&r, "20261121T093000Z", "local");
    r.body = "{}";
    check(m, &r, 403, "SignatureDoesNotMatch");
    r.body = BODY;
    r.headers[2].value = "AmazonSQS.PurgeQueue";
    check(m, &r, 403, "SignatureDoesNotMatch");
    r.headers[2] = (struct sigv4_header){"X-Other", "signed header is missing"};
    check(m, &r, 403, "SignatureDoesNotMatch");
    r.headers[2] = (struct sigv4_header){"X-Amz-Target", "AmazonSQS.SendMessage"};
    check(m, &r, 200, "");
    r.count = 3; /* no Authorization */
    check(m, &r, 403, "MissingAuthenticationToken");
    free(r.authorization);
    material_free(m);
}

static void the_window_is_fifteen_minutes(void **state)
{
    (void)state;
    struct material *m = keys("AKID", "secret");
    static const char *const dates[] = {"20261121T091459Z", "20261121T094501Z", "20261120T093000Z"};
    for (size_t i = 0; i < 3; i++) {
        struct request r;
        sign(&r, dates[i], "local");
        check(m, &r, 403, "RequestTimeTooSkewed");
        free(r.authorization);
    }
    material_free(m);
}

static void keys_and_scope_count(void **state)
{
    (void)state;
    struct material *none = material_new();
    struct material *other = keys("OTHER", "secret");
    struct material *wrong = keys("AKID", "another");
    struct request r;
    sign(&r, "20261121T093000Z", "local");
    check(none, &r, 503, "ServiceUnavailable");
    check(other, &r, 403, "InvalidClientTokenId");
    check(wrong, &r, 403, "SignatureDoesNotMatch");
    free(r.authorization);
    sign(&r, "20261121T093000Z", "eu-central-1");
    check(wrong, &r, 403, "SignatureDoesNotMatch");
    free(r.authorization);
    material_free(none);
    material_free(other);
    material_free(wrong);
}

static void mangled_headers_are_incomplete(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "Bearer x",
        "AWS4-HMAC-SHA256",
        "AWS4-HMAC-SHA256 Credential=AKID/20261121/local/sqs/aws4_request",
        "AWS4-HMAC-SHA256 Credential=AKID/20261121/local/sqs/aws4_request, SignedHeaders=host",
        "AWS4-HMAC-SHA256 Credential=AKID/20261121/local/sqs, SignedHeaders=host, Signature=00",
        "AWS4-HMAC-SHA256 Credential=AKID/20261121/local/sqs/aws4_request/x, SignedHeaders=host, "
        "Signature=0000000000000000000000000000000000000000000000000000000000000000",
        "AWS4-HMAC-SHA256 Credential=////, SignedHeaders=host, "
        "Signature=0000000000000000000000000000000000000000000000000000000000000000",
        "AWS4-HMAC-SHA256 Credential=AKID/20261121/local/sqs/aws4_request, SignedHeaders=host, "
        "Signature=00",
    };
    struct material *m = keys("AKID", "secret");
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct request r;
        sign(&r, "20261121T093000Z", "local");
        r.headers[3].value = bad[i];
        check(m, &r, 403, "IncompleteSignature");
        free(r.authorization);
    }
    struct request r;
    sign(&r, "20261121T093000Z", "local");
    r.headers[1].value = "yesterday";
    check(m, &r, 403, "IncompleteSignature");
    /* host must be among what is signed */
    r.headers[1].value = "20261121T093000Z";
    r.headers[3].value =
        "AWS4-HMAC-SHA256 Credential=AKID/20261121/local/sqs/aws4_request, "
        "SignedHeaders=x-amz-date, "
        "Signature=0000000000000000000000000000000000000000000000000000000000000000";
    check(m, &r, 403, "SignatureDoesNotMatch");
    free(r.authorization);
    material_free(m);
}

/* A PUT to S3; the header fields after the first signed_count are not signed. */
static void check_s3(const char *body, const char *content_sha256, size_t signed_count,
                     const char *region, int status, const char *code)
{
    struct material *m = service_keys("s3", "AKID", "secret");
    struct sigv4_header headers[5] = {{"Host", "store.local"},
                                      {"X-Amz-Date", "20261121T093000Z"},
                                      {"x-amz-content-sha256", content_sha256},
                                      {"x-amz-meta-id", "1"}};
    struct sigv4_key key = {.access_key_id = "AKID", .date = "20261121", .service = "s3"};
    snprintf(key.region, sizeof(key.region), "%s", region);
    sigv4_derive_key("secret", key.date, region, "s3", key.key);
    struct sigv4_request s = {"PUT",   "/bkt/a%20b//c", "x-id=PutObject",
                              headers, signed_count,    content_sha256};
    char *authorization = sigv4_authorization(&s, &key, "20261121T093000Z");
    headers[4] = (struct sigv4_header){"Authorization", authorization};
    struct verify_input in = {"PUT", "/bkt/a%20b//c", "x-id=PutObject", headers, 5,
                              body,  strlen(body)};
    struct verify_result out;
    bool good = verify_request(m, "local", "s3", &in, NOW, &out);
    assert_int_equal(out.status, status);
    assert_int_equal(good, status == 200);
    assert_string_equal(out.code, code);
    free(authorization);
    material_free(m);
}

static void s3_asks_for_more(void **state)
{
    (void)state;
    static const char streaming[] = "STREAMING-UNSIGNED-PAYLOAD-TRAILER";
    char hash[SIGV4_HEX_BYTES];
    sigv4_sha256_hex(BODY, strlen(BODY), hash);
    check_s3(BODY, hash, 4, "local", 200, "");
    check_s3(BODY, "UNSIGNED-PAYLOAD", 4, "local", 200, "");
    check_s3("{}", "UNSIGNED-PAYLOAD", 4, "local", 200, "");
    check_s3("{}", hash, 4, "local", 400, "XAmzContentSHA256Mismatch");
    check_s3(BODY, "SIGNED-PAYLOAD", 4, "local", 400, "XAmzContentSHA256Mismatch");
    check_s3(BODY, streaming, 4, "local", 501, "NotImplemented");
    check_s3(BODY, hash, 3, "local", 403, "AccessDenied");
    check_s3(BODY, hash, 4, "us-east-1", 400, "AuthorizationHeaderMalformed");

    struct material *m = service_keys("s3", "AKID", "secret");
    struct material *none = material_new();
    struct material *other = service_keys("s3", "OTHER", "secret");
    struct sigv4_header headers[3] = {
        {"Host", "store.local"},
        {"X-Amz-Date", "20261121T093000Z"},
        {"Authorization",
         "AWS4-HMAC-SHA256 Credential=AKID/20261121/local/s3/aws4_request, "
         "SignedHeaders=host;x-amz-date, "
         "Signature=0000000000000000000000000000000000000000000000000000000000000000"}};
    struct verify_input in = {"GET", "/bkt", "", headers, 3, "", 0};
    struct verify_result out;
    assert_false(verify_request(m, "local", "s3", &in, NOW, &out));
    assert_string_equal(out.code, "InvalidRequest"); /* no x-amz-content-sha256 */
    assert_int_equal(out.status, 400);
    assert_false(verify_request(none, "local", "s3", &in, NOW, &out));
    assert_int_equal(out.status, 503);
    assert_false(verify_request(other, "local", "s3", &in, NOW, &out));
    assert_string_equal(out.code, "InvalidAccessKeyId");
    in.header_count = 2;
    assert_false(verify_request(m, "local", "s3", &in, NOW, &out));
    assert_string_equal(out.code, "AccessDenied");
    material_free(m);
    material_free(none);
    material_free(other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_requests_pass),
        cmocka_unit_test(changed_requests_fail),
        cmocka_unit_test(the_window_is_fifteen_minutes),
        cmocka_unit_test(keys_and_scope_count),
        cmocka_unit_test(mangled_headers_are_incomplete),
        cmocka_unit_test(s3_asks_for_more),
    };
    return cmocka_run_group_tests_name("verify", tests, NULL, NULL);
}
