#ifndef WORKERS_KEYRING_AWS_SOURCE_H
#define WORKERS_KEYRING_AWS_SOURCE_H

#include <jansson.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What all sources of AWS credentials share: what they need, what they bring, and how a fetch that
 * takes time is ended. */
struct clock_skew;
struct event_base;
struct http_answer;
struct http_client;

struct aws_context {
    struct event_base *base;      /* borrowed */
    struct http_client *http;     /* borrowed */
    const char *profile;          /* borrowed: the configuration's, or "" */
    const char *region;           /* borrowed: for STS */
    const char *sts_endpoint_url; /* borrowed: no slash at the end */
    const char *ca_file;          /* borrowed: for STS; "" for the system's authorities */
    struct clock_skew *skew;      /* borrowed: what is known of the clock of AWS */
    int64_t pace_ms;              /* between two fetches at least (aws_refresh.h) */
};

/* Longer ones than these are refused: an item has to fit into a packet. */
#define AWS_KEY_ID_MAX 128
#define AWS_SECRET_MAX 256
#define AWS_TOKEN_MAX 10000

struct aws_credentials {
    char *access_key_id;
    char *secret;
    char *token;           /* NULL for keys that have none */
    int64_t expires_at_ms; /* by our wall clock; 0: never */
};

void aws_credentials_wipe(struct aws_credentials *c); /* and frees what it holds */
struct aws_credentials aws_credentials_copy(const struct aws_credentials *c);

enum aws_outcome {
    AWS_FOUND,
    AWS_NOT_HERE, /* nothing is configured here: the next source is asked */
    AWS_BROKEN,   /* configured, and it does not work: no other source is asked */
};

#define AWS_WHY_BYTES 400

struct aws_result {
    enum aws_outcome outcome;
    struct aws_credentials credentials; /* own; of AWS_FOUND */
    char why[AWS_WHY_BYTES];            /* of the others; of AWS_FOUND the chain's source */
};

/* Takes the three texts; an empty token counts as none. AWS_FOUND, or AWS_BROKEN where one is
 * missing or too long or holds what no credential holds. */
void aws_result_set(struct aws_result *r, const char *access_key_id, const char *secret,
                    const char *token, int64_t expires_at_ms);
void aws_result_fail(struct aws_result *r, enum aws_outcome outcome, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void aws_result_vfail(struct aws_result *r, enum aws_outcome outcome, const char *format,
                      va_list ap) __attribute__((format(printf, 3, 0)));
/* Reads {"AccessKeyId", "SecretAccessKey", token_name, "Expiration"}. */
void aws_result_from_json(struct aws_result *r, const json_t *object, const char *token_name);
/* Turns the expiration, which was told by AWS's clock, into one by ours. */
void aws_result_to_our_clock(struct aws_result *r, const struct clock_skew *skew);
void aws_result_wipe(struct aws_result *r);

/* result is borrowed for the call, but for its credentials, which the callee may move away. Runs
 * exactly once unless cancelled, never from inside the function that started the fetch. */
typedef void aws_done_cb(void *arg, struct aws_result *result);

/* A fetch under way (aws_job.h). After its callback has run it is gone. */
struct aws_job;

/* What came instead of a good answer: "no answer in time", "status 404", … */
void aws_describe_answer(const struct http_answer *answer, char *text, size_t size);

/* Whether a URL from outside can be called: http or https, without blanks and control characters.
 */
bool aws_is_url(const char *url);

/* The text of a small file such as a token (malloc), without the line's end. NULL with a reason
 * that names it. */
char *aws_read_token_file(const char *path, size_t max_bytes, char *why, size_t why_size);

#endif
