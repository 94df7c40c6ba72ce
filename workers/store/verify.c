#include "workers/store/verify.h"

#include <openssl/crypto.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/aws/material.h"
#include "common/base/clock.h"

#define SIGNED_MAX 64
#define UNSIGNED "UNSIGNED-PAYLOAD"
#define ALGORITHM "AWS4-HMAC-SHA256"

struct authorization {
    char credential[320];
    char signed_headers[1024];
    char signature[SIGV4_HEX_BYTES];
    const char *access_key_id; /* into credential, as the next three */
    const char *date;
    const char *region;
    const char *service;
};

static bool refuse(struct verify_result *out, int status, const char *code, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

static bool refuse(struct verify_result *out, int status, const char *code, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    out->status = status;
    out->code = code;
    vsnprintf(out->message, sizeof(out->message), format, ap);
    va_end(ap);
    return false;
}

static const char *header(const struct verify_input *in, const char *name)
{
    for (size_t i = 0; i < in->header_count; i++)
        if (strcasecmp(in->headers[i].name, name) == 0)
            return in->headers[i].value;
    return NULL;
}

/* The value behind "name=" up to a comma or blank. */
static bool take_part(const char *text, const char *name, char *out, size_t size)
{
    size_t name_len = strlen(name);
    for (const char *at = text; (at = strstr(at, name)); at += name_len) {
        if ((at != text && !strchr(" ,\t", at[-1])) || at[name_len] != '=')
            continue;
        const char *value = at + name_len + 1;
        size_t len = strcspn(value, ", \t");
        if (len == 0 || len >= size)
            return false;
        memcpy(out, value, len);
        out[len] = '\0';
        return true;
    }
    return false;
}

/* Credential=AKID/date/region/service/aws4_request, SignedHeaders=a;b, Signature=hex */
static bool parse(const char *text, struct authorization *a)
{
    if (!take_part(text, "Credential", a->credential, sizeof(a->credential)) ||
        !take_part(text, "SignedHeaders", a->signed_headers, sizeof(a->signed_headers)) ||
        !take_part(text, "Signature", a->signature, sizeof(a->signature)))
        return false;
    char *parts[5];
    char *rest = a->credential;
    for (int i = 0; i < 5; i++)
        if (!(parts[i] = strsep(&rest, "/")) || !*parts[i])
            return false;
    if (rest || strcmp(parts[4], "aws4_request") != 0 || strlen(parts[0]) > 128)
        return false;
    a->access_key_id = parts[0];
    a->date = parts[1];
    a->region = parts[2];
    a->service = parts[3];
    return strlen(a->signature) == SIGV4_HEX_BYTES - 1;
}

/* Today's date within the window, and the scope's date the same day. */
static bool check_date(const struct authorization *a, const char *amz_date, int64_t wall_ms,
                       struct verify_result *out)
{
    int64_t signed_ms = 0;
    char now[CLOCK_TEXT_BYTES];
    if (clock_parse_amz_date(amz_date, &signed_ms) < 0)
        return refuse(out, 403, "IncompleteSignature", "X-Amz-Date must be like 20261121T093000Z.");
    if (strncmp(a->date, amz_date, 8) != 0 || strlen(a->date) != 8)
        return refuse(out, 403, "SignatureDoesNotMatch",
                      "The date in Credential and that of X-Amz-Date differ.");
    clock_amz_date(wall_ms, now);
    if (signed_ms < wall_ms - VERIFY_WINDOW_MS)
        return refuse(out, 403, "RequestTimeTooSkewed",
                      "Signature expired: %s is earlier than %s - 15 min.", amz_date, now);
    if (signed_ms > wall_ms + VERIFY_WINDOW_MS)
        return refuse(out, 403, "RequestTimeTooSkewed",
                      "Signature not yet current: %s is later than %s + 15 min.", amz_date, now);
    return true;
}

/* The headers that were signed, in order; every name in the list must be there. */
static bool collect_signed(const struct verify_input *in, char *names, struct sigv4_header *list,
                           size_t *count_out)
{
    size_t n = 0;
    bool host = false;
    bool date = false;
    char *rest = names;
    char *name;
    while ((name = strsep(&rest, ";"))) {
        size_t before = n;
        for (size_t i = 0; i < in->header_count; i++) {
            if (strcasecmp(in->headers[i].name, name) != 0)
                continue;
            if (n == SIGNED_MAX)
                return false;
            list[n++] = in->headers[i];
        }
        if (n == before)
            return false;
        host = host || strcmp(name, "host") == 0;
        date = date || strcmp(name, "x-amz-date") == 0;
    }
    *count_out = n;
    return host && date;
}

static bool matches(const struct verify_input *in, struct authorization *a,
                    const struct sigv4_key *key, const char *amz_date, const char *payload_hash)
{
    struct sigv4_header list[SIGNED_MAX];
    char expected[SIGV4_HEX_BYTES];
    struct sigv4_request r = {
        .method = in->method, .path = in->path, .query = in->query, .headers = list};
    if (!collect_signed(in, a->signed_headers, list, &r.header_count))
        return false;
    r.payload_hash = payload_hash;
    sigv4_signature(&r, key, amz_date, expected);
    return CRYPTO_memcmp(expected, a->signature, SIGV4_HEX_BYTES - 1) == 0;
}

static bool is_listed(const char *names, const char *name)
{
    size_t len = strlen(name);
    for (const char *at = names; *at; at += strspn(at, ";")) {
        size_t n = strcspn(at, ";");
        if (n == len && strncasecmp(at, name, len) == 0)
            return true;
        at += n;
    }
    return false;
}

/* What S3 asks of a request beyond the others. sent_out: the hash that was signed. */
static bool check_s3(const struct verify_input *in, const struct authorization *a,
                     const char *body_hash, const char **sent_out, struct verify_result *out)
{
    const char *sent = header(in, "x-amz-content-sha256");
    if (!sent)
        return refuse(out, 400, "InvalidRequest",
                      "Missing required header for this request: x-amz-content-sha256");
    if (strncmp(sent, "STREAMING-", 10) == 0)
        return refuse(out, 501, "NotImplemented",
                      "The store takes no aws-chunked bodies: send x-amz-content-sha256 with the "
                      "body's hash, or UNSIGNED-PAYLOAD.");
    for (size_t i = 0; i < in->header_count; i++)
        if (strncasecmp(in->headers[i].name, "x-amz-", 6) == 0 &&
            !is_listed(a->signed_headers, in->headers[i].name))
            return refuse(out, 403, "AccessDenied",
                          "There were headers present in the request which were not signed: %.60s",
                          in->headers[i].name);
    if (strcmp(sent, UNSIGNED) != 0 && strcasecmp(sent, body_hash) != 0)
        return refuse(out, 400, "XAmzContentSHA256Mismatch",
                      "The provided 'x-amz-content-sha256' header does not match what was "
                      "computed.");
    *sent_out = sent;
    return true;
}

bool verify_request(const struct material *material, const char *region, const char *service,
                    const struct verify_input *input, int64_t wall_ms, struct verify_result *out)
{
    struct authorization a;
    bool s3 = strcmp(service, "s3") == 0;
    char body_hash[SIGV4_HEX_BYTES];
    const char *payload_hash = body_hash;
    *out = (struct verify_result){.status = 200, .code = ""};
    const char *text = header(input, "Authorization");
    const char *amz_date = header(input, "X-Amz-Date");
    if (!text)
        return refuse(out, 403, s3 ? "AccessDenied" : "MissingAuthenticationToken",
                      "The request is not signed.");
    if (strncmp(text, ALGORITHM " ", strlen(ALGORITHM) + 1) != 0 || !amz_date ||
        !parse(text + strlen(ALGORITHM) + 1, &a))
        return refuse(out, s3 ? 400 : 403,
                      s3 ? "AuthorizationHeaderMalformed" : "IncompleteSignature",
                      "Authorization must be " ALGORITHM " with Credential, SignedHeaders and "
                      "Signature, beside X-Amz-Date.");
    if (!check_date(&a, amz_date, wall_ms, out))
        return false;
    if (s3 && strcmp(a.region, region) != 0)
        return refuse(out, 400, "AuthorizationHeaderMalformed",
                      "The authorization header is malformed; the region is wrong; expecting '%s'",
                      region);
    if (strcmp(a.region, region) != 0 || strcmp(a.service, service) != 0)
        return refuse(out, 403, "SignatureDoesNotMatch",
                      "Credential should be scoped to region \"%s\" and service \"%s\".", region,
                      service);
    const struct sigv4_key *key =
        material_key_by_id(material, "embedded", a.access_key_id, region, service, a.date);
    if (!key && !material_signing_key(material, "embedded", region, service, a.date))
        return refuse(out, 503, "ServiceUnavailable",
                      "The store has not got its signing keys yet; try again in a second.");
    if (!key)
        return refuse(out, 403, s3 ? "InvalidAccessKeyId" : "InvalidClientTokenId",
                      "The access key id in the request is not the store's.");
    sigv4_sha256_hex(input->body, input->body_len, body_hash);
    if (s3 && !check_s3(input, &a, body_hash, &payload_hash, out))
        return false;
    if (!matches(input, &a, key, amz_date, payload_hash))
        return refuse(out, 403, "SignatureDoesNotMatch",
                      "The request signature we calculated does not match the signature you "
                      "provided. Check the secret access key and what is signed.");
    snprintf(out->caller, sizeof(out->caller), "%s", a.access_key_id);
    return true;
}
