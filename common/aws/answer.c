#include "common/aws/answer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/aws/xml.h"

static const char *outcome_code(enum http_outcome outcome)
{
    static const char *const CODES[] = {
        [HTTP_ANSWERED] = "",
        [HTTP_TIMEOUT] = "Timeout",
        [HTTP_UNREACHABLE] = "Unreachable",
        [HTTP_BROKEN] = "ConnectionBroken",
        [HTTP_TOO_LARGE] = "AnswerTooLarge",
    };
    return CODES[outcome];
}

/* NUL is let through in strings: a message that holds one must not make the whole answer
 * unreadable; its MD5 tells. */
static json_t *parse_object(const struct http_answer *http)
{
    const char *p = http->body;
    while (*p == ' ' || *p == '\t' || *p == '\r' || *p == '\n')
        p++;
    return *p == '{' ? json_loadb(http->body, http->body_len, JSON_ALLOW_NUL, NULL) : NULL;
}

static void set(struct answer *a, enum aws_class class, const char *code, const char *message)
{
    a->reply.class = class;
    a->reply.code = code;
    a->reply.message = message;
}

/* ---- a bucket elsewhere ---- */

static bool may_be_elsewhere(int status)
{
    return status == 301 || status == 307 || status == 400 || status == 403;
}

/* A wrong region is said in many ways (a HEAD has no body at all), but always with the right one.
 */
static void look_for_region(struct answer *a, const struct aws_endpoint *endpoint,
                            const struct http_answer *http)
{
    char *element = NULL;
    const char *region = http_answer_header(http, "x-amz-bucket-region");
    if (!region && http->body_len && http->body[0] == '<')
        region = element = xml_first_text(http->body, http->body_len, "Region");
    if (region && *region && strcmp(region, endpoint->region) != 0) {
        snprintf(a->error.message, sizeof(a->error.message),
                 "the bucket is in region %.40s, but requests are made in %s: set aws.region or "
                 "AWS_REGION to it",
                 region, endpoint->region);
        set(a, AWS_INVALID, "WrongRegion", a->error.message);
    }
    free(element);
}

/* ---- judging ---- */

/* S3 may have answered "200" before it knew that it would fail. */
static bool is_error_document(const struct http_answer *http)
{
    struct xml_reader r;
    struct xml_piece piece = {0};
    xml_start(&r, http->body, http->body_len);
    enum xml_token token = xml_next(&r, &piece);
    free(piece.text);
    return token == XML_START && strcmp(piece.name, "Error") == 0;
}

/* status: the answer's own, or what it should have been. */
static void judge_error(struct answer *a, const struct aws_endpoint *endpoint,
                        const struct http_answer *http, int status)
{
    const char *query_error = http_answer_header(http, "x-amzn-query-error");
    if (!query_error && http->body_len && http->body[0] == '<')
        aws_error_read_xml(http->body, http->body_len, status, &a->error);
    else
        aws_error_read(a->json, http_answer_header(http, "x-amzn-errortype"), query_error, status,
                       &a->error);
    set(a, aws_error_class(&a->error, status), a->error.code, a->error.message);
    if (strcmp(endpoint->service, "s3") == 0 && may_be_elsewhere(status))
        look_for_region(a, endpoint, http);
}

static void judge(struct answer *a, const struct aws_endpoint *endpoint,
                  const struct aws_request *request, const struct http_answer *http)
{
    if (http->outcome != HTTP_ANSWERED)
        set(a, http->outcome == HTTP_TOO_LARGE ? AWS_TOO_LARGE : AWS_TRANSIENT,
            outcome_code(http->outcome), http->error);
    else if (http->status < 200 || http->status > 299)
        judge_error(a, endpoint, http, http->status);
    else if (request->empty_answer && is_error_document(http))
        judge_error(a, endpoint, http, 500);
    else if (request->json_answer && !a->json)
        set(a, AWS_TRANSIENT, "UnreadableAnswer", "the answer is not a JSON object");
    if (http->outcome == HTTP_ANSWERED && request->intact && !request->intact(&a->reply))
        set(a, AWS_TRANSIENT, "BadChecksum", "the answer does not match its checksum");
}

void answer_read(struct answer *a, const struct aws_endpoint *endpoint,
                 const struct aws_request *request, const struct http_answer *http)
{
    memset(&a->error, 0, sizeof(a->error));
    a->json = http->outcome == HTTP_ANSWERED ? parse_object(http) : NULL;
    a->reply = (struct aws_reply){
        .class = AWS_OK,
        .status = http->status,
        .code = "",
        .message = "",
        .body = http->body,
        .body_len = http->body_len,
        .json = a->json,
        .http = http,
    };
    judge(a, endpoint, request, http);
}

void answer_free(struct answer *a)
{
    json_decref(a->json);
}

static bool is_one_of(const char *code, const char *const *codes, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(code, codes[i]) == 0)
            return true;
    return false;
}

bool answer_is_about_key(const struct aws_reply *reply)
{
    static const char *const unknown[] = {"InvalidAccessKeyId", "InvalidClientTokenId",
                                          "UnrecognizedClientException",
                                          /* perhaps the secret is wrong */
                                          "InvalidSignatureException", "SignatureDoesNotMatch"};
    return reply->class == AWS_EXPIRED || is_one_of(reply->code, unknown, 5);
}

bool answer_is_about_clock(const struct aws_reply *reply)
{
    static const char *const signature[] = {"AuthFailure", "InvalidSignatureException",
                                            "SignatureDoesNotMatch"};
    return reply->class == AWS_SKEW || is_one_of(reply->code, signature, 3);
}

bool answer_gives_no_reason(const struct aws_reply *reply)
{
    return (reply->status == 400 || reply->status == 403) && reply->body_len == 0 &&
           strncmp(reply->code, "HTTP ", 5) == 0;
}
