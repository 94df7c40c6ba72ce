/* AWS's published vectors (K, D1 to D3), vectors computed with AWS's SDK (V1 to V4), and a case for
 * each way in which signers are known to go wrong (aws-protocol notes 3.3 and 3.7). */
#include "common/aws/sigv4.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define EMPTY_HASH "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define SECRET_1 "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
#define SECRET_2 "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
#define TOKEN "TOK+EN/x=="
#define MAX_HEADERS 8

struct vector {
    const char *name;
    const char *secret, *region, *service, *amz_date;
    const char *method, *path, *query;
    struct sigv4_header headers[MAX_HEADERS]; /* ends at a NULL name */
    const char *body;
    const char *canonical_hash; /* or NULL */
    const char *signature;
};

#define DOC_HOST                                                                                   \
    {                                                                                              \
        "Host", "examplebucket.s3.amazonaws.com"                                                   \
    }
#define DOC_DATE                                                                                   \
    {                                                                                              \
        "x-amz-date", "20130524T000000Z"                                                           \
    }
#define OWN_HOST                                                                                   \
    {                                                                                              \
        "Host", "my-bucket.s3.eu-central-1.amazonaws.com"                                          \
    }
#define OWN_DATE                                                                                   \
    {                                                                                              \
        "X-Amz-Date", "20261121T093000Z"                                                           \
    }
#define EMPTY_SHA                                                                                  \
    {                                                                                              \
        "x-amz-content-sha256", EMPTY_HASH                                                         \
    }
#define SQS_HEADERS                                                                                \
    {"Host", "sqs.eu-central-1.amazonaws.com"}, {"Content-Type", "application/x-amz-json-1.0"},    \
        {"X-Amz-Target", "AmazonSQS.SendMessage"}, OWN_DATE
#define SQS_BODY                                                                                   \
    "{\"QueueUrl\":\"https://sqs.eu-central-1.amazonaws.com/123456789012/q1\","                    \
    "\"MessageBody\":\"hello\"}"
#define KEY_PATH "/dlq/year%3D2026/month%3D11/day%3D21/hour%3D09/x.json"

