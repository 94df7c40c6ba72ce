#include "common/delivery/standard_webhooks.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdlib.h>
#include <string.h>

#include "common/webhook/base64.h"

#define PREFIX "whsec_"

int standard_webhooks_key(const char *secret, struct buf *key_out)
{
    if (strncmp(secret, PREFIX, strlen(PREFIX)) != 0) {
        buf_puts(key_out, secret);
        return 0;
    }
    const char *text = secret + strlen(PREFIX);
    return *text && base64_decode(text, strlen(text), key_out) ? 0 : -1;
}

void standard_webhooks_sign(const struct buf *keys, size_t key_count, const char *id,
                            int64_t timestamp_s, const void *body, size_t body_len,
                            struct buf *value_out)
{
    struct buf content = {0};
    buf_printf(&content, "%s.%lld.", id, (long long)timestamp_s);
    buf_append(&content, body_len ? body : "", body_len);
    for (size_t i = 0; i < key_count; i++) {
        unsigned char mac[EVP_MAX_MD_SIZE];
        unsigned mac_len = 0;
        if (!HMAC(EVP_sha256(), keys[i].data, (int)keys[i].len, (const unsigned char *)content.data,
                  content.len, mac, &mac_len))
            abort();
        buf_puts(value_out, i ? " v1," : "v1,");
        base64_encode(mac, mac_len, value_out);
    }
    buf_free(&content);
}
