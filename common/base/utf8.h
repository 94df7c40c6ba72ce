#ifndef COMMON_BASE_UTF8_H
#define COMMON_BASE_UTF8_H

#include <stddef.h>

/* The length (1..4) of the well-formed UTF-8 sequence that text starts with (RFC 3629: no overlong
 * form, no surrogate, nothing above U+10FFFF), or 0 where there is none. Pure. */
size_t utf8_sequence(const void *text, size_t len);

/* Writes a code point (at most U+10FFFF); returns how many bytes. */
size_t utf8_encode(unsigned long code_point, char out[4]);

/* A copy (malloc) fit for headers, logs and JSON: control bytes (below 0x20, and 0x7F) and bytes
 * that are not well-formed UTF-8 become %XX, and what would go beyond max_bytes is cut at a
 * character's boundary. */
char *utf8_safe(const void *text, size_t len, size_t max_bytes);

#endif
