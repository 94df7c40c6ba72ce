#include "common/aws/s3.h"

#include <assert.h>
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>

#include "common/aws/sigv4.h"
#include "common/aws/xml.h"
#include "common/base/buf.h"
#include "common/base/clock.h"
#include "common/base/xalloc.h"

#define CHECKSUM_BYTES 45          /* base64 of 32 bytes and NUL */
#define OBJECT_CAP_BYTES (8 << 20) /* the largest object or listing that is read */
#define OWN_HEADERS 6

struct pending {
    void (*reply)(struct pending *p, const struct aws_reply *reply);
    s3_put_cb *put_done;
    s3_get_cb *get_done;
    s3_list_cb *list_done;
    s3_versioning_cb *versioning_done;
    aws_reply_cb *done;
    void *arg;
};

static void on_reply(void *arg, const struct aws_reply *reply)
{
    struct pending *p = arg;
    p->reply(p, reply);
}

static void checksum_of(const void *body, size_t len, char out[CHECKSUM_BYTES])
{
    unsigned char digest[SHA256_DIGEST_LENGTH];
    SHA256(body, len, digest);
    EVP_EncodeBlock((unsigned char *)out, digest, sizeof(digest));
}

/* "/bucket" or "/bucket/key", encoded; without the bucket where the host names it (malloc). */
static char *path_of(const struct aws_endpoint *e, const char *bucket, const char *key)
{
    char *encoded = sigv4_encode(key ? key : "", true);
    char *path = e->bucket_in_host ? xasprintf("/%s", encoded)
                                   : xasprintf("/%s%s%s", bucket, key ? "/" : "", encoded);
    free(encoded);
    return path;
}

static uint64_t call(struct aws_client *c, const struct aws_endpoint *e,
                     struct aws_request *request, const char *bucket, const char *key,
                     const struct s3_options *o, const struct pending *pending)
{
    char *path = path_of(e, bucket, key);
    request->path = path;
    if (!request->query)
        request->query = "";
    request->timeout_ms = o->timeout_ms;
    request->deadline_ms = o->deadline_ms;
    request->max_attempts = o->max_attempts;
    request->answer_cap_bytes = OBJECT_CAP_BYTES;
    uint64_t id = aws_call(c, e, request, on_reply, free, xmemdup(pending, sizeof(*pending)));
    free(path);
    return id;
}

static void plain_reply(struct pending *p, const struct aws_reply *reply)
{
    p->done(p->arg, reply);
}

static struct aws_reply unreadable(const struct aws_reply *reply, const char *message)
{
    struct aws_reply damaged = *reply;
    damaged.class = AWS_TRANSIENT;
    damaged.code = "UnreadableAnswer";
    damaged.message = message;
    return damaged;
}

/* ---- objects ---- */

/* What is stored has an ETag: without one it was not S3 that said so. */
static void put_reply(struct pending *p, const struct aws_reply *reply)
{
    const char *etag = reply->class == AWS_OK ? http_answer_header(reply->http, "ETag") : NULL;
    if (reply->class == AWS_OK && !etag) {
        const struct aws_reply damaged = unreadable(reply, "the answer names no ETag");
        p->put_done(p->arg, &damaged, NULL);
        return;
    }
    p->put_done(p->arg, reply, etag);
}

uint64_t s3_put_object(struct aws_client *c, const struct aws_endpoint *e, const char *bucket,
                       const struct s3_put *put, const struct s3_options *o, s3_put_cb *done,
                       void *arg)
{
    assert(!(put->create_once && put->if_match));
    char checksum[CHECKSUM_BYTES];
    checksum_of(put->body, put->body_len, checksum);
    struct http_header *headers = xcalloc(OWN_HEADERS + put->metadata_count, sizeof(*headers));
    char **names = xcalloc(put->metadata_count, sizeof(*names));
    size_t count = 0;
    headers[count++] = (struct http_header){"Content-Type", put->content_type};
    headers[count++] = (struct http_header){"x-amz-checksum-sha256", checksum};
    if (put->create_once && !e->unconditional)
        headers[count++] = (struct http_header){"If-None-Match", "*"};
    if (put->if_match && !e->unconditional)
        headers[count++] = (struct http_header){"If-Match", put->if_match};
    if (e->sse)
        headers[count++] = (struct http_header){"x-amz-server-side-encryption", e->sse};
    if (e->sse && e->kms_key_id)
        headers[count++] =
            (struct http_header){"x-amz-server-side-encryption-aws-kms-key-id", e->kms_key_id};
    for (size_t i = 0; i < put->metadata_count; i++) {
        names[i] = xasprintf("x-amz-meta-%s", put->metadata[i].name);
        headers[count++] = (struct http_header){names[i], put->metadata[i].value};
    }
    struct aws_request request = {
        .method = "PUT",
        .headers = headers,
        .header_count = count,
        .body = put->body,
        .body_len = put->body_len,
        .empty_answer = true,
    };
    struct pending pending = {.reply = put_reply, .put_done = done, .arg = arg};
    uint64_t id = call(c, e, &request, bucket, put->key, o, &pending);
    for (size_t i = 0; i < put->metadata_count; i++)
        free(names[i]);
    free(names);
    free(headers);
    return id;
}

