#include "common/aws/dynamodb.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/crc32.h"
#include "common/base/utf8.h"
#include "common/base/xalloc.h"

json_t *dynamodb_s(const char *text)
{
    json_t *value = json_pack("{s:s}", "S", text);
    if (value)
        return value;
    char *safe = utf8_safe(text, strlen(text), SIZE_MAX);
    value = json_pack("{s:s}", "S", safe);
    free(safe);
    return value;
}

json_t *dynamodb_n(int64_t number)
{
    char *text = xasprintf("%lld", (long long)number);
    json_t *value = json_pack("{s:s}", "N", text);
    free(text);
    return value;
}

const char *dynamodb_text(const json_t *item, const char *name, const char *fallback)
{
    const char *text = json_string_value(json_object_get(json_object_get(item, name), "S"));
    return text ? text : fallback;
}

int64_t dynamodb_number(const json_t *item, const char *name, int64_t fallback)
{
    const char *text = json_string_value(json_object_get(json_object_get(item, name), "N"));
    if (!text)
        return fallback;
    char *end;
    long long n = strtoll(text, &end, 10);
    return *text && !*end ? n : fallback;
}

struct pending {
    aws_reply_cb *done;
    void *arg;
    char *body; /* own: the request's, until the call is over */
};

static void pending_free(void *arg)
{
    struct pending *p = arg;
    free(p->body);
    free(p);
}

static bool checksum_matches(const struct aws_reply *reply)
{
    const char *sent = http_answer_header(reply->http, "x-amz-crc32");
    return !sent || strtoul(sent, NULL, 10) == crc32_of(reply->body, reply->body_len);
}

static void on_reply(void *arg, const struct aws_reply *reply)
{
    struct pending *p = arg;
    p->done(p->arg, reply);
}

uint64_t dynamodb_call(struct aws_client *c, const struct aws_endpoint *e, const char *operation,
                       json_t *input, const struct dynamodb_options *o, aws_reply_cb *done,
                       void *arg)
{
    struct pending *p = xcalloc(1, sizeof(*p));
    p->done = done;
    p->arg = arg;
    p->body = json_dumps(input, JSON_COMPACT);
    json_decref(input);
    char *target = xasprintf("DynamoDB_20120810.%s", operation);
    const struct http_header headers[] = {
        {"Content-Type", "application/x-amz-json-1.0"},
        {"X-Amz-Target", target},
    };
    struct aws_request request = {
        .method = "POST",
        .path = "/",
        .query = "",
        .headers = headers,
        .header_count = sizeof(headers) / sizeof(headers[0]),
        .body = p->body,
        .body_len = strlen(p->body),
        .timeout_ms = o->timeout_ms,
        .deadline_ms = o->deadline_ms,
        .max_attempts = o->max_attempts,
        .json_answer = true,
        .intact = checksum_matches,
    };
    uint64_t id = aws_call(c, e, &request, on_reply, pending_free, p);
    free(target);
    return id;
}
