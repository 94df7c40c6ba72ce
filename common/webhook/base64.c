#include "common/webhook/base64.h"

#include <assert.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/xalloc.h"

#define BASE64_MAX (256u << 20)

void base64_encode(const void *data, size_t len, struct buf *out)
{
    assert(len <= BASE64_MAX);
    unsigned char *text = xmalloc(4 * ((len + 2) / 3) + 1);
    int n = EVP_EncodeBlock(text, data, (int)len);
    buf_append(out, text, (size_t)n);
    free(text);
}

static bool is_base64(const char *text, size_t len)
{
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    size_t padding = len && text[len - 1] == '=' ? (text[len - 2] == '=' ? 2 : 1) : 0;
    for (size_t i = 0; i < len - padding; i++)
        if (text[i] == '\0' || !strchr(alphabet, text[i]))
            return false;
    return true;
}

bool base64_decode(const char *text, size_t len, struct buf *out)
{
    if (len % 4 || len > BASE64_MAX || !is_base64(text, len))
        return false;
    if (len == 0)
        return true;
    unsigned char *data = xmalloc(len / 4 * 3 + 1);
    int n = EVP_DecodeBlock(data, (const unsigned char *)text, (int)len);
    if (n >= 0) /* EVP_DecodeBlock counts the padding as zero bytes */
        buf_append(out, data, (size_t)n - (text[len - 1] == '=') - (text[len - 2] == '='));
    free(data);
    return n >= 0;
}
