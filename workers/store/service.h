#ifndef WORKERS_STORE_SERVICE_H
#define WORKERS_STORE_SERVICE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What the turn and a service (SQS, S3, DynamoDB) agree on. A service is a table of
 * pure-ish functions over the open transaction and a call: it never answers anyone and never
 * commits. */
struct db;

#define SERVICE_CLAIMS_MAX 10

/* A call as it waits for its turn. */
struct service_call {
    char *operation;       /* own: "SendMessage" */
    json_t *input;         /* own: the request's JSON object; NULL for S3 */
    struct s3_request *s3; /* own: S3's request; NULL for the others */
    char caller[129];      /* access key id */
    /* For calls that wait (long polls), filled by the service when it says SERVICE_WAITS: */
    int64_t wait_key;    /* what it waits for: calls with the same key wait for the same thing */
    int64_t deadline_ms; /* by the store's clock; set at the first run; 0: not set yet */
    /* What the answer hands out, so that undo can take it back where nobody got it: */
    struct service_claim {
        int64_t seq;
        unsigned char token[16];
    } claims[SERVICE_CLAIMS_MAX];
    size_t claim_count;
};

struct service_header {
    char *name; /* own, as value */
    char *value;
};

struct service_answer {
    int status;
    char *body;                     /* own (malloc), or NULL for none */
    size_t body_len;                /* an answer to HEAD has a length without a body */
    bool xml;                       /* errors are XML (S3), else AWS JSON; survives clear */
    char query_error[128];          /* "CODE;Sender" for x-amzn-query-error, or "" */
    int retry_after_s;              /* 0: no Retry-After */
    struct service_header *headers; /* own: further ones */
    size_t header_count;
};

struct service_context {
    struct db *db;
    int64_t now_ms; /* the store's clock: wall time at start + monotonic */
    bool full;      /* no space: what adds data is refused with 503 */
    bool draining;  /* nobody waits any more */
};

enum service_verdict {
    SERVICE_ANSWERED, /* of a sweep: done */
    SERVICE_WAITS,    /* nothing there yet: run the call again in a later turn. Of a sweep: more to
                         do, again in a second */
    SERVICE_FAILED,   /* the database failed (db_state says how): roll back to the savepoint */
};

struct service {
    const char *name;          /* as in the credential scope: "sqs" */
    const char *target_prefix; /* of X-Amz-Target: "AmazonSQS."; NULL: speaks REST (S3) */
    void *state;               /* the service's own */
    enum service_verdict (*run)(void *state, const struct service_context *context,
                                struct service_call *call, struct service_answer *answer);
    /* Whether this call runs after all others of its turn, oldest first (receives). A service whose
     * calls never wait has NULL here, in due_ms and in undo. */
    bool (*waits)(const struct service_call *call);
    /* When (store clock) the next thing that wait_key waits for is due by itself; INT64_MAX: never.
     */
    int64_t (*due_ms)(void *state, const struct service_context *context, int64_t wait_key);
    /* Takes back what an answer gave that never reached its client. */
    enum service_verdict (*undo)(void *state, const struct service_context *context,
                                 const struct service_call *call);
    /* Housekeeping, about once a minute, inside a turn. NULL: none. */
    enum service_verdict (*sweep)(void *state, const struct service_context *context);
    /* The turn is durable / did not happen: keep or drop what was counted and cached in it. */
    void (*committed)(void *state);
    void (*dropped)(void *state);
};

void service_call_clear(struct service_call *call);
void service_answer_clear(struct service_answer *answer);

bool service_waits(const struct service *service, const struct service_call *call);

/* Adds a header (copied). */
void service_answer_header(struct service_answer *answer, const char *name, const char *value);
/* An answer with this object, which is taken over. */
void service_answer_json(struct service_answer *answer, int status, json_t *object);

/* An AWS JSON error: {"__type":"com.amazonaws.sqs#TYPE","message":...}, or where the answer is XML
 * S3's <Error>. */
void service_answer_error(struct service_answer *answer, int status, const char *name_space,
                          const char *type, const char *message);
/* 500 InternalFailure, and 503 ServiceUnavailable with Retry-After. */
void service_answer_internal(struct service_answer *answer);
void service_answer_unavailable(struct service_answer *answer, const char *message,
                                int retry_after_s);

#endif
