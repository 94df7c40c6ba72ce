#include "common/net/http_collect.h"

#include <string.h>

#include "common/base/clock.h"
#include "common/base/xalloc.h"

bool http_collect_body(struct http_collect *c, const void *data, size_t len)
{
    if (len > c->cap_bytes - c->body.len) {
        c->too_large = true;
        return false;
    }
    buf_append(&c->body, data, len);
    return true;
}

static void take_header(struct http_collect *c, const char *line, size_t len)
{
    const char *colon = memchr(line, ':', len);
    if (!colon || memchr(line, '\0', len))
        return;
    const char *value = colon + 1, *end = line + len;
    while (value < end && (*value == ' ' || *value == '\t'))
        value++;
    while (end > value && (end[-1] == ' ' || end[-1] == '\t'))
        end--;
    buf_append(&c->head, line, (size_t)(colon - line));
    buf_append(&c->head, "", 1);
    buf_append(&c->head, value, (size_t)(end - value));
    buf_append(&c->head, "", 1);
    c->header_count++;
}

bool http_collect_header_line(struct http_collect *c, const char *line, size_t len)
{
    if (!c->first_byte_mono_ms)
        c->first_byte_mono_ms = clock_mono_ms();
    while (len && (line[len - 1] == '\r' || line[len - 1] == '\n'))
        len--;
    if (len >= 5 && !memcmp(line, "HTTP/", 5)) {
        /* A status line: what an interim answer brought does not count. */
        buf_reset(&c->head);
        c->header_count = 0;
        c->head_done = false;
    } else if (len == 0) {
        c->head_done = true;
    } else if (!c->head_done) {
        if (c->head.len + len > HTTP_COLLECT_HEAD_BYTES) {
            c->too_large = true;
            return false;
        }
        take_header(c, line, len);
    }
    return true;
}

struct http_header *http_collect_headers(const struct http_collect *c)
{
    struct http_header *headers = xcalloc(c->header_count + 1, sizeof(*headers));
    const char *p = c->head.data;
    for (size_t i = 0; i < c->header_count; i++) {
        headers[i].name = p;
        headers[i].value = p + strlen(p) + 1;
        p = headers[i].value + strlen(headers[i].value) + 1;
    }
    return headers;
}

void http_collect_free(struct http_collect *c)
{
    buf_free(&c->head);
    buf_free(&c->body);
}