static const struct vector VECTORS[] = {
    {"D1",
     SECRET_2,
     "us-east-1",
     "s3",
     "20130524T000000Z",
     "GET",
     "/test.txt",
     "",
     {DOC_HOST, {"Range", "bytes=0-9"}, EMPTY_SHA, DOC_DATE},
     "",
     "7344ae5b7ee6c3e7e6b0fe0640412a37625d1fbfff95c48bbb2dc43964946972",
     "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"},
    {"D2",
     SECRET_2,
     "us-east-1",
     "s3",
     "20130524T000000Z",
     "GET",
     "/",
     "max-keys=2&prefix=J",
     {DOC_HOST, EMPTY_SHA, DOC_DATE},
     "",
     NULL,
     "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"},
    {"D2 unsorted",
     SECRET_2,
     "us-east-1",
     "s3",
     "20130524T000000Z",
     "GET",
     "/",
     "prefix=J&max-keys=2",
     {DOC_HOST, EMPTY_SHA, DOC_DATE},
     "",
     NULL,
     "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"},
    {"D3",
     SECRET_2,
     "us-east-1",
     "s3",
     "20130524T000000Z",
     "GET",
     "/",
     "lifecycle",
     {DOC_HOST, EMPTY_SHA, DOC_DATE},
     "",
     NULL,
     "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"},
    {"V1",
     SECRET_1,
     "eu-central-1",
     "sqs",
     "20261121T093000Z",
     "POST",
     "/",
     "",
     {SQS_HEADERS},
     SQS_BODY,
     "3f8761d21c32f324899512dae853239358ad6609f40b8862666777e79ab9768f",
     "d840e749a5d9ec9d7f71f742fafb55b639b96c5c0fd709de918aa340828434eb"},
    {"V1 empty path",
     SECRET_1,
     "eu-central-1",
     "sqs",
     "20261121T093000Z",
     "POST",
     "",
     "",
     {SQS_HEADERS},
     SQS_BODY,
     NULL,
     "d840e749a5d9ec9d7f71f742fafb55b639b96c5c0fd709de918aa340828434eb"},
    {"V1t",
     SECRET_1,
     "eu-central-1",
     "sqs",
     "20261121T093000Z",
     "POST",
     "/",
     "",
     {SQS_HEADERS, {"X-Amz-Security-Token", TOKEN}},
     SQS_BODY,
     NULL,
     "e14e2adbbe98427670caa96f238cb084d8c19703026bfa034a44379c0b3a3a7f"},
    {"V2",
     SECRET_1,
     "eu-central-1",
     "s3",
     "20261121T093000Z",
     "PUT",
     KEY_PATH,
     "",
     {OWN_HOST,
      {"Content-Type", "application/json"},
      {"If-None-Match", "*"},
      {"x-amz-content-sha256", "015abd7f5cc57a2dd94b7590f04ad8084273905ee33ec5cebeae62276a97f862"},
      OWN_DATE,
      {"x-amz-meta-id-2", "2"},
      {"x-amz-meta-id", "1"}},
     "{\"a\":1}",
     "fea3766f0e8aab361dc7ec00e245aee288f5e5e49477538a7d7970339bf8952c",
     "6e521a873e080aa2af9e4d73381e872b0a0e9aecdcc53da159ef419bee313669"},
    {"V2 lower-case escapes",
     SECRET_1,
     "eu-central-1",
     "s3",
     "20261121T093000Z",
     "PUT",
     "/dlq/year%3d2026/month=11/day%3D21/hour%3d09/x%2ejson",
     "",
     {OWN_HOST,
      {"Content-Type", "  application/json "},
      {"If-None-Match", "*"},
      {"x-amz-content-sha256", "015abd7f5cc57a2dd94b7590f04ad8084273905ee33ec5cebeae62276a97f862"},
      OWN_DATE,
      {"x-amz-meta-id-2", "2"},
      {"x-amz-meta-id", "1"}},
     "{\"a\":1}",
     "fea3766f0e8aab361dc7ec00e245aee288f5e5e49477538a7d7970339bf8952c",
     "6e521a873e080aa2af9e4d73381e872b0a0e9aecdcc53da159ef419bee313669"},
    {"V3",
     SECRET_1,
     "eu-central-1",
     "s3",
     "20261121T093000Z",
     "GET",
     "/",
     "continuation-token=1ueGcxLPRx1Tr%2FXYExHnhbLgveL2R2j%2BQ%3D&list-type=2"
     "&prefix=dlq%2Fyear%3D2026%2F",
     {OWN_HOST, EMPTY_SHA, OWN_DATE},
     "",
     "27b9a879e2decd86d00011b8e6365a1b4ebf5e3866d65f22b53d308bff2f6a1a",
     "8e12b357ed07b44df256d74f5fe27a4e7d26554e8d9a6da32319bdc20632b21a"},
    {"V3 raw",
     SECRET_1,
     "eu-central-1",
     "s3",
     "20261121T093000Z",
     "GET",
     "/",
     "prefix=dlq/year=2026/&list-type=2&continuation-token=1ueGcxLPRx1Tr/XYExHnhbLgveL2R2j+Q=",
     {OWN_HOST, EMPTY_SHA, OWN_DATE},
     "",
     "27b9a879e2decd86d00011b8e6365a1b4ebf5e3866d65f22b53d308bff2f6a1a",
     "8e12b357ed07b44df256d74f5fe27a4e7d26554e8d9a6da32319bdc20632b21a"},
    {"V4",
     SECRET_1,
     "eu-central-1",
     "s3",
     "20261121T093000Z",
     "GET",
     KEY_PATH,
     "",
     {OWN_HOST, EMPTY_SHA, OWN_DATE, {"x-amz-security-token", TOKEN}},
     "",
     "62c4138a01ea9da4b4b1c8c42015772584d060a3e0f3e009dcaf5f40cb8257cf",
     "776366ef896cae6fbdee313402031ece76c9934eaad83eba5644b62f1109a79a"},
};

static struct sigv4_request request_of(const struct vector *v, char hash[SIGV4_HEX_BYTES])
{
    sigv4_sha256_hex(v->body, strlen(v->body), hash);
    struct sigv4_request r = {.method = v->method,
                              .path = v->path,
                              .query = v->query,
                              .headers = v->headers,
                              .payload_hash = hash};
    while (r.header_count < MAX_HEADERS && v->headers[r.header_count].name)
        r.header_count++;
    return r;
}

static struct sigv4_key key_of(const struct vector *v)
{
    struct sigv4_key key = {.access_key_id = "AKIDEXAMPLE"};
    memcpy(key.date, v->amz_date, 8);
    strcpy(key.region, v->region);
    strcpy(key.service, v->service);
    sigv4_derive_key(v->secret, key.date, v->region, v->service, key.key);
    return key;
}

static void vectors_match(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(VECTORS) / sizeof(VECTORS[0]); i++) {
        const struct vector *v = &VECTORS[i];
        char hash[SIGV4_HEX_BYTES], canonical_hash[SIGV4_HEX_BYTES], signature[SIGV4_HEX_BYTES];
        struct sigv4_request r = request_of(v, hash);
        struct sigv4_key key = key_of(v);
        char *canonical = sigv4_canonical_request(&r, v->service);
        sigv4_sha256_hex(canonical, strlen(canonical), canonical_hash);
        sigv4_signature(&r, &key, v->amz_date, signature);
        if ((v->canonical_hash && strcmp(canonical_hash, v->canonical_hash)) ||
            strcmp(signature, v->signature))
            fail_msg("%s: canonical request was\n%s", v->name, canonical);
        free(canonical);
    }
}

