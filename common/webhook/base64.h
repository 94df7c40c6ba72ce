#ifndef COMMON_WEBHOOK_BASE64_H
#define COMMON_WEBHOOK_BASE64_H

#include <stdbool.h>
#include <stddef.h>

#include "common/base/buf.h"

/* Base64 with padding and without line breaks (RFC 4648 section 4). len is at most 256 MiB. */
void base64_encode(const void *data, size_t len, struct buf *out);

/* Appends what text stands for. False, with nothing appended, where it is not base64: a foreign
 * character, a blank, missing or misplaced padding. */
bool base64_decode(const char *text, size_t len, struct buf *out)
    __attribute__((warn_unused_result));

#endif
