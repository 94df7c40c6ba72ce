#include <string.h>

#include "common/base/buf.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "workers/store/db.h"
#include "workers/store/s3_op.h"
#include "workers/store/s3_xml.h"

int s3_bucket_find(struct db *db, const char *name, int64_t *id_out)
{
    static const char sql[] = "SELECT id FROM buckets WHERE name = ?1";
    sqlite3_stmt *st = db_query(db, sql, "s", name);
    int found = db_step(db, st);
    if (found == 1) {
        *id_out = sqlite3_column_int64(st, 0);
        sqlite3_reset(st);
    }
    return found;
}

/* 3..63 of a-z 0-9 . - with a letter or digit at both ends, not like an IP address. */
static bool is_bucket_name(const char *name)
{
    static const char ends[] = "abcdefghijklmnopqrstuvwxyz0123456789";
    size_t len = strlen(name);
    return len >= 3 && len <= 63 && strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789.-") == len &&
           strchr(ends, name[0]) && strchr(ends, name[len - 1]) && !strstr(name, "..") &&
           strspn(name, "0123456789.") < len;
}

/* AWS answers a repeated PUT of one's own bucket with 200 in us-east-1 and with 409 everywhere
 * else; the store's region is not us-east-1. */
int s3_create_bucket_op(struct s3_op *op)
{
    static const char sql[] = "INSERT INTO buckets (name, created_at) VALUES (?1, ?2)";
    const char *name = op->request->bucket;
    if (!is_bucket_name(name))
        return s3_refuse_with(op, 400, "InvalidBucketName", "The specified bucket is not valid.",
                              "BucketName", name);
    if (op->bucket)
        return s3_refuse_with(op, 409, "BucketAlreadyOwnedByYou",
                              "Your previous request to create the named bucket succeeded and you "
                              "already own it.",
                              "BucketName", name);
    if (op->context->full)
        return s3_refuse_full(op);
    if (db_run(op->context->db, sql, "si", name, op->context->now_ms) < 0)
        return -1;
    struct buf location = {0};
    buf_printf(&location, "/%s", name);
    service_answer_header(op->answer, "Location", location.data);
    buf_free(&location);
    op->answer->status = 200;
    log_info("bucket \"%s\": created", name);
    return 0;
}

int s3_delete_bucket_op(struct s3_op *op)
{
    static const char used[] = "SELECT 1 FROM objects WHERE bucket = ?1 LIMIT 1";
    static const char sql[] = "DELETE FROM buckets WHERE id = ?1";
    struct db *db = op->context->db;
    sqlite3_stmt *st = db_query(db, used, "i", op->bucket);
    int found = db_step(db, st);
    if (found < 0)
        return -1;
    if (found) {
        sqlite3_reset(st);
        return s3_refuse_with(op, 409, "BucketNotEmpty",
                              "The bucket you tried to delete is not empty", "BucketName",
                              op->request->bucket);
    }
    if (db_run(db, sql, "i", op->bucket) < 0)
        return -1;
    op->answer->status = 204;
    log_info("bucket \"%s\": deleted", op->request->bucket);
    return 0;
}

int s3_head_bucket_op(struct s3_op *op)
{
    service_answer_header(op->answer, "x-amz-bucket-region", S3_REGION);
    op->answer->status = 200;
    return 0;
}

int s3_bucket_location_op(struct s3_op *op)
{
    struct buf out = {0};
    buf_puts(&out, S3_XML_HEAD "<LocationConstraint " S3_XML_NAMESPACE ">" S3_REGION
                               "</LocationConstraint>");
    s3_xml_answer(op->answer, 200, &out);
    return 0;
}

/* No Status: versioning was never configured. */
int s3_bucket_versioning_op(struct s3_op *op)
{
    struct buf out = {0};
    buf_puts(&out, S3_XML_HEAD "<VersioningConfiguration " S3_XML_NAMESPACE "/>");
    s3_xml_answer(op->answer, 200, &out);
    return 0;
}

int s3_list_buckets_op(struct s3_op *op)
{
    static const char sql[] = "SELECT name, created_at FROM buckets ORDER BY name";
    struct db *db = op->context->db;
    struct buf out = {0};
    buf_puts(&out, S3_XML_HEAD "<ListAllMyBucketsResult " S3_XML_NAMESPACE "><Buckets>");
    sqlite3_stmt *st = db_query(db, sql, "");
    int found;
    while ((found = db_step(db, st)) == 1) {
        char created[CLOCK_TEXT_BYTES];
        clock_rfc3339(sqlite3_column_int64(st, 1), created);
        buf_puts(&out, "<Bucket>");
        s3_xml_element(&out, "Name", (const char *)sqlite3_column_text(st, 0));
        s3_xml_element(&out, "CreationDate", created);
        buf_puts(&out, "</Bucket>");
    }
    if (found < 0) {
        buf_free(&out);
        return -1;
    }
    buf_puts(&out, "</Buckets></ListAllMyBucketsResult>");
    s3_xml_answer(op->answer, 200, &out);
    return 0;
}