static void signing_key_is_derived(void **state)
{
    (void)state;
    static const unsigned char expected[SIGV4_KEY_BYTES] = {
        0xc4, 0xaf, 0xb1, 0xcc, 0x57, 0x71, 0xd8, 0x71, 0x76, 0x3a, 0x39,
        0x3e, 0x44, 0xb7, 0x03, 0x57, 0x1b, 0x55, 0xcc, 0x28, 0x42, 0x4d,
        0x1a, 0x5e, 0x86, 0xda, 0x6e, 0xd3, 0xc1, 0x54, 0xa4, 0xb9};
    unsigned char key[SIGV4_KEY_BYTES];
    sigv4_derive_key(SECRET_1, "20150830", "us-east-1", "iam", key);
    assert_memory_equal(key, expected, sizeof(key));
}

static void authorization_has_its_parts(void **state)
{
    (void)state;
    const struct vector *v = &VECTORS[0];
    char hash[SIGV4_HEX_BYTES];
    struct sigv4_request r = request_of(v, hash);
    struct sigv4_key key = key_of(v);
    char *value = sigv4_authorization(&r, &key, v->amz_date);
    assert_string_equal(
        value, "AWS4-HMAC-SHA256 "
               "Credential=AKIDEXAMPLE/20130524/us-east-1/s3/aws4_request, "
               "SignedHeaders=host;range;x-amz-content-sha256;x-amz-date, "
               "Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41");
    free(value);
}

static void canonical_is(const char *service, const char *path, const char *query,
                         const char *expected_path, const char *expected_query)
{
    struct sigv4_header host = {"host", "h"};
    struct sigv4_request r = {"GET", path, query, &host, 1, EMPTY_HASH};
    char *text = sigv4_canonical_request(&r, service);
    char expected[1024];
    snprintf(expected, sizeof(expected), "GET\n%s\n%s\nhost:h\n\nhost\n" EMPTY_HASH, expected_path,
             expected_query);
    assert_string_equal(text, expected);
    free(text);
}

static void paths_are_canonical(void **state)
{
    (void)state;
    canonical_is("sqs", "/a%20b", "", "/a%2520b", "");
    canonical_is("sqs", "/a/./b/../c", "", "/a/c", "");
    canonical_is("sqs", "/../../x", "", "/x", "");
    canonical_is("sqs", "//a///b/", "", "/a/b/", "");
    canonical_is("sqs", "/a/..", "", "/", "");
    canonical_is("sqs", "/a/b/.", "", "/a/b/", "");
    canonical_is("sqs", "/a/b/..", "", "/a/", "");
    canonical_is("s3", "/a//b/../c/.", "", "/a//b/../c/.", "");
    canonical_is("s3", "/a%20b/%7e~/+,", "", "/a%20b/~~/%2B%2C", "");
    canonical_is("s3", "/\xc3\xa9%c3%a9", "", "/%C3%A9%C3%A9", "");
    canonical_is("s3", "/50%/a%2", "", "/50%25/a%252", "");
    canonical_is("s3", "", "", "/", "");
}

static void queries_are_canonical(void **state)
{
    (void)state;
    canonical_is("s3", "/", "versioning", "/", "versioning=");
    canonical_is("s3", "/", "b=2&a=1&a=0", "/", "a=0&a=1&b=2");
    /* Pairs are sorted, not joined strings: '-' comes before '=' but the shorter name comes first.
     */
    canonical_is("s3", "/", "select-type=2&select", "/", "select=&select-type=2");
    canonical_is("s3", "/", "a=b=c/d+e%20%2f", "/", "a=b%3Dc%2Fd%2Be%20%2F");
    canonical_is("s3", "/", "&&x&", "/", "x=");
    canonical_is("s3", "/", "~=%7E", "/", "~=~");
}

static void headers_are_canonical(void **state)
{
    (void)state;
    struct sigv4_header headers[] = {
        {"X-B", "two  words\t here "},
        {"Host", "127.0.0.1:9324"},
        {"x-a-2", "z"},
        {"x-b", "again"},
        {"X-A", ""},
    };
    struct sigv4_request r = {"GET", "/", "", headers, 5, EMPTY_HASH};
    char *text = sigv4_canonical_request(&r, "s3");
    assert_string_equal(text, "GET\n/\n\nhost:127.0.0.1:9324\nx-a:\nx-a-2:z\n"
                              "x-b:two words here,again\n\nhost;x-a;x-a-2;x-b\n" EMPTY_HASH);
    free(text);
    char *names = sigv4_signed_headers(&r);
    assert_string_equal(names, "host;x-a;x-a-2;x-b");
    free(names);
}

static void encoding_is_upper_case(void **state)
{
    (void)state;
    char *text = sigv4_encode("a/b c~=%\xff", true);
    assert_string_equal(text, "a/b%20c~%3D%25%FF");
    free(text);
    text = sigv4_encode("a/b", false);
    assert_string_equal(text, "a%2Fb");
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vectors_match),
        cmocka_unit_test(signing_key_is_derived),
        cmocka_unit_test(authorization_has_its_parts),
        cmocka_unit_test(paths_are_canonical),
        cmocka_unit_test(queries_are_canonical),
        cmocka_unit_test(headers_are_canonical),
        cmocka_unit_test(encoding_is_upper_case),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
