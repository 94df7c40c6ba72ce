#ifndef WORKERS_STORE_S3_REQUEST_H
#define WORKERS_STORE_S3_REQUEST_H

#include <stdbool.h>
#include <stddef.h>

/* An S3 request in path style, taken apart: "/bucket" or "/bucket/key". The bucket ends at the
 * first "/" of the raw path; the rest is decoded exactly once and is the key, whatever it looks
 * like ("+", "//", "/../"): keys become rows, never paths. Pure. */
struct sigv4_header;

#define S3_KEY_BYTES_MAX 1024

struct s3_field {
    char *name; /* own, as value */
    char *value;
};

struct s3_request {
    char method[8];
    char *bucket; /* own, as all below; "" where the path is "/" */
    char *key;    /* NULL for a request about the bucket */
    struct s3_field *query;
    size_t query_count;
    struct s3_field *headers;
    size_t header_count;
    void *body; /* NUL behind its body_len bytes */
    size_t body_len;
    const char *bad_code; /* static, or NULL: why no operation may look at it */
    const char *bad_message;
};

/* Copies everything. Never NULL: what is malformed is noted in bad_code. */
struct s3_request *s3_request_new(const char *method, const char *path, const char *query,
                                  const struct sigv4_header *headers, size_t header_count,
                                  const void *body, size_t body_len);
void s3_request_free(struct s3_request *r);

/* The parameter's decoded value ("" for "?versioning"), or NULL where it is absent. */
const char *s3_request_query(const struct s3_request *r, const char *name);
/* The first value (case-insensitive name), or NULL. */
const char *s3_request_header(const struct s3_request *r, const char *name);

#endif
