#ifndef COMMON_WEBHOOK_JSON_CHECK_H
#define COMMON_WEBHOOK_JSON_CHECK_H

#include <stdbool.h>
#include <stddef.h>

#include "common/base/buf.h"

/* JSON without a tree (RFC 8259, UTF-8 only, any top-level value): a pure checker of grammar and
 * depth, and the value at a JSON pointer (RFC 6901). Linear time, constant memory, no recursion.
 * Numbers of any size pass, since the bytes are never converted. */
#define JSON_CHECK_DEPTH 256

enum json_type {
    JSON_CHECK_NULL,
    JSON_CHECK_TRUE,
    JSON_CHECK_FALSE,
    JSON_CHECK_NUMBER,
    JSON_CHECK_STRING,
    JSON_CHECK_ARRAY,
    JSON_CHECK_OBJECT
};

/* True where text is one well-formed JSON value. Otherwise false, the reason and offset in words
 * ("unexpected byte 0x7d at offset 17"). reason may be NULL. */
bool json_check(const void *text, size_t len, char *reason, size_t reason_size);

struct json_span { /* where a value stands in the text */
    enum json_type type;
    size_t at;
    size_t len;
};

/* Finds the value at a pointer in text that json_check accepted. With a key that occurs twice the
 * last one counts, as in Jansson. False where there is none or the pointer is malformed. */
bool json_check_find(const void *text, size_t len, const char *pointer, struct json_span *span_out);

/* Appends a scalar as plain text: a string unescaped (a lone surrogate becomes U+FFFD, \u0000
 * stays the six characters), numbers and words as written. False for arrays and objects. */
bool json_check_text(const void *text, const struct json_span *span, struct buf *out);

/* Both for what identifies an event: false too where the value is null or empty. */
bool json_check_scalar(const void *text, size_t len, const char *pointer, struct buf *out);

#endif
