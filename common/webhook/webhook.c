#include "common/webhook/webhook.h"

#include <jansson.h>
#include <openssl/rand.h>
#include <openssl/sha.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/hex.h"
#include "common/base/utf8.h"
#include "common/base/xalloc.h"
#include "common/webhook/base64.h"
#include "common/webhook/event_id.h"

#define TRACE_RANDOM_BYTES 10
#define SHA256_HEX_BYTES 65

void webhook_free(struct webhook *h)
{
    if (!h)
        return;
    free(h->source);
    free(h->event_id);
    free(h->content_type);
    free(h->schema_version);
    free(h->body);
    free(h);
}

size_t webhook_max_body(size_t limit)
{
    return limit > WEBHOOK_OVERHEAD_BYTES ? limit - WEBHOOK_OVERHEAD_BYTES : 0;
}

/* Adds one to a big-endian number; true where it overflowed to zero. */
static bool increment(unsigned char number[TRACE_RANDOM_BYTES])
{
    for (int i = TRACE_RANDOM_BYTES - 1; i >= 0; i--)
        if (++number[i])
            return false;
    return true;
}

/* 5 bits a character, most significant first: 2 zero bits and then the 128 bits of the id. */
static void crockford(const unsigned char id[16], char out[WEBHOOK_TRACE_BYTES])
{
    static const char digits[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
    unsigned held = 0;
    int bits = 2;
    size_t n = 0;
    for (int i = 0; i < 16; i++) {
        held = held << 8 | id[i];
        for (bits += 8; bits >= 5; bits -= 5)
            out[n++] = digits[held >> (bits - 5) & 31];
        held &= 0xff;
    }
    out[n] = '\0';
}

void webhook_new_trace(int64_t wall_ms, char out[WEBHOOK_TRACE_BYTES])
{
    /* The last id of this process, so that the next one in its millisecond can be greater. */
    static int64_t last_ms = -1;
    static unsigned char random[TRACE_RANDOM_BYTES];
    if (wall_ms != last_ms || increment(random)) {
        if (RAND_bytes(random, sizeof(random)) != 1)
            abort();       /* a trace that is not unique would mix up two events */
        random[0] &= 0x7f; /* room to count up */
        last_ms = wall_ms;
    }
    unsigned char id[16];
    for (int i = 0; i < 6; i++)
        id[i] = (unsigned char)(wall_ms >> (40 - 8 * i));
    memcpy(id + 6, random, sizeof(random));
    crockford(id, out);
}

void webhook_derived_trace(const char *queue, const char *id, char out[WEBHOOK_TRACE_BYTES])
{
    struct buf text = {0};
    unsigned char digest[SHA256_DIGEST_LENGTH];
    buf_append(&text, queue, strlen(queue) + 1); /* NUL between them: no two pairs run together */
    buf_puts(&text, id);
    SHA256((const unsigned char *)text.data, text.len, digest);
    memcpy(out, "DLQ-", 4);
    hex_encode(digest, 16, out + 4);
    buf_free(&text);
}

static void sha256_hex(const void *data, size_t len, char out[SHA256_HEX_BYTES])
{
    unsigned char digest[SHA256_DIGEST_LENGTH];
    SHA256(data ? data : "", len, digest);
    hex_encode(digest, sizeof(digest), out);
}

static const char *encode_body(const struct webhook *h, struct buf *out)
{
    if (h->body_len == 0) {
        buf_puts(out, " ");
        return "empty";
    }
    if (sqs_body_allowed(h->body, h->body_len)) {
        buf_append(out, h->body, h->body_len);
        return "raw";
    }
    base64_encode(h->body, h->body_len, out);
    return "base64";
}

void webhook_to_message(const struct webhook *h, struct buf *body_out, struct buf *attribute_out)
{
    char sha256[SHA256_HEX_BYTES];
    char *event_id = event_id_safe(h->event_id, strlen(h->event_id));
    char *type = utf8_safe(h->content_type, strlen(h->content_type), WEBHOOK_CONTENT_TYPE_BYTES);
    sha256_hex(h->body, h->body_len, sha256);
    const char *encoding = encode_body(h, body_out);
    json_t *attribute =
        json_pack("{s:i, s:s, s:s, s:s, s:I, s:s, s:s, s:s, s:s}", "v", 1, "trace", h->trace_id,
                  "source", h->source, "event_id", event_id, "at", (json_int_t)h->received_at_ms,
                  "ct", type, "enc", encoding, "sha256", sha256, "sv", h->schema_version);
    char *text = attribute ? json_dumps(attribute, JSON_COMPACT | JSON_ENSURE_ASCII) : NULL;
    if (!text)
        abort(); /* out of memory, or a name of ours that is not UTF-8 */
    buf_puts(attribute_out, text);
    free(text);
    json_decref(attribute);
    free(type);
    free(event_id);
}

__attribute__((format(printf, 3, 4))) static bool broken(char *reason, size_t size,
                                                         const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    vsnprintf(reason, size, format, ap);
    va_end(ap);
    return false;
}

static bool is_trace(const char *text)
{
    size_t n = strlen(text);
    return n > 0 && n < WEBHOOK_TRACE_BYTES &&
           strspn(text, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-_") == n;
}

struct attribute { /* the members of `Sluice`, borrowed from its JSON */
    int version;
    const char *trace;
    const char *source;
    const char *event_id;
    json_int_t at;
    const char *content_type;
    const char *encoding;
    const char *sha256;
    const char *schema_version;
};

static bool unpack(json_t *json, struct attribute *a, char *reason, size_t size)
{
    json_error_t error;
    if (json_unpack_ex(json, &error, 0, "{s:i, s:s, s:s, s:s, s:I, s:s, s:s, s:s, s:s}", "v",
                       &a->version, "trace", &a->trace, "source", &a->source, "event_id",
                       &a->event_id, "at", &a->at, "ct", &a->content_type, "enc", &a->encoding,
                       "sha256", &a->sha256, "sv", &a->schema_version))
        return broken(reason, size, "the attribute %s is not ours: %s", WEBHOOK_ATTRIBUTE,
                      error.text);
    if (a->version != 1)
        return broken(reason, size, "the attribute %s has version %d; this Sluice knows 1",
                      WEBHOOK_ATTRIBUTE, a->version);
    if (!is_trace(a->trace))
        return broken(reason, size, "the attribute %s has no usable trace id", WEBHOOK_ATTRIBUTE);
    return true;
}

static bool decode_body(const struct sqs_message *m, const struct attribute *a, struct buf *out,
                        char *reason, size_t size)
{
    char sha256[SHA256_HEX_BYTES];
    if (strcmp(a->encoding, "raw") == 0) {
        buf_append(out, m->body, m->body_len);
    } else if (strcmp(a->encoding, "base64") == 0) {
        if (!base64_decode(m->body, m->body_len, out))
            return broken(reason, size, "the body is not the base64 that it is marked as");
    } else if (strcmp(a->encoding, "empty") == 0) {
        if (m->body_len != 1 || m->body[0] != ' ')
            return broken(reason, size, "the body is not the blank that stands for an empty one");
    } else {
        return broken(reason, size, "the body has an unknown encoding");
    }
    sha256_hex(out->data, out->len, sha256);
    if (strcmp(sha256, a->sha256) != 0)
        return broken(reason, size, "the body does not match its SHA-256: it is %s", sha256);
    return true;
}

static struct webhook *from_attribute(const struct sqs_message *m, json_t *json, char *reason,
                                      size_t size)
{
    struct attribute a;
    struct buf body = {0};
    if (!unpack(json, &a, reason, size) || !decode_body(m, &a, &body, reason, size)) {
        buf_free(&body);
        return NULL;
    }
    struct webhook *h = xcalloc(1, sizeof(*h));
    strcpy(h->trace_id, a.trace);
    h->source = xstrdup(a.source);
    h->event_id = event_id_safe(a.event_id, strlen(a.event_id));
    h->content_type = utf8_safe(a.content_type, strlen(a.content_type), WEBHOOK_CONTENT_TYPE_BYTES);
    h->schema_version = xstrdup(a.schema_version);
    h->received_at_ms = a.at;
    h->body_len = body.len;
    h->body = buf_steal(&body);
    return h;
}

static struct webhook *from_stranger(const struct sqs_message *m, const char *source,
                                     const char *queue)
{
    struct webhook *h = xcalloc(1, sizeof(*h));
    webhook_derived_trace(queue, m->id, h->trace_id);
    h->source = xstrdup(source);
    h->event_id = xstrdup("");
    h->content_type = xstrdup("");
    h->schema_version = xstrdup("");
    h->received_at_ms = m->sent_at_ms;
    struct buf body = {0};
    buf_append(&body, m->body, m->body_len);
    h->body_len = body.len;
    h->body = buf_steal(&body);
    return h;
}

struct webhook *webhook_from_message(const struct sqs_message *m, const char *source,
                                     const char *queue, char *reason, size_t reason_size)
{
    const struct sqs_attribute *attribute = NULL;
    for (size_t i = 0; i < m->attribute_count; i++)
        if (strcmp(m->attributes[i].name, WEBHOOK_ATTRIBUTE) == 0)
            attribute = &m->attributes[i];
    if (!attribute)
        return from_stranger(m, source, queue);
    /* Anybody who may write to the queue can put anything there: bounded before it becomes a tree.
     */
    json_t *json = strlen(attribute->value) <= WEBHOOK_OVERHEAD_BYTES
                       ? json_loads(attribute->value, 0, NULL)
                       : NULL;
    struct webhook *h = NULL;
    if (json)
        h = from_attribute(m, json, reason, reason_size);
    else
        broken(reason, reason_size, "the attribute %s is not a JSON object of ours",
               WEBHOOK_ATTRIBUTE);
    json_decref(json);
    return h;
}
