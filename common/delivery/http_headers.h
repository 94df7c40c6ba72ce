#ifndef COMMON_DELIVERY_HTTP_HEADERS_H
#define COMMON_DELIVERY_HTTP_HEADERS_H

#include <stddef.h>

#include "common/net/http_client.h"

/* A list of header lines that may be built from an event: values are made safe. Zero-initialise to
 * start. Pure. */
#define HTTP_HEADERS_MAX 64
#define HTTP_HEADERS_VALUE_BYTES 2048

struct http_headers {
    struct http_header list[HTTP_HEADERS_MAX]; /* names borrowed, values own */
    size_t count;
};

/* Adds a line whose value is the event's: what is not printable ASCII, and blanks at the ends,
 * become %XX; cut at HTTP_HEADERS_VALUE_BYTES. No line for an empty value. */
void http_headers_add(struct http_headers *h, const char *name, const char *value);

/* Adds a line as it is configured (its value is one line). */
void http_headers_add_plain(struct http_headers *h, const char *name, const char *value);

/* Clears the values: they may be secrets. */
void http_headers_free(struct http_headers *h);

#endif
