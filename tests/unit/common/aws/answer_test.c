#include "common/aws/answer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct aws_endpoint s3 = {
    .identity = "aws", .region = "eu-central-1", .service = "s3"};
static const struct aws_endpoint sqs = {
    .identity = "aws", .region = "eu-central-1", .service = "sqs"};

static const struct http_header moved[] = {{"X-Amz-Bucket-Region", "us-east-1"}};
static const struct http_header here[] = {{"x-amz-bucket-region", "eu-central-1"}};
static const struct http_header type[] = {{"x-amzn-ErrorType", "AccessDeniedException:http://x/"}};
static const struct http_header query[] = {
    {"x-amzn-query-error", "AWS.SimpleQueueService.NonExistentQueue;Sender"}};

static bool never(const struct aws_reply *reply)
{
    (void)reply;
    return false;
}

static void answers_have_classes(void **state)
{
    (void)state;
    static const struct aws_request xml = {0}, json = {.json_answer = true},
                                    put = {.empty_answer = true}, checked = {.intact = never};
    static const struct {
        const struct aws_endpoint *endpoint;
        const struct aws_request *request;
        enum http_outcome outcome;
        int status;
        const struct http_header *header;
        const char *body;
        enum aws_class class;
        const char *code, *part; /* part: of the message */
    } CASES[] = {
        {&s3, &xml, HTTP_ANSWERED, 200, NULL, "", AWS_OK, "", ""},
        {&sqs, &json, HTTP_ANSWERED, 200, NULL, "", AWS_TRANSIENT, "UnreadableAnswer", "JSON"},
        {&sqs, &json, HTTP_ANSWERED, 200, NULL, "[]", AWS_TRANSIENT, "UnreadableAnswer", "JSON"},
        {&sqs, &json, HTTP_ANSWERED, 200, NULL, "{}", AWS_OK, "", ""},
        {&sqs, &json, HTTP_ANSWERED, 403, type, "", AWS_DENIED, "AccessDeniedException", ""},
        {&sqs, &json, HTTP_ANSWERED, 200, NULL, "{", AWS_TRANSIENT, "UnreadableAnswer", "JSON"},
        {&sqs, &json, HTTP_TIMEOUT, 0, NULL, "", AWS_TRANSIENT, "Timeout", "why"},
        {&sqs, &json, HTTP_UNREACHABLE, 0, NULL, "", AWS_TRANSIENT, "Unreachable", "why"},
        {&sqs, &json, HTTP_BROKEN, 0, NULL, "", AWS_TRANSIENT, "ConnectionBroken", "why"},
        {&sqs, &json, HTTP_TOO_LARGE, 200, NULL, "", AWS_TOO_LARGE, "AnswerTooLarge", "why"},
        {&sqs, &json, HTTP_ANSWERED, 400, query, "{\"__type\":\"x#Unheard\"}", AWS_MISSING,
         "Unheard", ""},
        {&sqs, &json, HTTP_ANSWERED, 400, query, "<html>", AWS_MISSING,
         "AWS.SimpleQueueService.NonExistentQueue", ""},
        {&s3, &xml, HTTP_ANSWERED, 404, NULL, "<Error><Code>NoSuchKey</Code></Error>", AWS_MISSING,
         "NoSuchKey", ""},
        {&s3, &xml, HTTP_ANSWERED, 403, NULL, "", AWS_DENIED, "HTTP 403", ""},
        {&s3, &xml, HTTP_ANSWERED, 403, here, "", AWS_DENIED, "HTTP 403", ""},
        {&s3, &xml, HTTP_ANSWERED, 301, moved, "<Error><Code>PermanentRedirect</Code></Error>",
         AWS_INVALID, "WrongRegion", "region us-east-1, but requests are made in eu-central-1"},
        {&s3, &xml, HTTP_ANSWERED, 307, moved, "", AWS_INVALID, "WrongRegion", "us-east-1"},
        {&s3, &xml, HTTP_ANSWERED, 400, moved, "", AWS_INVALID, "WrongRegion", "us-east-1"},
        {&s3, &xml, HTTP_ANSWERED, 400, NULL,
         "<Error><Code>AuthorizationHeaderMalformed</Code><Region>ap-south-1</Region></Error>",
         AWS_INVALID, "WrongRegion", "ap-south-1"},
        {&s3, &xml, HTTP_ANSWERED, 503, moved, "", AWS_TRANSIENT, "HTTP 503", ""},
        {&s3, &xml, HTTP_ANSWERED, 301, NULL, "", AWS_INVALID, "HTTP 301", ""},
        {&sqs, &json, HTTP_ANSWERED, 400, moved, "{}", AWS_INVALID, "HTTP 400", ""},
        {&s3, &put, HTTP_ANSWERED, 200, NULL, "", AWS_OK, "", ""},
        {&s3, &put, HTTP_ANSWERED, 200, NULL, "<PutObjectResult/>", AWS_OK, "", ""},
        {&s3, &put, HTTP_ANSWERED, 200, NULL,
         "<?xml version=\"1.0\"?>\n<Error><Code>InternalError</Code><Message>m</Message></Error>",
         AWS_TRANSIENT, "InternalError", "m"},
        {&s3, &put, HTTP_ANSWERED, 200, NULL, "<Error><Code>Unheard</Code></Error>", AWS_TRANSIENT,
         "Unheard", ""},
        {&s3, &put, HTTP_ANSWERED, 200, NULL, "<Error><Code>SlowDown</Code></Error>", AWS_THROTTLED,
         "SlowDown", ""},
        {&s3, &xml, HTTP_ANSWERED, 200, NULL, "<Error><Code>SlowDown</Code></Error>", AWS_OK, "",
         ""}, /* an object */
        {&s3, &checked, HTTP_ANSWERED, 200, NULL, "x", AWS_TRANSIENT, "BadChecksum", "checksum"},
        {&s3, &checked, HTTP_ANSWERED, 404, NULL, "x", AWS_TRANSIENT, "BadChecksum", "checksum"},
        {&s3, &checked, HTTP_TIMEOUT, 0, NULL, "", AWS_TRANSIENT, "Timeout", "why"},
    };
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        struct http_answer http = {.outcome = CASES[i].outcome,
                                   .status = CASES[i].status,
                                   .error = CASES[i].outcome == HTTP_ANSWERED ? "" : "why",
                                   .body = CASES[i].body,
                                   .body_len = strlen(CASES[i].body),
                                   .headers = CASES[i].header,
                                   .header_count = CASES[i].header ? 1 : 0};
        struct answer a;
        answer_read(&a, CASES[i].endpoint, CASES[i].request, &http);
        if (a.reply.class != CASES[i].class || strcmp(a.reply.code, CASES[i].code) ||
            !strstr(a.reply.message, CASES[i].part))
            fail_msg("case %zu: %s, %s: %s", i, aws_class_word(a.reply.class), a.reply.code,
                     a.reply.message);
        assert_ptr_equal(a.reply.http, &http);
        answer_free(&a);
    }
}

static void what_a_refusal_is_about(void **state)
{
    (void)state;
    static const struct {
        enum aws_class class;
        const char *code;
        bool key, clock;
    } CASES[] = {
        {AWS_EXPIRED, "ExpiredToken", true, false},
        {AWS_DENIED, "InvalidClientTokenId", true, false},
        {AWS_DENIED, "InvalidAccessKeyId", true, false},
        {AWS_DENIED, "UnrecognizedClientException", true, false},
        {AWS_SKEW, "RequestTimeTooSkewed", false, true},
        {AWS_DENIED, "SignatureDoesNotMatch", true, true}, /* a wrong secret */
        {AWS_DENIED, "InvalidSignatureException", true, true},
        {AWS_DENIED, "AuthFailure", false, true},
        {AWS_DENIED, "AccessDenied", false, false},
        {AWS_OK, "", false, false},
    };
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        struct aws_reply reply = {.class = CASES[i].class, .code = CASES[i].code};
        assert_int_equal(answer_is_about_key(&reply), CASES[i].key);
        assert_int_equal(answer_is_about_clock(&reply), CASES[i].clock);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_have_classes),
        cmocka_unit_test(what_a_refusal_is_about),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
