/* ListObjectsV2: one walk along the index in byte order. A common prefix is one entry, and the walk
 * goes on behind everything that starts with it. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/aws/sigv4.h"
#include "common/base/buf.h"
#include "common/base/clock.h"
#include "common/base/xalloc.h"
#include "common/webhook/base64.h"
#include "workers/store/db.h"
#include "workers/store/s3_op.h"
#include "workers/store/s3_xml.h"

#define KEYS_MAX 1000

struct listing {
    const char *prefix; /* borrow: the request */
    const char *delimiter;
    const char *start_after; /* or NULL */
    const char *token;       /* or NULL */
    int64_t max_keys;
    bool url_encoded;
    char *from;      /* own: the walk goes on here */
    bool from_taken; /* the key that equals from was given already */
    char *last;      /* own: the token's text for what was given last */
    struct buf contents;
    struct buf prefixes;
    int64_t count;
    bool truncated;
};

static void listing_free(struct listing *l)
{
    free(l->from);
    free(l->last);
    buf_free(&l->contents);
    buf_free(&l->prefixes);
}

/* The least text behind all that start with prefix: its last byte one higher. The last byte of
 * UTF-8 is never 0xff. */
static char *behind(const char *prefix)
{
    char *text = xstrdup(prefix);
    size_t len = strlen(text);
    if (len > 0)
        text[len - 1] = (char)((unsigned char)text[len - 1] + 1);
    return text;
}

static void go_on_from(struct listing *l, char *from, bool taken)
{
    free(l->from);
    l->from = from;
    l->from_taken = taken;
}

/* ---- the request */

/* Base64 of "k" + key or "p" + common prefix. */
static bool take_token(struct listing *l)
{
    struct buf text = {0};
    bool good = base64_decode(l->token, strlen(l->token), &text) && text.len > 1 &&
                (text.data[0] == 'k' || text.data[0] == 'p') && strlen(text.data) == text.len;
    if (good && text.data[0] == 'k')
        go_on_from(l, xstrdup(text.data + 1), true);
    else if (good)
        go_on_from(l, behind(text.data + 1), false);
    buf_free(&text);
    return good;
}

static const char *query(const struct s3_op *op, const char *name, const char *fallback)
{
    const char *value = s3_request_query(op->request, name);
    return value ? value : fallback;
}

/* False with the answer made where it is refused. */
static bool take_request(struct s3_op *op, struct listing *l)
{
    const char *max = query(op, "max-keys", "1000");
    const char *encoding = s3_request_query(op->request, "encoding-type");
    *l = (struct listing){.prefix = query(op, "prefix", ""),
                          .delimiter = query(op, "delimiter", ""),
                          .start_after = s3_request_query(op->request, "start-after"),
                          .token = s3_request_query(op->request, "continuation-token"),
                          .url_encoded = encoding != NULL};
    size_t digits = strspn(max, "0123456789");
    const char *wrong = NULL;
    if (strcmp(query(op, "list-type", ""), "2") != 0)
        wrong = "Invalid List Type";
    else if (digits == 0 || digits > 9 || max[digits])
        wrong = "Provided max-keys not an integer or within integer range";
    else if (encoding && strcmp(encoding, "url") != 0)
        wrong = "Invalid Encoding Method specified in Request";
    l->max_keys = wrong ? 0 : strtoll(max, NULL, 10);
    if (l->max_keys > KEYS_MAX)
        l->max_keys = KEYS_MAX;
    if (!wrong && l->token && !take_token(l))
        wrong = "The continuation token provided is incorrect";
    if (!wrong && !l->token && l->start_after)
        go_on_from(l, xstrdup(l->start_after), true);
    if (!wrong && (!l->from || strcmp(l->from, l->prefix) < 0))
        go_on_from(l, xstrdup(l->prefix), false);
    if (wrong)
        s3_refuse(op, 400, "InvalidArgument", wrong);
    return !wrong;
}

/* ---- the walk */

static void put_text(const struct listing *l, struct buf *out, const char *name, const char *text)
{
    char *encoded = l->url_encoded ? sigv4_encode(text, true) : NULL;
    s3_xml_element(out, name, encoded ? encoded : text);
    free(encoded);
}

