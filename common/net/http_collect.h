#ifndef COMMON_NET_HTTP_COLLECT_H
#define COMMON_NET_HTTP_COLLECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/net/http_client.h"

/* What an answer brings, as it arrives: header lines, then pieces of the body. Interim answers and
 * trailers leave nothing behind. Zero-initialise and set cap_bytes to start. */
#define HTTP_COLLECT_HEAD_BYTES 65536

struct http_collect {
    size_t cap_bytes; /* the longest body to take */
    struct buf body;
    struct buf head; /* "name\0value\0..." */
    size_t header_count;
    bool head_done; /* its empty line came: what follows are trailers, and are ignored */
    bool too_large; /* something was refused for its size */
    int64_t first_byte_mono_ms; /* 0: nothing has come */
};

/* Each takes a piece and returns false where it is too large. */
bool http_collect_header_line(struct http_collect *c, const char *line, size_t len);
bool http_collect_body(struct http_collect *c, const void *data, size_t len);

/* The headers as a list of c->header_count (free()); names and values are borrowed from c->head. */
struct http_header *http_collect_headers(const struct http_collect *c);

void http_collect_free(struct http_collect *c);

#endif
