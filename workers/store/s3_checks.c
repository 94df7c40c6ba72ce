#include <openssl/evp.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "common/base/buf.h"
#include "common/base/crc32.h"
#include "common/base/hex.h"
#include "common/webhook/base64.h"
#include "workers/store/s3_op.h"

#define PREFIX "x-amz-checksum-"

static size_t digest_crc32(const void *body, size_t len, unsigned char *out)
{
    uint32_t crc = crc32_of(body, len);
    for (int i = 0; i < 4; i++)
        out[i] = (unsigned char)(crc >> (24 - 8 * i));
    return 4;
}

static size_t digest_by_name(const EVP_MD *type, const void *body, size_t len, unsigned char *out)
{
    unsigned int size = 0;
    return EVP_Digest(body, len, out, &size, type, NULL) == 1 ? size : 0;
}

static size_t digest_sha256(const void *body, size_t len, unsigned char *out)
{
    return digest_by_name(EVP_sha256(), body, len, out);
}

static size_t digest_sha1(const void *body, size_t len, unsigned char *out)
{
    return digest_by_name(EVP_sha1(), body, len, out);
}

static size_t digest_md5(const void *body, size_t len, unsigned char *out)
{
    return digest_by_name(EVP_md5(), body, len, out);
}

static const struct algorithm {
    const char *name;
    size_t bytes;
    size_t (*digest)(const void *body, size_t len, unsigned char *out);
} algorithms[] = {
    {"sha256", 32, digest_sha256},
    {"crc32", 4, digest_crc32},
    {"sha1", 20, digest_sha1},
};

/* Base64 of a digest of that size? */
static bool is_digest(const char *text, size_t bytes)
{
    struct buf raw = {0};
    bool good = base64_decode(text, strlen(text), &raw) && raw.len == bytes;
    buf_free(&raw);
    return good;
}

static void take_checksum(const struct algorithm *a, const struct s3_request *r,
                          struct s3_checksum *out)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    size_t bytes = a->digest(r->body, r->body_len, digest);
    snprintf(out->name, sizeof(out->name), "%s", a->name);
    EVP_EncodeBlock((unsigned char *)out->text, digest, (int)bytes);
}

static bool check_md5(struct s3_op *op)
{
    const struct s3_request *r = op->request;
    const char *sent = s3_request_header(r, "Content-MD5");
    if (!sent)
        return true;
    unsigned char digest[EVP_MAX_MD_SIZE];
    char text[EVP_MAX_MD_SIZE * 2];
    size_t bytes = digest_md5(r->body, r->body_len, digest);
    EVP_EncodeBlock((unsigned char *)text, digest, (int)bytes);
    if (!is_digest(sent, 16))
        s3_refuse(op, 400, "InvalidDigest", "The Content-MD5 you specified was invalid.");
    else if (strcmp(text, sent) != 0)
        s3_refuse(op, 400, "BadDigest",
                  "The Content-MD5 you specified did not match what we received.");
    else
        return true;
    return false;
}

/* x-amz-checksum-algorithm, -mode and -type are no checksums. */
static bool is_checksum(const char *name)
{
    const char *rest = name + strlen(PREFIX);
    return strncasecmp(name, PREFIX, strlen(PREFIX)) == 0 && strcasecmp(rest, "algorithm") != 0 &&
           strcasecmp(rest, "mode") != 0 && strcasecmp(rest, "type") != 0;
}

static const struct algorithm *find(const char *name)
{
    for (size_t i = 0; i < sizeof(algorithms) / sizeof(algorithms[0]); i++)
        if (strcasecmp(algorithms[i].name, name) == 0)
            return &algorithms[i];
    return NULL;
}

static bool check_sent(struct s3_op *op, const struct s3_field *sent, struct s3_checksum *kept_out)
{
    char message[160];
    const char *name = sent->name + strlen(PREFIX);
    const struct algorithm *a = find(name);
    if (!a) {
        s3_refuse_unsupported(op, sent->name);
        return false;
    }
    if (!is_digest(sent->value, a->bytes)) {
        snprintf(message, sizeof(message), "Value for x-amz-checksum-%s header is invalid.",
                 a->name);
        s3_refuse(op, 400, "InvalidRequest", message);
        return false;
    }
    take_checksum(a, op->request, kept_out);
    if (strcmp(kept_out->text, sent->value) == 0)
        return true;
    snprintf(message, sizeof(message),
             "The %s you specified did not match the calculated checksum.", name);
    for (char *p = strstr(message, name); *p != ' '; p++)
        *p = (char)(*p >= 'a' && *p <= 'z' ? *p - 32 : *p);
    s3_refuse(op, 400, "BadDigest", message);
    return false;
}

bool s3_check_digests(struct s3_op *op, struct s3_checksum *kept_out)
{
    const struct s3_request *r = op->request;
    const struct s3_field *sent = NULL;
    if (!check_md5(op))
        return false;
    for (size_t i = 0; i < r->header_count; i++) {
        if (!is_checksum(r->headers[i].name))
            continue;
        if (sent) {
            s3_refuse(op, 400, "InvalidRequest",
                      "Expecting a single x-amz-checksum- header. Multiple checksum Types are not "
                      "allowed.");
            return false;
        }
        sent = &r->headers[i];
    }
    if (sent)
        return check_sent(op, sent, kept_out);
    take_checksum(find("crc32"), r, kept_out);
    return true;
}

void s3_etag_of(const void *body, size_t len, char out[35])
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    size_t bytes = digest_md5(body, len, digest);
    char hex[2 * EVP_MAX_MD_SIZE + 1];
    hex_encode(digest, bytes, hex);
    snprintf(out, 35, "\"%.32s\"", hex);
}

bool s3_etag_listed(const char *list, const char *etag)
{
    if (strcmp(list, "*") == 0)
        return true;
    size_t len = strlen(etag) - 2; /* without its quotes */
    while (*list) {
        list += strspn(list, " \t,\"");
        size_t n = strcspn(list, " \t,\"");
        if (n == len && strncmp(list, etag + 1, len) == 0)
            return true;
        list += n;
    }
    return false;
}
