#ifndef COMMON_AWS_ERRORS_H
#define COMMON_AWS_ERRORS_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

/* What an answer of an AWS-compatible service means: pure functions on codes and statuses. */

enum aws_class { /* what an answer means for the caller */
                 AWS_OK,
                 AWS_THROTTLED, /* slow down; counted by the breaker */
                 AWS_TRANSIENT, /* network, timeout, 5xx: may work again, may have been done */
                 AWS_EXPIRED,   /* credentials expired: ask the keyring */
                 AWS_SKEW,      /* clock */
                 AWS_DENIED,
                 AWS_MISSING, /* no such queue, bucket, key, table */
                 AWS_INVALID, /* our request is wrong; never retried */
                 AWS_TOO_LARGE,
                 AWS_CONFLICT, /* a condition failed; of a receipt handle: the message is not ours
                                  any more */
                 AWS_NO_KEY,   /* no signing key was published in time */
};

/* The word for a class: "throttled", "denied", … */
const char *aws_class_word(enum aws_class class);

struct aws_error { /* cut where they are longer */
    char code[96];
    char legacy_code[96]; /* of x-amzn-query-error, or "" */
    char message[512];
};

/* Reads an error answer of a JSON service. json is the parsed body or NULL; error_type and
 * query_error are the headers x-amzn-errortype and x-amzn-query-error or NULL. Where none of them
 * names a code the status is the code ("HTTP 502"). */
void aws_error_read(const json_t *json, const char *error_type, const char *query_error, int status,
                    struct aws_error *error_out);

/* The same for an XML service (S3, STS): <Code> and <Message>, wherever they stand. */
void aws_error_read_xml(const char *text, size_t len, int status, struct aws_error *error_out);

/* The class of an error answer: by code, then by legacy code, then by status. */
enum aws_class aws_error_class(const struct aws_error *error, int status);

/* The same for an entry of a batch's `Failed` list, which has no status. */
enum aws_class aws_entry_class(const char *code, bool sender_fault);

/* Whether another attempt at the same call, with the same key, may succeed. */
bool aws_worth_retry(enum aws_class class);

/* How long to wait before attempt n + 1, after n >= 1 attempts: full jitter, random01 in [0, 1].
 * hint_ms is the server's x-amz-retry-after, or 0. */
int64_t aws_retry_delay_ms(enum aws_class class, int n, double random01, int64_t hint_ms);

#endif
