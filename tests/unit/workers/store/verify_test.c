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

static struct material *keys(const char *akid, const char *secret)
{
    struct material *m = material_new();
    unsigned char key[SIGV4_KEY_BYTES];
    char hex[65];
    sigv4_derive_key(secret, "20261121", "local", "sqs", key);
    for (int i = 0; i < SIGV4_KEY_BYTES; i++)
        snprintf(hex + 2 * i, 3, "%02x", key[i]);
    json_t *msg =
        json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:i}", "t", "material", "kind",
                  "sigv4", "identity", "embedded", "region", "local", "service", "sqs", "date",
                  "20261121", "access_key_id", akid, "key", hex, "token", "", "version", 1);
    assert_int_equal(material_put(m, msg), 0);
    json_decref(msg);
    return m;
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_requests_pass),
        cmocka_unit_test(changed_requests_fail),
        cmocka_unit_test(the_window_is_fifteen_minutes),
        cmocka_unit_test(keys_and_scope_count),
        cmocka_unit_test(mangled_headers_are_incomplete),
    };
    return cmocka_run_group_tests_name("verify", tests, NULL, NULL);
}
