#include "workers/http_answer.h"

#include <assert.h>
#include <event2/buffer.h>
#include <event2/http.h>
#include <event2/keyvalq_struct.h>
#include <stdio.h>

#include "common/base/log.h"

static bool is_clean(const char *text)
{
    for (const unsigned char *p = (const unsigned char *)text; *p; p++) {
        if ((*p < 0x20 && *p != '\t') || *p == 0x7f)
            return false;
    }
    return true;
}

static void put_header(struct evkeyvalq *headers, const char *name, const char *value)
{
    if (!is_clean(name) || !is_clean(value) || evhttp_add_header(headers, name, value) != 0)
        log_error("answer header left out: its value has control characters; this is a bug, "
                  "please report it");
}

/* What evhttp has no phrase for; NULL: its own. Never anything from a request: it is not checked.
 */
static const char *phrase(int status)
{
    switch (status) {
    case 421:
        return "Misdirected Request";
    case 422:
        return "Unprocessable Content";
    case 429:
        return "Too Many Requests";
    default:
        return NULL;
    }
}

static bool has_no_body(const struct evhttp_request *request, int status)
{
    return evhttp_request_get_command(request) == EVHTTP_REQ_HEAD || status == 204 || status == 304;
}

/* NULL: there is none. */
static struct evbuffer *body_of(const struct evhttp_request *request,
                                const struct http_reply *reply)
{
    if (!reply->body_len || has_no_body(request, reply->status))
        return NULL;
    struct evbuffer *body = evbuffer_new();
    assert(body);
    int rc = evbuffer_add(body, reply->body, reply->body_len);
    assert(rc == 0);
    return body;
}

void http_answer_send(struct evhttp_request *request, const struct http_reply *reply, bool last)
{
    struct evkeyvalq *headers = evhttp_request_get_output_headers(request);
    if (reply->content_type)
        put_header(headers, "Content-Type", reply->content_type);
    for (size_t i = 0; i < reply->header_count; i++)
        put_header(headers, reply->headers[i].name, reply->headers[i].value);
    if (reply->close || last)
        put_header(headers, "Connection", "close");
    if (evhttp_request_get_command(request) == EVHTTP_REQ_HEAD) {
        char length[24];
        snprintf(length, sizeof(length), "%zu", reply->body_len);
        put_header(headers, "Content-Length", length);
    }
    struct evbuffer *body = body_of(request, reply);
    /* Head and body leave in one writev(). */
    evhttp_send_reply(request, reply->status, phrase(reply->status), body);
    if (body)
        evbuffer_free(body);
}
