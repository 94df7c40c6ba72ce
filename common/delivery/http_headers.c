#include "common/delivery/http_headers.h"

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/buf.h"
#include "common/base/xalloc.h"

static void append(struct http_headers *h, const char *name, char *value)
{
    assert(h->count < HTTP_HEADERS_MAX);
    h->list[h->count++] = (struct http_header){.name = name, .value = value};
}

void http_headers_add(struct http_headers *h, const char *name, const char *value)
{
    struct buf safe = {0};
    size_t len = strlen(value);
    for (size_t i = 0; i < len && safe.len + 3 <= HTTP_HEADERS_VALUE_BYTES; i++) {
        unsigned char c = (unsigned char)value[i];
        bool inside = i > 0 && i + 1 < len;
        if ((c > ' ' && c < 0x7f) || (c == ' ' && inside))
            buf_append(&safe, &value[i], 1);
        else
            buf_printf(&safe, "%%%02X", c);
    }
    if (safe.len)
        append(h, name, buf_steal(&safe));
    buf_free(&safe);
}

void http_headers_add_plain(struct http_headers *h, const char *name, const char *value)
{
    append(h, name, xstrdup(value));
}

void http_headers_free(struct http_headers *h)
{
    for (size_t i = 0; i < h->count; i++) {
        char *value = (char *)(uintptr_t)h->list[i].value;
        explicit_bzero(value, strlen(value));
        free(value);
    }
    h->count = 0;
}
