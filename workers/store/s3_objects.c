/* PutObject, DeleteObject and DeleteObjects. An object is one row (what is known about it) and one
 * row in another table (its bytes), so that listings do not read bodies. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/aws/xml.h"
#include "common/base/buf.h"
#include "workers/store/db.h"
#include "workers/store/s3_op.h"
#include "workers/store/s3_xml.h"

#define METADATA_BYTES_MAX 2048
#define DELETE_KEYS_MAX 1000

/* 1 found, 0 not there, -1 the database failed. */
static int find_etag(struct s3_op *op, const char *key, char etag_out[35])
{
    static const char sql[] = "SELECT etag FROM objects WHERE bucket = ?1 AND key = ?2";
    sqlite3_stmt *st = db_query(op->context->db, sql, "is", op->bucket, key);
    int found = db_step(op->context->db, st);
    if (found == 1) {
        snprintf(etag_out, 35, "%s", (const char *)sqlite3_column_text(st, 0));
        sqlite3_reset(st);
    }
    return found;
}

/* ---- what is kept of the header */

static bool is_kept(const char *name)
{
    static const char *const names[] = {"Content-Type",        "Cache-Control",
                                        "Content-Disposition", "Content-Encoding",
                                        "Content-Language",    "Expires"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (strcasecmp(names[i], name) == 0)
            return true;
    return strncasecmp(name, "x-amz-meta-", 11) == 0;
}

static bool is_ascii(const char *text)
{
    for (; *text; text++)
        if (*text & 0x80)
            return false;
    return true;
}

/* The header fields that GET gives back, as a JSON object (malloc); names in lower case. NULL with
 * the answer made where they are refused. */
static char *take_headers(struct s3_op *op)
{
    size_t bytes = 0;
    json_t *kept = json_object();
    json_object_set_new(kept, "content-type", json_string("binary/octet-stream"));
    for (size_t i = 0; i < op->request->header_count; i++) {
        const struct s3_field *h = &op->request->headers[i];
        char name[256];
        if (!is_kept(h->name))
            continue;
        size_t n = strlen(h->name);
        if (n >= sizeof(name) || !is_ascii(h->name) || !is_ascii(h->value)) {
            s3_refuse(op, 400, "InvalidArgument",
                      "Metadata must be ASCII with names below 256 characters.");
            json_decref(kept);
            return NULL;
        }
        for (size_t c = 0; c <= n; c++)
            name[c] = (char)(h->name[c] >= 'A' && h->name[c] <= 'Z' ? h->name[c] + 32 : h->name[c]);
        if (strncmp(name, "x-amz-meta-", 11) == 0)
            bytes += n - 11 + strlen(h->value);
        json_object_set_new(kept, name, json_string(h->value));
    }
    char *text = bytes <= METADATA_BYTES_MAX ? json_dumps(kept, JSON_COMPACT) : NULL;
    if (!text)
        s3_refuse(op, 400, "MetadataTooLarge",
                  "Your metadata headers exceed the maximum allowed metadata size");
    json_decref(kept);
    return text;
}

/* ---- PutObject */

/* What the request asks for that the store has not got. */
static const char *unsupported(const struct s3_request *r)
{
    static const char *const names[] = {
        "x-amz-copy-source",      "x-amz-server-side-encryption-customer-algorithm",
        "x-amz-object-lock-mode", "x-amz-object-lock-legal-hold",
        "x-amz-tagging",          "x-amz-write-offset-bytes"};
    const char *if_match = s3_request_header(r, "If-Match");
    const char *if_none = s3_request_header(r, "If-None-Match");
    const char *encoding = s3_request_header(r, "Content-Encoding");
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (s3_request_header(r, names[i]))
            return names[i];
    if (encoding && strstr(encoding, "aws-chunked"))
        return "Content-Encoding";
    if (if_none && (if_match || strcmp(if_none, "*") != 0))
        return "If-None-Match";
    return if_match && strcmp(if_match, "*") == 0 ? "If-Match" : NULL;
}

/* The table of conditional writes. 1: go on. 0: refused. -1: the database failed. */
static int check_conditions(struct s3_op *op)
{
    const char *if_match = s3_request_header(op->request, "If-Match");
    const char *if_none = s3_request_header(op->request, "If-None-Match");
    char etag[35];
    if (!if_match && !if_none)
        return 1;
    int found = find_etag(op, op->request->key, etag);
    if (found < 0)
        return -1;
    if (if_none)
        return found ? s3_refuse_precondition(op, "If-None-Match") : 1;
    if (!found)
        return s3_refuse_no_key(op);
    return s3_etag_listed(if_match, etag) ? 1 : s3_refuse_precondition(op, "If-Match");
}

static int save(struct s3_op *op, const char *headers, const char *etag,
                const struct s3_checksum *checksum)
{
    static const char object[] =
        "INSERT INTO objects (bucket, key, size, modified_at, etag, checksum_name, checksum, "
        "headers) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT (bucket, key) DO UPDATE SET "
        "size = ?3, modified_at = ?4, etag = ?5, checksum_name = ?6, checksum = ?7, headers = ?8 "
        "RETURNING id";
    static const char bytes[] = "INSERT INTO object_bodies (id, body) VALUES (?1, ?2) "
                                "ON CONFLICT (id) DO UPDATE SET body = ?2";
    struct db *db = op->context->db;
    const struct s3_request *r = op->request;
    sqlite3_stmt *st = db_query(db, object, "isiissss", op->bucket, r->key, (int64_t)r->body_len,
                                op->context->now_ms, etag, checksum->name, checksum->text, headers);
    if (db_step(db, st) != 1)
        return -1;
    int64_t id = sqlite3_column_int64(st, 0);
    sqlite3_reset(st);
    if (db_run(db, bytes, "ib", id, r->body, r->body_len) < 0)
        return -1;
    op->counts->objects_put++;
    return 0;
}

int s3_put_object_op(struct s3_op *op)
{
    struct s3_checksum checksum;
    char etag[35];
    char name[32];
    const char *header = unsupported(op->request);
    if (header)
        return s3_refuse_unsupported(op, header);
    if (!s3_check_digests(op, &checksum))
        return 0;
    int go_on = check_conditions(op);
    if (go_on != 1)
        return go_on;
    if (op->context->full)
        return s3_refuse_full(op);
    char *headers = take_headers(op);
    if (!headers)
        return 0;
    s3_etag_of(op->request->body, op->request->body_len, etag);
    int rc = save(op, headers, etag, &checksum);
    free(headers);
    if (rc < 0)
        return -1;
    snprintf(name, sizeof(name), "x-amz-checksum-%s", checksum.name);
    service_answer_header(op->answer, "ETag", etag);
    service_answer_header(op->answer, name, checksum.text);
    service_answer_header(op->answer, "x-amz-checksum-type", "FULL_OBJECT");
    op->answer->status = 200;
    return 0;
}

/* ---- deleting */

static int delete_key(struct s3_op *op, const char *key)
{
    static const char sql[] = "DELETE FROM objects WHERE bucket = ?1 AND key = ?2";
    if (db_run(op->context->db, sql, "is", op->bucket, key) < 0)
        return -1;
    op->counts->objects_deleted += db_changes(op->context->db);
    return 0;
}

/* What is not there is deleted, under If-Match too: a repeated delete must not look like a lost
 * race. */
int s3_delete_object_op(struct s3_op *op)
{
    const char *if_match = s3_request_header(op->request, "If-Match");
    char etag[35];
    if (s3_request_header(op->request, "x-amz-if-match-size"))
        return s3_refuse_unsupported(op, "x-amz-if-match-size");
    if (s3_request_header(op->request, "x-amz-if-match-last-modified-time"))
        return s3_refuse_unsupported(op, "x-amz-if-match-last-modified-time");
    if (if_match) {
        int found = find_etag(op, op->request->key, etag);
        if (found < 0)
            return -1;
        if (found && !s3_etag_listed(if_match, etag))
            return s3_refuse_precondition(op, "If-Match");
    }
    if (delete_key(op, op->request->key) < 0)
        return -1;
    op->answer->status = 204;
    return 0;
}

struct deletion {
    char *keys[DELETE_KEYS_MAX]; /* own */
    size_t count;
    bool quiet;
};

/* Reads <Delete>; false where it is not one. */
static bool read_deletion(const struct s3_request *r, struct deletion *d)
{
    struct xml_reader reader;
    struct xml_piece piece;
    char name[sizeof(piece.name)] = "";
    xml_start(&reader, r->body, r->body_len);
    for (;;) {
        switch (xml_next(&reader, &piece)) {
        case XML_START:
            if (reader.depth == 1 && strcmp(piece.name, "Delete") != 0)
                return false;
            memcpy(name, piece.name, sizeof(name));
            break;
        case XML_END:
            name[0] = '\0';
            break;
        case XML_TEXT:
            if (strcmp(name, "Quiet") == 0)
                d->quiet = strcmp(piece.text, "true") == 0;
            if (strcmp(name, "Key") == 0 && d->count == DELETE_KEYS_MAX) {
                free(piece.text);
                return false;
            }
            if (strcmp(name, "Key") == 0)
                d->keys[d->count++] = piece.text;
            else
                free(piece.text);
            break;
        case XML_DONE:
            return d->count > 0;
        case XML_BROKEN:
            return false;
        }
    }
}

static int delete_all(struct s3_op *op, const struct deletion *d)
{
    struct buf out = {0};
    buf_puts(&out, S3_XML_HEAD "<DeleteResult " S3_XML_NAMESPACE ">");
    for (size_t i = 0; i < d->count; i++) {
        if (delete_key(op, d->keys[i]) < 0) {
            buf_free(&out);
            return -1;
        }
        if (d->quiet)
            continue;
        buf_puts(&out, "<Deleted>");
        s3_xml_element(&out, "Key", d->keys[i]);
        buf_puts(&out, "</Deleted>");
    }
    buf_puts(&out, "</DeleteResult>");
    s3_xml_answer(op->answer, 200, &out);
    return 0;
}

int s3_delete_objects_op(struct s3_op *op)
{
    struct s3_checksum checksum;
    struct deletion d = {.count = 0};
    if (!s3_check_digests(op, &checksum))
        return 0;
    int rc = read_deletion(op->request, &d)
                 ? delete_all(op, &d)
                 : s3_refuse(op, 400, "MalformedXML",
                             "The XML you provided was not well-formed or did not validate against "
                             "our published schema");
    for (size_t i = 0; i < d.count; i++)
        free(d.keys[i]);
    return rc;
}
