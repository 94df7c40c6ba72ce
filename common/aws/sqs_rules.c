/* What SQS allows, counts and hashes: pure functions of sqs.h. */
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "common/aws/sigv4.h"
#include "common/aws/sqs.h"
#include "common/base/buf.h"
#include "common/base/hex.h"
#include "common/base/utf8.h"
#include "common/base/xalloc.h"

#define GROUP_ID_MAX 128

size_t sqs_message_bytes(const struct sqs_outgoing *m)
{
    size_t bytes = m->body_len;
    for (size_t i = 0; i < m->attribute_count; i++) {
        const struct sqs_attribute *a = &m->attributes[i];
        bytes += strlen(a->name) + strlen(a->type) + strlen(a->value);
    }
    return bytes;
}

/* Whether SQS takes this character: of those below U+0020 three, and not U+FFFE and U+FFFF. */
static bool allowed(const unsigned char *p, size_t len)
{
    if (len == 1)
        return p[0] >= 0x20 || p[0] == '\t' || p[0] == '\n' || p[0] == '\r';
    return !(p[0] == 0xef && p[1] == 0xbf && p[2] >= 0xbe);
}

bool sqs_body_allowed(const void *body, size_t len)
{
    const unsigned char *p = body;
    if (!len)
        return false;
    while (len) {
        size_t used = utf8_sequence(p, len);
        if (!used || !allowed(p, used))
            return false;
        p += used;
        len -= used;
    }
    return true;
}

static bool group_id_allowed(const unsigned char *text, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (text[i] < 0x21 || text[i] > 0x7e)
            return false;
    return len >= 1 && len <= GROUP_ID_MAX;
}

char *sqs_group_id(const void *text, size_t len)
{
    char hash[SIGV4_HEX_BYTES];
    if (group_id_allowed(text, len))
        return xasprintf("%.*s", (int)len, (const char *)text);
    sigv4_sha256_hex(text, len, hash);
    return xstrdup(hash);
}

void sqs_md5_hex(const void *data, size_t len, char out[33])
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    out[0] = '\0';
    if (EVP_Digest(len ? data : "", len, digest, NULL, EVP_md5(), NULL) != 1)
        return;
    hex_encode(digest, 16, out);
}

static int compare_names(const void *a, const void *b)
{
    const struct sqs_attribute *const *left = a, *const *right = b;
    return strcmp((*left)->name, (*right)->name);
}

static void append_sized(struct buf *out, const void *data, size_t len)
{
    unsigned char size[4] = {(unsigned char)(len >> 24), (unsigned char)(len >> 16),
                             (unsigned char)(len >> 8), (unsigned char)len};
    buf_append(out, size, sizeof(size));
    buf_append(out, data, len);
}

/* The decoded bytes of a base64 text, sized; false where it is none. */
static bool append_decoded(struct buf *out, const char *text)
{
    size_t len = strlen(text), padding = 0;
    if (len % 4 || len > INT32_MAX)
        return false;
    while (padding < 2 && padding < len && text[len - 1 - padding] == '=')
        padding++;
    unsigned char *bytes = xmalloc(len / 4 * 3 + 1);
    int decoded = EVP_DecodeBlock(bytes, (const unsigned char *)text, (int)len);
    bool ok = decoded >= 0 && (size_t)decoded == len / 4 * 3;
    if (ok)
        append_sized(out, bytes, (size_t)decoded - padding);
    free(bytes);
    return ok;
}

static bool append_attribute(struct buf *out, const struct sqs_attribute *a)
{
    bool binary = !strncmp(a->type, "Binary", 6);
    append_sized(out, a->name, strlen(a->name));
    append_sized(out, a->type, strlen(a->type));
    buf_append(out, binary ? "\2" : "\1", 1);
    if (binary)
        return append_decoded(out, a->value);
    append_sized(out, a->value, strlen(a->value));
    return true;
}

void sqs_attributes_md5_hex(const struct sqs_attribute *attributes, size_t count, char out[33])
{
    const struct sqs_attribute **sorted = xcalloc(count + 1, sizeof(*sorted));
    struct buf text = {0};
    bool ok = true;
    for (size_t i = 0; i < count; i++)
        sorted[i] = &attributes[i];
    qsort(sorted, count, sizeof(*sorted), compare_names);
    for (size_t i = 0; i < count && ok; i++)
        ok = append_attribute(&text, sorted[i]);
    out[0] = '\0';
    if (ok)
        sqs_md5_hex(text.data, text.len, out);
    buf_free(&text);
    free(sorted);
}
