#ifndef COMMON_DELIVERY_STANDARD_WEBHOOKS_H
#define COMMON_DELIVERY_STANDARD_WEBHOOKS_H

#include <stddef.h>
#include <stdint.h>

#include "common/base/buf.h"

/* The symmetric signature of Standard Webhooks (standardwebhooks.com): HMAC-SHA256 over
 * "id.timestamp.body". Pure. */

/* The key that a configured secret stands for, appended: behind "whsec_" base64 of it, else the
 * text's own bytes. 0, or -1 where it is "whsec_" and no base64. */
int standard_webhooks_key(const char *secret, struct buf *key_out)
    __attribute__((warn_unused_result));

/* The value of webhook-signature, appended: "v1,BASE64" for each key, one blank between them, so
 * that a receiver may know the old or the new one while they are changed. */
void standard_webhooks_sign(const struct buf *keys, size_t key_count, const char *id,
                            int64_t timestamp_s, const void *body, size_t body_len,
                            struct buf *value_out);

#endif
