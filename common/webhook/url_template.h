#ifndef COMMON_WEBHOOK_URL_TEMPLATE_H
#define COMMON_WEBHOOK_URL_TEMPLATE_H

#include <stddef.h>

/* A URL with places {/json/pointer} (conf_format_call_template_or_none has judged its form), filled
 * with the plain values of an event, each percent-encoded, so that none can reach beyond its place.
 * Pure. */
#define URL_TEMPLATE_MAX_BYTES 8192
#define URL_TEMPLATE_REASON_BYTES 256

/* The URL (malloc), or NULL with the reason: the body is not JSON, or what a place names is
 * missing, empty, no plain value, "." or ".." (which servers take for a path), or too long. */
char *url_template_fill(const char *url, const void *body, size_t len,
                        char reason[URL_TEMPLATE_REASON_BYTES]);

#endif