static void put_object(struct listing *l, sqlite3_stmt *st, const char *key)
{
    char modified[CLOCK_TEXT_BYTES];
    clock_rfc3339(sqlite3_column_int64(st, 3), modified);
    buf_puts(&l->contents, "<Contents>");
    put_text(l, &l->contents, "Key", key);
    s3_xml_element(&l->contents, "LastModified", modified);
    s3_xml_element(&l->contents, "ETag", (const char *)sqlite3_column_text(st, 1));
    buf_printf(&l->contents, "<Size>%" PRId64 "</Size>", (int64_t)sqlite3_column_int64(st, 2));
    buf_puts(&l->contents, "<StorageClass>STANDARD</StorageClass></Contents>");
    free(l->last);
    l->last = xasprintf("k%s", key);
}

static void put_prefix(struct listing *l, char *prefix)
{
    buf_puts(&l->prefixes, "<CommonPrefixes>");
    put_text(l, &l->prefixes, "Prefix", prefix);
    buf_puts(&l->prefixes, "</CommonPrefixes>");
    free(l->last);
    l->last = xasprintf("p%s", prefix);
    go_on_from(l, behind(prefix), false);
    free(prefix);
}

/* What is the key part of? A new text up to and with the delimiter, or NULL. */
static char *common_prefix(const struct listing *l, const char *key)
{
    const char *rest = key + strlen(l->prefix);
    const char *found = *l->delimiter ? strstr(rest, l->delimiter) : NULL;
    if (!found)
        return NULL;
    size_t len = (size_t)(found - key) + strlen(l->delimiter);
    char *text = xmemdup(key, len + 1);
    text[len] = '\0';
    return text;
}

/* One pass over rows from l->from: 0 the end, 1 to be called again (from moved), -1 failed. */
static int walk(struct s3_op *op, struct listing *l)
{
    static const char sql[] = "SELECT key, etag, size, modified_at FROM objects "
                              "WHERE bucket = ?1 AND key >= ?2 ORDER BY key";
    struct db *db = op->context->db;
    sqlite3_stmt *st = db_query(db, sql, "is", op->bucket, l->from);
    int found;
    while ((found = db_step(db, st)) == 1) {
        const char *key = (const char *)sqlite3_column_text(st, 0);
        if (l->from_taken && strcmp(key, l->from) == 0)
            continue;
        if (strncmp(key, l->prefix, strlen(l->prefix)) != 0)
            break;
        l->truncated = l->count == l->max_keys;
        if (l->truncated)
            break;
        char *prefix = common_prefix(l, key);
        l->count++;
        if (prefix) {
            sqlite3_reset(st);
            put_prefix(l, prefix);
            return 1;
        }
        put_object(l, st, key);
    }
    if (found == 1)
        sqlite3_reset(st);
    return found < 0 ? -1 : 0;
}

/* ---- the answer */

static void put_result(struct s3_op *op, struct listing *l)
{
    struct buf out = {0};
    buf_puts(&out, S3_XML_HEAD "<ListBucketResult " S3_XML_NAMESPACE ">");
    s3_xml_element(&out, "Name", op->request->bucket);
    put_text(l, &out, "Prefix", l->prefix);
    if (l->token)
        s3_xml_element(&out, "ContinuationToken", l->token);
    else if (l->start_after)
        put_text(l, &out, "StartAfter", l->start_after);
    if (l->truncated && l->last) {
        struct buf token = {0};
        base64_encode(l->last, strlen(l->last), &token);
        s3_xml_element(&out, "NextContinuationToken", token.data);
        buf_free(&token);
    }
    buf_printf(&out, "<KeyCount>%" PRId64 "</KeyCount><MaxKeys>%" PRId64 "</MaxKeys>", l->count,
               l->max_keys);
    if (*l->delimiter)
        put_text(l, &out, "Delimiter", l->delimiter);
    if (l->url_encoded)
        s3_xml_element(&out, "EncodingType", "url");
    s3_xml_element(&out, "IsTruncated", l->truncated ? "true" : "false");
    buf_append(&out, l->contents.data, l->contents.len);
    buf_append(&out, l->prefixes.data, l->prefixes.len);
    buf_puts(&out, "</ListBucketResult>");
    s3_xml_answer(op->answer, 200, &out);
}

int s3_list_objects_op(struct s3_op *op)
{
    struct listing l;
    int rc = 0;
    if (take_request(op, &l)) {
        do
            rc = l.max_keys > 0 ? walk(op, &l) : 0;
        while (rc == 1);
        if (rc == 0)
            put_result(op, &l);
    }
    listing_free(&l);
    return rc;
}
