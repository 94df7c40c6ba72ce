#include "common/webhook/url_template.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/buf.h"
#include "common/base/utf8.h"
#include "common/base/xalloc.h"
#include "common/webhook/json_check.h"

#define POINTER_SHOWN_BYTES 96

static void encode(const struct buf *value, struct buf *out)
{
    static const char plain[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
    for (size_t i = 0; i < value->len; i++) {
        if (value->data[i] && strchr(plain, value->data[i]))
            buf_append(out, &value->data[i], 1);
        else
            buf_printf(out, "%%%02X", (unsigned char)value->data[i]);
    }
}

/* What is against the value, or NULL. */
static const char *unfit(const struct buf *value)
{
    if (value->len == 0)
        return "empty";
    if (strcmp(value->data, ".") == 0 || strcmp(value->data, "..") == 0)
        return "no name but a part of a path";
    return value->len > URL_TEMPLATE_MAX_BYTES ? "too long" : NULL;
}

static const char *fill_place(const char *pointer, const void *body, size_t len, struct buf *out)
{
    struct json_span span;
    struct buf value = {0};
    const char *why;
    if (!json_check_find(body, len, pointer, &span) || span.type == JSON_CHECK_NULL)
        why = "missing";
    else if (!json_check_text(body, &span, &value))
        why = "not a plain value";
    else
        why = unfit(&value);
    if (!why)
        encode(&value, out);
    buf_free(&value);
    return why;
}

/* p is behind the "{". */
static bool fill_at(const char *p, const void *body, size_t len, struct buf *out,
                    char reason[URL_TEMPLATE_REASON_BYTES])
{
    char *pointer = xasprintf("%.*s", (int)strcspn(p, "}"), p);
    const char *why = fill_place(pointer, body, len, out);
    if (why) {
        char *shown = utf8_safe(pointer, strlen(pointer), POINTER_SHOWN_BYTES);
        snprintf(reason, URL_TEMPLATE_REASON_BYTES, "the field %s is %s", shown, why);
        free(shown);
    }
    free(pointer);
    return !why;
}

char *url_template_fill(const char *url, const void *body, size_t len,
                        char reason[URL_TEMPLATE_REASON_BYTES])
{
    struct buf out = {0};
    char why[128];
    if (strchr(url, '{') && !json_check(body, len, why, sizeof(why))) {
        snprintf(reason, URL_TEMPLATE_REASON_BYTES, "the body is not JSON: %s", why);
        return NULL;
    }
    for (const char *p = url; *p; p++) {
        if (*p != '{') {
            buf_append(&out, p, 1);
        } else if (!fill_at(++p, body, len, &out, reason)) {
            buf_free(&out);
            return NULL;
        } else {
            p += strcspn(p, "}");
        }
    }
    if (out.len > URL_TEMPLATE_MAX_BYTES) {
        snprintf(reason, URL_TEMPLATE_REASON_BYTES,
                 "the URL would have %zu bytes, at most %d can be", out.len,
                 URL_TEMPLATE_MAX_BYTES);
        buf_free(&out);
        return NULL;
    }
    return buf_steal(&out);
}
