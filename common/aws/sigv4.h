#ifndef COMMON_AWS_SIGV4_H
#define COMMON_AWS_SIGV4_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* AWS Signature Version 4 with headers: pure functions, no clock, no I/O.
 * Source: aws-protocol notes section 3 (AWS "Signature Version 4 signing process"), checked against
 * AWS's published vectors in tests/unit/common/aws/sigv4_test.c. The store verifies with the same
 * functions that our client signs with, and the interop tests check both against AWS's SDK. */

#define SIGV4_KEY_BYTES 32
#define SIGV4_HEX_BYTES 65 /* 64 digits and NUL */

/* A signing key in its scope. */
struct sigv4_key {
    char access_key_id[129];
    char date[9]; /* yyyymmdd */
    char region[64];
    char service[32];
    unsigned char key[SIGV4_KEY_BYTES];
    char *session_token; /* own, or NULL */
    int64_t version;     /* of the credentials that it was made from (material.h) */
};

struct sigv4_header {
    const char *name;  /* any case */
    const char *value; /* as on the wire */
};

struct sigv4_request {
    const char *method;
    const char *path;                   /* as on the wire: percent-encoded, starting with "/" */
    const char *query;                  /* as on the wire without "?", or "" */
    const struct sigv4_header *headers; /* those to sign; must contain host and x-amz-date */
    size_t header_count;
    const char *payload_hash; /* hex SHA-256 of the body, or the literal that is sent instead */
};

/* kSigning from a secret (HMAC chain). */
void sigv4_derive_key(const char *secret, const char *date, const char *region, const char *service,
                      unsigned char out[SIGV4_KEY_BYTES]);

/* The canonical request (malloc). S3 takes the path as it is (only the spelling of its escapes is
 * made canonical), every other service removes its dot segments and encodes it once more. */
char *sigv4_canonical_request(const struct sigv4_request *r, const char *service);

/* "a;b;c" (malloc). */
char *sigv4_signed_headers(const struct sigv4_request *r);

/* The signature in hex. amz_date is yyyymmddThhmmssZ. */
void sigv4_signature(const struct sigv4_request *r, const struct sigv4_key *key,
                     const char *amz_date, char out[SIGV4_HEX_BYTES]);

/* The value of the Authorization header (malloc). */
char *sigv4_authorization(const struct sigv4_request *r, const struct sigv4_key *key,
                          const char *amz_date);

/* Hex SHA-256. */
void sigv4_sha256_hex(const void *data, size_t len, char out[SIGV4_HEX_BYTES]);

/* The Host header to sign for a URL: its authority without the scheme's default port (malloc). */
char *sigv4_host(const char *url);

/* Percent-encodes all but A-Z a-z 0-9 - _ . ~ (and "/" where keep_slash), upper-case hex (malloc).
 */
char *sigv4_encode(const char *text, bool keep_slash);

#endif
