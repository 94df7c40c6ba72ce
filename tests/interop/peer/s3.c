#include <string.h>

#include "common/aws/bucket_open.h"
#include "common/aws/s3.h"
#include "tests/interop/peer/peer.h"

static void on_reply(void *arg, const struct aws_reply *reply)
{
    struct peer *p = arg;
    p->answer = peer_reply(reply);
}

static void on_put(void *arg, const struct aws_reply *reply, const char *etag)
{
    struct peer *p = arg;
    p->answer = peer_reply(reply);
    if (etag)
        json_object_set_new(p->answer, "etag", json_string(etag));
}

static void on_get(void *arg, const struct aws_reply *reply, const struct s3_got *got)
{
    struct peer *p = arg;
    p->answer = peer_reply(reply);
    if (!got)
        return;
    const char *checksum =
        reply->http ? http_answer_header(reply->http, "x-amz-checksum-sha256") : NULL;
    json_object_set_new(p->answer, "body", json_stringn(got->body, got->body_len));
    json_object_set_new(p->answer, "etag", json_string(got->etag));
    json_object_set_new(p->answer, "checksum", json_string(checksum ? checksum : ""));
    for (size_t i = 0; reply->http && i < reply->http->header_count; i++)
        if (strncasecmp(reply->http->headers[i].name, "x-amz-meta-", 11) == 0 ||
            strcasecmp(reply->http->headers[i].name, "content-type") == 0)
            json_object_set_new(p->answer, reply->http->headers[i].name,
                                json_string(reply->http->headers[i].value));
}

static void on_list(void *arg, const struct aws_reply *reply, const struct s3_page *page)
{
    struct peer *p = arg;
    json_t *list = json_array();
    for (size_t i = 0; page && i < page->count; i++) {
        const struct s3_listed *o = &page->objects[i];
        json_array_append_new(list, json_pack("{s:s, s:s, s:I, s:I}", "key", o->key, "etag",
                                              o->etag, "size", (json_int_t)o->size, "modified_ms",
                                              (json_int_t)o->modified_ms));
    }
    p->answer = peer_reply(reply);
    json_object_set_new(p->answer, "objects", list);
    json_object_set_new(p->answer, "truncated", json_boolean(page && page->truncated));
}

static void on_open(void *arg)
{
    struct peer *p = arg;
    opening_free(p->opening);
    p->opening = NULL;
    p->answer = json_pack("{s:s}", "class", "ok");
}

static void put(struct peer *p, const char *bucket, const struct s3_options *limits,
                const json_t *in)
{
    struct http_header metadata[8];
    struct s3_put what = {.key = peer_text(in, "key"),
                          .body = peer_text(in, "body"),
                          .body_len = json_string_length(json_object_get(in, "body")),
                          .content_type = peer_text(in, "content_type"),
                          .metadata = metadata,
                          .create_once = json_is_true(json_object_get(in, "create_once")),
                          .if_match = json_string_value(json_object_get(in, "if_match"))};
    const char *name;
    json_t *value;
    json_object_foreach(json_object_get(in, "metadata"), name, value)
        metadata[what.metadata_count++] = (struct http_header){name, json_string_value(value)};
    s3_put_object(p->client, &p->endpoint, bucket, &what, limits, on_put, p);
}

bool peer_s3_run(struct peer *p, const char *op, const json_t *in)
{
    if (strncmp(op, "s3.", 3) != 0)
        return false;
    op += 3;
    const struct aws_endpoint *e = &p->endpoint;
    const char *bucket = peer_text(in, "bucket");
    const struct s3_options limits = PEER_LIMITS(struct s3_options, in);
    if (strcmp(op, "open") == 0)
        p->opening = bucket_open_start(
            p->base, p->client, e,
            &(struct bucket_open_options){bucket, peer_text(in, "prefix"), "consumer"}, on_open, p);
    else if (strcmp(op, "head") == 0)
        s3_head_bucket(p->client, e, bucket, &limits, on_reply, p);
    else if (strcmp(op, "create") == 0)
        s3_create_bucket(p->client, e, bucket, &limits, on_reply, p);
    else if (strcmp(op, "put") == 0)
        put(p, bucket, &limits, in);
    else if (strcmp(op, "get") == 0)
        s3_get_object(p->client, e, bucket, peer_text(in, "key"), &limits, on_get, p);
    else if (strcmp(op, "delete") == 0)
        s3_delete_object(p->client, e, bucket, peer_text(in, "key"),
                         json_string_value(json_object_get(in, "if_match")), &limits, on_reply, p);
    else if (strcmp(op, "list") == 0)
        s3_list_objects(p->client, e, bucket,
                        &(struct s3_range){peer_text(in, "prefix"), peer_text(in, "start_after"),
                                           "", (int)peer_number(in, "max")},
                        &limits, on_list, p);
    else
        return false;
    return true;
}
