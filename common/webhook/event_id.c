#include "common/webhook/event_id.h"

#include <openssl/sha.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/buf.h"
#include "common/base/hex.h"
#include "common/base/utf8.h"
#include "common/base/xalloc.h"
#include "common/conf/conf.h"
#include "common/webhook/json_check.h"
#include "common/webhook/webhook.h"

char *event_id_safe(const void *id, size_t len)
{
    char *safe = utf8_safe(id, len, 3 * len);
    if (strlen(safe) < WEBHOOK_ID_BYTES)
        return safe;
    free(safe);
    unsigned char digest[SHA256_DIGEST_LENGTH];
    SHA256(id, len, digest);
    char hex[2 * SHA256_DIGEST_LENGTH + 1];
    hex_encode(digest, sizeof(digest), hex);
    return xasprintf("sha256:%s", hex);
}

static bool from_pointers(const json_t *pointers, const void *body, size_t len, struct buf *out)
{
    size_t i;
    const json_t *pointer;
    if (json_array_size(pointers) == 0 || !json_check(body, len, NULL, 0))
        return false;
    json_array_foreach(pointers, i, pointer)
    {
        if (i)
            buf_puts(out, "+");
        if (!json_check_scalar(body, len, json_string_value(pointer), out))
            return false;
    }
    return true;
}

char *event_id_of(const json_t *source, event_id_header_fn *header, void *arg, const void *body,
                  size_t body_len, const char *fallback)
{
    const char *name = conf_str(source, "event_id.header");
    const char *value = header && *name ? header(arg, name) : NULL;
    if (value && *value)
        return event_id_safe(value, strlen(value));
    struct buf joined = {0};
    char *id = from_pointers(conf_value(source, "event_id.pointers"), body, body_len, &joined)
                   ? event_id_safe(joined.data, joined.len)
                   : xstrdup(fallback);
    buf_free(&joined);
    return id;
}
