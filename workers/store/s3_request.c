#include "workers/store/s3_request.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/aws/sigv4.h"
#include "common/base/hex.h"
#include "common/base/xalloc.h"
#include "common/base/utf8.h"

/* A copy with its escapes resolved; NULL where one is broken, or stands for NUL. */
static char *decode(const char *text, size_t len)
{
    char *out = xmalloc(len + 1);
    size_t n = 0;
    for (size_t i = 0; i < len; i++) {
        if (text[i] != '%') {
            out[n++] = text[i];
            continue;
        }
        int high = i + 2 < len ? hex_digit(text[i + 1]) : -1;
        int low = i + 2 < len ? hex_digit(text[i + 2]) : -1;
        if (high < 0 || low < 0 || (high == 0 && low == 0)) {
            free(out);
            return NULL;
        }
        out[n++] = (char)(high << 4 | low);
        i += 2;
    }
    out[n] = '\0';
    return out;
}

static bool is_utf8(const char *text)
{
    size_t len = strlen(text);
    for (size_t at = 0; at < len;) {
        size_t n = utf8_sequence(text + at, len - at);
        if (n == 0)
            return false;
        at += n;
    }
    return true;
}

static void bad(struct s3_request *r, const char *code, const char *message)
{
    if (r->bad_code)
        return;
    r->bad_code = code;
    r->bad_message = message;
}

static void take_path(struct s3_request *r, const char *path)
{
    path += *path == '/';
    size_t len = strcspn(path, "/");
    r->bucket = decode(path, len);
    if (!r->bucket) {
        r->bucket = xstrdup("");
        bad(r, "InvalidURI", "Couldn't parse the specified URI.");
    }
    if (path[len] != '/' || !path[len + 1])
        return;
    const char *key = path + len + 1;
    r->key = decode(key, strlen(key));
    if (!r->key || !is_utf8(r->key)) {
        free(r->key);
        r->key = xstrdup("?");
        bad(r, "InvalidURI", "Couldn't parse the specified URI.");
    } else if (strlen(r->key) > S3_KEY_BYTES_MAX) {
        bad(r, "KeyTooLongError", "Your key is too long");
    }
}

static void take_parameter(struct s3_request *r, const char *text, size_t len)
{
    const char *equals = memchr(text, '=', len);
    size_t name_len = equals ? (size_t)(equals - text) : len;
    char *name = decode(text, name_len);
    char *value = equals ? decode(equals + 1, len - name_len - 1) : xstrdup("");
    if (!name || !value || !is_utf8(name) || !is_utf8(value)) {
        free(name);
        free(value);
        bad(r, "InvalidURI", "Couldn't parse the specified URI.");
        return;
    }
    r->query = xrealloc(r->query, (r->query_count + 1) * sizeof(*r->query));
    r->query[r->query_count++] = (struct s3_field){name, value};
}

static void take_query(struct s3_request *r, const char *query)
{
    while (*query) {
        size_t len = strcspn(query, "&");
        if (len > 0)
            take_parameter(r, query, len);
        query += len + (query[len] == '&');
    }
}

struct s3_request *s3_request_new(const char *method, const char *path, const char *query,
                                  const struct sigv4_header *headers, size_t header_count,
                                  const void *body, size_t body_len)
{
    struct s3_request *r = xcalloc(1, sizeof(*r));
    strncpy(r->method, method, sizeof(r->method) - 1);
    take_path(r, path);
    take_query(r, query);
    r->headers = xcalloc(header_count + 1, sizeof(*r->headers));
    for (size_t i = 0; i < header_count; i++)
        r->headers[r->header_count++] =
            (struct s3_field){xstrdup(headers[i].name), xstrdup(headers[i].value)};
    r->body = xmalloc(body_len + 1);
    if (body_len > 0)
        memcpy(r->body, body, body_len);
    ((char *)r->body)[body_len] = '\0';
    r->body_len = body_len;
    return r;
}

static void free_fields(struct s3_field *fields, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        free(fields[i].name);
        free(fields[i].value);
    }
    free(fields);
}

void s3_request_free(struct s3_request *r)
{
    if (!r)
        return;
    free_fields(r->query, r->query_count);
    free_fields(r->headers, r->header_count);
    free(r->bucket);
    free(r->key);
    free(r->body);
    free(r);
}

const char *s3_request_query(const struct s3_request *r, const char *name)
{
    for (size_t i = 0; i < r->query_count; i++)
        if (strcmp(r->query[i].name, name) == 0)
            return r->query[i].value;
    return NULL;
}

const char *s3_request_header(const struct s3_request *r, const char *name)
{
    for (size_t i = 0; i < r->header_count; i++)
        if (strcasecmp(r->headers[i].name, name) == 0)
            return r->headers[i].value;
    return NULL;
}
