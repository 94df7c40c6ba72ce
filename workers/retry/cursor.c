#include "workers/retry/cursor.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/buf.h"
#include "common/base/xalloc.h"
#include "common/webhook/base64.h"
#include "workers/retry/dlq_key.h"

#define TOKEN_MAX 4096

char *cursor_make(const char *after)
{
    struct buf token = {0};
    if (!*after)
        return xstrdup("");
    json_t *json = json_pack("{s:i,s:s}", "v", 1, "after", after);
    char *text = json_dumps(json, JSON_COMPACT);
    base64_encode(text, strlen(text), &token);
    free(text);
    json_decref(json);
    while (token.len > 0 && token.data[token.len - 1] == '=')
        token.data[--token.len] = '\0';
    for (char *c = token.data; *c; c++)
        *c = *c == '+' ? '-' : *c == '/' ? '_' : *c;
    return buf_steal(&token);
}

/* The JSON text behind a token of base64url's alphabet. */
static bool decode(const char *token, struct buf *json_out)
{
    struct buf padded = {0};
    if (strlen(token) > TOKEN_MAX || strpbrk(token, "+/="))
        return false;
    buf_puts(&padded, token);
    for (char *c = padded.data; *c; c++)
        *c = *c == '-' ? '+' : *c == '_' ? '/' : *c;
    while (padded.len % 4)
        buf_puts(&padded, "=");
    bool good = base64_decode(padded.data, padded.len, json_out);
    buf_free(&padded);
    return good;
}

char *cursor_read(const char *prefix, const char *token)
{
    struct buf text = {0};
    char *after = NULL;
    if (!*token)
        return xstrdup("");
    json_t *json =
        decode(token, &text) ? json_loadb(text.data ? text.data : "", text.len, 0, NULL) : NULL;
    const char *key = json_string_value(json_object_get(json, "after"));
    if (key && json_integer_value(json_object_get(json, "v")) == 1 &&
        dlq_key_parse(prefix, key, NULL))
        after = xstrdup(key);
    json_decref(json);
    buf_free(&text);
    return after;
}