static bool checksum_matches(const struct aws_reply *reply)
{
    const char *stored = http_answer_header(reply->http, "x-amz-checksum-sha256");
    char checksum[CHECKSUM_BYTES];
    /* That of an object that was put in parts ("...-2") is none of its bytes. */
    if (reply->class != AWS_OK || !stored || strchr(stored, '-'))
        return true;
    checksum_of(reply->body, reply->body_len, checksum);
    return strcmp(stored, checksum) == 0;
}

static void get_reply(struct pending *p, const struct aws_reply *reply)
{
    if (reply->class != AWS_OK) {
        p->get_done(p->arg, reply, NULL);
        return;
    }
    const char *etag = http_answer_header(reply->http, "ETag");
    if (!etag) {
        const struct aws_reply damaged = unreadable(reply, "the answer names no ETag");
        p->get_done(p->arg, &damaged, NULL);
        return;
    }
    const struct s3_got got = {.body = reply->body, .body_len = reply->body_len, .etag = etag};
    p->get_done(p->arg, reply, &got);
}

uint64_t s3_get_object(struct aws_client *c, const struct aws_endpoint *e, const char *bucket,
                       const char *key, const struct s3_options *o, s3_get_cb *done, void *arg)
{
    const struct http_header headers[] = {{"x-amz-checksum-mode", "ENABLED"}};
    struct aws_request request = {
        .method = "GET", .headers = headers, .header_count = 1, .intact = checksum_matches};
    struct pending pending = {.reply = get_reply, .get_done = done, .arg = arg};
    return call(c, e, &request, bucket, key, o, &pending);
}

uint64_t s3_delete_object(struct aws_client *c, const struct aws_endpoint *e, const char *bucket,
                          const char *key, const char *if_match, const struct s3_options *o,
                          aws_reply_cb *done, void *arg)
{
    const struct http_header headers[] = {{"If-Match", if_match}};
    struct aws_request request = {
        .method = "DELETE",
        .headers = headers,
        .header_count = if_match && !e->unconditional ? 1 : 0,
        .empty_answer = true,
    };
    struct pending pending = {.reply = plain_reply, .done = done, .arg = arg};
    return call(c, e, &request, bucket, key, o, &pending);
}

/* ---- listing ---- */

struct listing {
    struct s3_listed *objects; /* own, and so are their strings */
    size_t count;
    bool truncated;
    char *token; /* own, or NULL */
};

static void listing_free(struct listing *l)
{
    for (size_t i = 0; i < l->count; i++) {
        free((char *)l->objects[i].key);
        free((char *)l->objects[i].etag);
    }
    free(l->objects);
    free(l->token);
}

static void take_text(struct listing *l, bool in_object, const char *name, char *text)
{
    struct s3_listed *object = l->count ? &l->objects[l->count - 1] : NULL;
    if (!in_object && strcmp(name, "IsTruncated") == 0) {
        l->truncated = strcmp(text, "true") == 0;
    } else if (!in_object && strcmp(name, "NextContinuationToken") == 0 && !l->token) {
        l->token = xstrdup(text);
    } else if (!in_object) {
        ; /* of no use to us */
    } else if (strcmp(name, "Key") == 0 && !object->key) {
        object->key = xstrdup(text);
    } else if (strcmp(name, "ETag") == 0 && !object->etag) {
        object->etag = xstrdup(text);
    } else if (strcmp(name, "Size") == 0) {
        object->size = strtoll(text, NULL, 10);
    } else if (strcmp(name, "LastModified") == 0) {
        if (clock_parse_rfc3339(text, &object->modified_ms))
            object->modified_ms = 0;
    }
    free(text);
}

static void add_object(struct listing *l)
{
    l->objects = xrealloc(l->objects, (l->count + 1) * sizeof(*l->objects));
    l->objects[l->count++] = (struct s3_listed){0};
}

