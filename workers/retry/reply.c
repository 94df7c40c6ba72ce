#include "workers/retry/reply.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/utf8.h"

static const struct http_reply_header secured[] = {
    {"Content-Security-Policy",
     "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
     "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"},
    {"X-Content-Type-Options", "nosniff"},
    {"X-Frame-Options", "DENY"},
    {"Referrer-Policy", "no-referrer"},
    {"Cache-Control", "no-store"},
};

#define SECURED_COUNT (sizeof(secured) / sizeof(secured[0]))

static void answer(struct http_server *s, struct http_ticket ticket, struct http_reply *reply,
                   const struct http_reply_header *more)
{
    struct http_reply_header headers[SECURED_COUNT + 1];
    memcpy(headers, secured, sizeof(secured));
    reply->headers = headers;
    reply->header_count = SECURED_COUNT;
    if (more && more->name)
        headers[reply->header_count++] = *more;
    http_server_reply(s, ticket, reply);
}

void reply_bytes(struct http_server *s, struct http_ticket ticket, int status,
                 const char *content_type, const void *body, size_t len)
{
    struct http_reply reply = {
        .status = status, .content_type = content_type, .body = body, .body_len = len};
    answer(s, ticket, &reply, NULL);
}

static void answer_json(struct http_server *s, struct http_ticket ticket, int status, json_t *body,
                        const struct http_reply_header *more)
{
    char *text = json_dumps(body, JSON_COMPACT);
    assert(text);
    struct http_reply reply = {.status = status,
                               .content_type = "application/json",
                               .body = text,
                               .body_len = strlen(text)};
    answer(s, ticket, &reply, more);
    free(text);
    json_decref(body);
}

void reply_json(struct http_server *s, struct http_ticket ticket, int status, json_t *body)
{
    answer_json(s, ticket, status, body, NULL);
}

void reply_error(struct http_server *s, struct http_ticket ticket, const struct reply_error *error)
{
    json_t *body = json_object();
    json_object_set_new(body, "error", reply_text(error->text));
    if (error->field)
        json_object_set_new(body, "field", reply_text(error->field));
    answer_json(s, ticket, error->status, body, &error->header);
}

json_t *reply_text(const char *text)
{
    json_t *value = json_string(text);
    if (value)
        return value;
    char *safe = utf8_safe(text, strlen(text), SIZE_MAX);
    value = json_string(safe);
    free(safe);
    return value;
}
