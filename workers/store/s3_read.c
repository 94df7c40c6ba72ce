/* GetObject and HeadObject. */
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/xalloc.h"
#include "workers/store/db.h"
#include "workers/store/s3_op.h"

struct range {
    size_t at;
    size_t len;
    bool partial;
};

/* A number of at most 18 digits; the end of it in *text. */
static bool take_number(const char **text, int64_t *out)
{
    size_t digits = strspn(*text, "0123456789");
    if (digits == 0 || digits > 18)
        return false;
    *out = strtoll(*text, NULL, 10);
    *text += digits;
    return true;
}

/* "bytes=a-b", "bytes=a-", "bytes=-n". Several ranges or another form: the whole object, as S3
 * does. False where it lies outside of the object. */
static bool take_range(const char *text, size_t size, struct range *out)
{
    int64_t first = 0;
    int64_t last = 0;
    *out = (struct range){0, size, false};
    if (!text || strncmp(text, "bytes=", 6) != 0)
        return true;
    text += 6;
    bool has_first = take_number(&text, &first);
    if (*text++ != '-')
        return true;
    bool has_last = take_number(&text, &last);
    if (*text || !(has_first || has_last) || (has_first && has_last && last < first))
        return true;
    if (has_first ? (uint64_t)first >= size : last == 0 || size == 0)
        return false;
    if (has_first) {
        out->at = (size_t)first;
        out->len =
            has_last && (uint64_t)last < size ? (size_t)(last - first + 1) : size - (size_t)first;
    } else {
        out->len = (uint64_t)last < size ? (size_t)last : size;
        out->at = size - out->len;
    }
    out->partial = true;
    return true;
}

/* 0, or the status that the conditions make of it. */
static int conditional_status(const struct s3_request *r, const char *etag)
{
    const char *if_match = s3_request_header(r, "If-Match");
    const char *if_none = s3_request_header(r, "If-None-Match");
    if (if_match && !s3_etag_listed(if_match, etag))
        return 412;
    return if_none && s3_etag_listed(if_none, etag) ? 304 : 0;
}

static void add_kept_headers(struct service_answer *answer, const char *kept)
{
    json_t *headers = json_loads(kept, 0, NULL);
    const char *name;
    json_t *value;
    json_object_foreach(headers, name, value)
        service_answer_header(answer, name, json_string_value(value));
    json_decref(headers);
}

static int refuse_range(struct s3_op *op, size_t size)
{
    char text[24];
    char content_range[40];
    snprintf(text, sizeof(text), "%zu", size);
    snprintf(content_range, sizeof(content_range), "bytes */%zu", size);
    s3_refuse_with(op, 416, "InvalidRange", "The requested range is not satisfiable",
                   "ActualObjectSize", text);
    service_answer_header(op->answer, "Content-Range", content_range);
    return 0;
}

/* st is at the object's row. */
static int answer_row(struct s3_op *op, sqlite3_stmt *st)
{
    struct service_answer *a = op->answer;
    char modified[CLOCK_TEXT_BYTES];
    char text[80];
    struct range range;
    size_t size = (size_t)sqlite3_column_int64(st, 0);
    const char *etag = (const char *)sqlite3_column_text(st, 2);
    const char *mode = s3_request_header(op->request, "x-amz-checksum-mode");
    int status = conditional_status(op->request, etag);
    if (status == 412)
        return s3_refuse_precondition(op, "If-Match");
    if (!status && !take_range(s3_request_header(op->request, "Range"), size, &range))
        return refuse_range(op, size);
    clock_http_date(sqlite3_column_int64(st, 1), modified);
    service_answer_header(a, "ETag", etag);
    service_answer_header(a, "Last-Modified", modified);
    a->status = status;
    if (status)
        return 0;
    a->status = range.partial ? 206 : 200;
    service_answer_header(a, "Accept-Ranges", "bytes");
    add_kept_headers(a, (const char *)sqlite3_column_text(st, 5));
    if (range.partial) {
        snprintf(text, sizeof(text), "bytes %zu-%zu/%zu", range.at, range.at + range.len - 1, size);
        service_answer_header(a, "Content-Range", text);
    } else if (mode && strcmp(mode, "ENABLED") == 0) {
        snprintf(text, sizeof(text), "x-amz-checksum-%s", sqlite3_column_text(st, 3));
        service_answer_header(a, text, (const char *)sqlite3_column_text(st, 4));
        service_answer_header(a, "x-amz-checksum-type", "FULL_OBJECT");
    }
    a->body_len = range.len;
    if (strcmp(op->request->method, "HEAD") != 0) {
        const char *body = sqlite3_column_blob(st, 6);
        a->body = range.len ? xmemdup(body + range.at, range.len) : NULL;
        op->counts->objects_read++;
    }
    return 0;
}

int s3_get_object_op(struct s3_op *op)
{
    static const char sql[] =
        "SELECT size, modified_at, etag, checksum_name, checksum, headers, body FROM objects "
        "JOIN object_bodies USING (id) WHERE bucket = ?1 AND key = ?2";
    struct db *db = op->context->db;
    sqlite3_stmt *st = db_query(db, sql, "is", op->bucket, op->request->key);
    int found = db_step(db, st);
    if (found < 0)
        return -1;
    if (!found)
        return s3_refuse_no_key(op);
    int rc = answer_row(op, st);
    sqlite3_reset(st);
    return rc;
}