/* Reads <ListBucketResult>; false where it is not one, or an object has no key. */
static bool read_listing(const struct aws_reply *reply, struct listing *l)
{
    struct xml_reader r;
    struct xml_piece piece;
    char name[sizeof(piece.name)] = "";
    bool in_object = false, begun = false;
    xml_start(&r, reply->body, reply->body_len);
    for (;;) {
        switch (xml_next(&r, &piece)) {
        case XML_START:
            if (r.depth == 1 && strcmp(piece.name, "ListBucketResult") != 0)
                return false;
            begun = true;
            if (r.depth == 2 && strcmp(piece.name, "Contents") == 0) {
                in_object = true;
                add_object(l);
            }
            memcpy(name, piece.name, sizeof(name));
            break;
        case XML_TEXT:
            take_text(l, in_object, name, piece.text);
            break;
        case XML_END:
            if (r.depth == 1 && in_object) {
                in_object = false;
                if (!l->objects[l->count - 1].key)
                    return false;
            }
            name[0] = '\0';
            break;
        case XML_DONE:
            return begun;
        case XML_BROKEN:
            return false;
        }
    }
}

static void list_reply(struct pending *p, const struct aws_reply *reply)
{
    struct listing l = {0};
    if (reply->class != AWS_OK) {
        p->list_done(p->arg, reply, NULL);
    } else if (!read_listing(reply, &l)) {
        const struct aws_reply damaged = unreadable(reply, "the answer is not a ListBucketResult");
        p->list_done(p->arg, &damaged, NULL);
    } else {
        const struct s3_page page = {l.objects, l.count, l.truncated, l.token ? l.token : ""};
        p->list_done(p->arg, reply, &page);
    }
    listing_free(&l);
}

uint64_t s3_list_objects(struct aws_client *c, const struct aws_endpoint *e, const char *bucket,
                         const struct s3_range *range, const struct s3_options *o, s3_list_cb *done,
                         void *arg)
{
    assert(range->max >= 1 && range->max <= 1000);
    const char *from = *range->token ? range->token : range->start_after;
    char *encoded_prefix = sigv4_encode(range->prefix, false);
    char *encoded_from = sigv4_encode(from, false);
    char *query = xasprintf("list-type=2&max-keys=%d&prefix=%s%s%s", range->max, encoded_prefix,
                            *range->token ? "&continuation-token="
                            : *from       ? "&start-after="
                                          : "",
                            encoded_from);
    struct aws_request request = {.method = "GET", .query = query};
    struct pending pending = {.reply = list_reply, .list_done = done, .arg = arg};
    uint64_t id = call(c, e, &request, bucket, NULL, o, &pending);
    free(query);
    free(encoded_from);
    free(encoded_prefix);
    return id;
}

/* ---- buckets ---- */

uint64_t s3_head_bucket(struct aws_client *c, const struct aws_endpoint *e, const char *bucket,
                        const struct s3_options *o, aws_reply_cb *done, void *arg)
{
    struct aws_request request = {.method = "HEAD"};
    struct pending pending = {.reply = plain_reply, .done = done, .arg = arg};
    return call(c, e, &request, bucket, NULL, o, &pending);
}

/* Suspended is not enabled; without a Status there never were versions. */
static void versioning_reply(struct pending *p, const struct aws_reply *reply)
{
    char *status = reply->class == AWS_OK
                       ? xml_first_text((const char *)reply->body, reply->body_len, "Status")
                       : NULL;
    p->versioning_done(p->arg, reply, status && strcmp(status, "Enabled") == 0);
    free(status);
}

uint64_t s3_get_bucket_versioning(struct aws_client *c, const struct aws_endpoint *e,
                                  const char *bucket, const struct s3_options *o,
                                  s3_versioning_cb *done, void *arg)
{
    struct aws_request request = {.method = "GET", .query = "versioning="};
    struct pending pending = {.reply = versioning_reply, .versioning_done = done, .arg = arg};
    return call(c, e, &request, bucket, NULL, o, &pending);
}

static void create_reply(struct pending *p, const struct aws_reply *reply)
{
    struct aws_reply ours = *reply;
    if (strcmp(reply->code, "BucketAlreadyOwnedByYou") == 0)
        ours.class = AWS_OK;
    p->done(p->arg, &ours);
}

uint64_t s3_create_bucket(struct aws_client *c, const struct aws_endpoint *e, const char *bucket,
                          const struct s3_options *o, aws_reply_cb *done, void *arg)
{
    struct aws_request request = {.method = "PUT"};
    struct pending pending = {.reply = create_reply, .done = done, .arg = arg};
    return call(c, e, &request, bucket, NULL, o, &pending);
}
