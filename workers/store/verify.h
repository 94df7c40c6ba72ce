#ifndef WORKERS_STORE_VERIFY_H
#define WORKERS_STORE_VERIFY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/aws/sigv4.h"

/* Whether a request carries a good AWS Signature Version 4: pure, the time and the keys are
 * parameters. The store knows signing keys only (day, region, service), never the secret. */
struct material;

#define VERIFY_WINDOW_MS (15 * 60 * 1000)

struct verify_input { /* borrowed */
    const char *method;
    const char *path;
    const char *query;
    const struct sigv4_header *headers; /* all, in order */
    size_t header_count;
    const void *body;
    size_t body_len;
};

struct verify_result {
    int status;        /* 200; 403; S3 400 and 501 too; 503 where the keys have not arrived yet */
    const char *code;  /* "SignatureDoesNotMatch", ... */
    char message[256]; /* for people */
    char caller[129];  /* access key id */
};

/* For S3 every x-amz-* header must be signed, x-amz-content-sha256 must be there (the body's hash,
 * which is checked, or UNSIGNED-PAYLOAD), and the codes are S3's. region and service are those that
 * the request must be scoped to. wall_ms is the machine's clock, which clients sign with. True
 * where status is 200. */
bool verify_request(const struct material *material, const char *region, const char *service,
                    const struct verify_input *input, int64_t wall_ms, struct verify_result *out);

#endif
