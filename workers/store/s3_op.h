#ifndef WORKERS_STORE_S3_OP_H
#define WORKERS_STORE_S3_OP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "workers/store/s3_request.h"
#include "workers/store/s3_service.h"
#include "workers/store/service.h"

/* Shared by the files of the S3 service (s3_*.c) and used by nobody else. */

struct s3_op {
    const struct service_context *context; /* borrow, like all here */
    const struct s3_request *request;
    struct s3_counts *counts; /* of this turn */
    struct service_answer *answer;
    int64_t bucket; /* row id; found before the operation runs where it needs a bucket */
};

/* Operations fill in the answer, a refusal too. 0, or -1 where the database failed. */
typedef int s3_operation(struct s3_op *op);
s3_operation s3_list_buckets_op, s3_create_bucket_op, s3_head_bucket_op, s3_delete_bucket_op,
    s3_bucket_location_op, s3_bucket_versioning_op;
s3_operation s3_list_objects_op;
s3_operation s3_get_object_op; /* HEAD too */
s3_operation s3_put_object_op, s3_delete_object_op, s3_delete_objects_op;

/* Refusals; all return 0. extra names one further element, or NULL. */
int s3_refuse(struct s3_op *op, int status, const char *code, const char *message);
int s3_refuse_with(struct s3_op *op, int status, const char *code, const char *message,
                   const char *extra, const char *extra_text);
int s3_refuse_no_key(struct s3_op *op);
int s3_refuse_full(struct s3_op *op);
int s3_refuse_unsupported(struct s3_op *op, const char *header);
int s3_refuse_precondition(struct s3_op *op, const char *condition);

/* ---- buckets (s3_buckets.c): 1 found, 0 not there, -1 the database failed */
int s3_bucket_find(struct db *db, const char *name, int64_t *id_out);

/* ---- digests (s3_checks.c) */
struct s3_checksum {
    char name[8];  /* "sha256", "crc32"; "" for none */
    char text[48]; /* base64 */
};

/* Checks Content-MD5 and x-amz-checksum-* against the body. What the object keeps is the sender's
 * checksum, or a CRC32 of our own. False with the answer made where it is refused. */
bool s3_check_digests(struct s3_op *op, struct s3_checksum *kept_out);
/* The ETag of a body, with its quotes. */
void s3_etag_of(const void *body, size_t len, char out[35]);
/* Whether a list of ETags ("*", or quoted or bare ones with commas) names this one. */
bool s3_etag_listed(const char *list, const char *etag);

#endif
