#ifndef COMMON_AWS_S3_H
#define COMMON_AWS_S3_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/aws/aws_call.h"

/* Amazon S3 (aws-protocol notes section 2). The endpoint says how the bucket is addressed, how it
 * is to encrypt, and whether the server knows conditions. Keys are given raw (UTF-8, at most 1,024
 * bytes) and encoded here. Every PUT carries x-amz-checksum-sha256, and every GET asks for the
 * stored checksum and verifies it where the server returns one: a mismatch is AWS_TRANSIENT with
 * code "BadChecksum". */

struct s3_put { /* borrowed until the callback */
    const char *key;
    const void *body;
    size_t body_len;
    const char *content_type;
    const struct http_header *metadata; /* names without "x-amz-meta-"; values ASCII, one line */
    size_t metadata_count;
    bool create_once; /* If-None-Match: * — AWS_CONFLICT where the object exists */
    const char
        *if_match; /* quoted ETag — AWS_CONFLICT where it changed, AWS_MISSING where gone; NULL */
};

struct s3_got { /* borrowed for the callback */
    const void *body;
    size_t body_len;
    const char *etag; /* with its quotes */
};

struct s3_listed {
    const char *key;
    const char *etag;
    int64_t size;
    int64_t modified_ms;
};

struct s3_range {
    const char *prefix;
    const char *start_after; /* "": from the beginning */
    const char *token;       /* of the last page, or "": then start_after decides */
    int max;                 /* 1..1000 */
};

struct s3_page { /* borrowed for the callback */
    const struct s3_listed *objects;
    size_t count;      /* may be 0 although there is more */
    bool truncated;    /* there is more */
    const char *token; /* to go on by; "" where the server gives none */
};

/* Where !AWS_OK the other arguments are NULL / 0. What says that it worked but is no answer of S3's
 * (no ETag, no listing) is AWS_TRANSIENT with code "UnreadableAnswer". */
typedef void s3_put_cb(void *arg, const struct aws_reply *reply, const char *etag);
typedef void s3_get_cb(void *arg, const struct aws_reply *reply, const struct s3_got *got);
typedef void s3_list_cb(void *arg, const struct aws_reply *reply, const struct s3_page *page);
/* enabled: deleting and overwriting keep what was there. */
typedef void s3_versioning_cb(void *arg, const struct aws_reply *reply, bool enabled);

/* limits as in sqs.h; a PUT that timed out may have happened (AWS_TRANSIENT), and with create_once
 * the next try may then say AWS_CONFLICT of our own object: callers compare what is there. */
struct s3_options {
    int64_t timeout_ms, deadline_ms;
    int max_attempts;
};

uint64_t s3_put_object(struct aws_client *c, const struct aws_endpoint *e, const char *bucket,
                       const struct s3_put *put, const struct s3_options *o, s3_put_cb *done,
                       void *arg);
uint64_t s3_get_object(struct aws_client *c, const struct aws_endpoint *e, const char *bucket,
                       const char *key, const struct s3_options *o, s3_get_cb *done, void *arg);
/* if_match: quoted ETag or NULL. Deleting what is not there is AWS_OK. */
uint64_t s3_delete_object(struct aws_client *c, const struct aws_endpoint *e, const char *bucket,
                          const char *key, const char *if_match, const struct s3_options *o,
                          aws_reply_cb *done, void *arg);
/* ListObjectsV2 in key order, one page. By start_after paging is stateless, and stable while
 * objects come and go; but only the token leads on from a page that brings no keys. */
uint64_t s3_list_objects(struct aws_client *c, const struct aws_endpoint *e, const char *bucket,
                         const struct s3_range *range, const struct s3_options *o, s3_list_cb *done,
                         void *arg);
uint64_t s3_head_bucket(struct aws_client *c, const struct aws_endpoint *e, const char *bucket,
                        const struct s3_options *o, aws_reply_cb *done, void *arg);
uint64_t s3_get_bucket_versioning(struct aws_client *c, const struct aws_endpoint *e,
                                  const char *bucket, const struct s3_options *o,
                                  s3_versioning_cb *done, void *arg);
/* AWS_OK too where we own it already. */
uint64_t s3_create_bucket(struct aws_client *c, const struct aws_endpoint *e, const char *bucket,
                          const struct s3_options *o, aws_reply_cb *done, void *arg);

#endif
