#ifndef COMMON_AWS_AWS_CALL_H
#define COMMON_AWS_AWS_CALL_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/aws/errors.h"
#include "common/net/http_client.h"

/* One signed call to an AWS-compatible service, with retries. The layer under sqs.h, s3.h and
 * dynamodb.h. Every attempt gets a fresh date and signature.
 *
 * What may pass is tried again after a full-jitter delay, up to max_attempts and the deadline, and
 * while the service's retry quota lasts (retry_quota.h). Beside those, once in a call: a key that
 * the service has refused is replaced, and a request that it has refused for its date is dated by
 * the service's clock (clock_skew.h). */
struct aws_client;
struct event_base;
struct material;

/* Where a service is and as whom we call it. Strings are borrowed and outlive the calls. */
struct aws_endpoint {
    const char *identity; /* "embedded" or "aws" */
    const char *region;
    const char *service;     /* "sqs", "s3", "dynamodb" */
    const char *url;         /* "http://store.local", no trailing slash */
    const char *unix_socket; /* or NULL */
    const char *ca_file;     /* of the authorities to trust, or NULL: the system's */
    /* Of S3 only: */
    bool bucket_in_host;    /* url names the bucket; else the path does */
    bool unconditional;     /* the server knows no If-None-Match and If-Match: they are not sent */
    const char *sse;        /* x-amz-server-side-encryption of what is put, or NULL */
    const char *kms_key_id; /* with "aws:kms", or NULL */
};

struct aws_reply;
/* Whether an answer matches the checksum that came with it. */
typedef bool aws_intact_fn(const struct aws_reply *reply);

struct aws_request {
    const char *method;
    const char *path;                  /* encoded, from "/" */
    const char *query;                 /* encoded, or "" */
    const struct http_header *headers; /* beyond Host, X-Amz-Date, token, Authorization */
    size_t header_count;
    const void *body; /* borrowed until the callback */
    size_t body_len;
    int64_t timeout_ms;  /* one attempt */
    int64_t deadline_ms; /* all attempts together, from now */
    int max_attempts;    /* 1: never retried here */
    bool json_answer;    /* a 2xx whose body is no JSON object is AWS_TRANSIENT */
    bool empty_answer;   /* works without a body: a 2xx whose body is an <Error> is that error */
    size_t answer_cap_bytes; /* 0: 1 MiB */
    bool long_poll;          /* goes through the client for polls */
    aws_intact_fn *intact;   /* asked of each answer: false makes it AWS_TRANSIENT; or NULL */
};

struct aws_reply {
    enum aws_class class;
    int status;          /* 0: no answer */
    const char *code;    /* AWS's error code or our word for what happened; "" when AWS_OK */
    const char *message; /* for people */
    const char *body;
    size_t body_len;
    const json_t *json;             /* the parsed body where it is a JSON object, else NULL */
    const struct http_answer *http; /* headers, first byte; NULL where nothing was sent */
    int attempts;
};

/* reply is borrowed for the call; runs exactly once unless cancelled, never from inside aws_call.
 */
typedef void aws_reply_cb(void *arg, const struct aws_reply *reply);

/* material is borrowed and outlives the client. The client must not be freed from inside a
 * callback. */
struct aws_client *aws_client_new(struct event_base *base, const struct material *material);
void aws_client_free(struct aws_client *client);

/* How the client asks for keys. need: there is no key for this endpoint today. stale: the service
 * refused the key of this version, or the call without a reason. Both are repeated, many times a
 * second, for as long as a call waits; neither calls back into the client. */
struct aws_key_hooks {
    void (*need)(void *arg, const struct aws_endpoint *endpoint);
    void (*stale)(void *arg, const struct aws_endpoint *endpoint, int64_t version);
    void *arg;
};

/* Without hooks nobody is asked: a call waits for a key that comes by itself, and a refused key
 * ends it. With them, it waits for a newer key (AWS_NEWER_KEY_WAIT_MS at most) and tries once more;
 * but one that was refused without a reason ends at once: the next call may have a newer key. */
#define AWS_NEWER_KEY_WAIT_MS 5000
void aws_client_ask(struct aws_client *client, const struct aws_key_hooks *hooks);

/* Where arg (with the body, perhaps) belongs to the call: release is called exactly once, after the
 * callback, by aws_cancel or by aws_client_free. NULL: arg is the caller's. */
typedef void aws_release_cb(void *arg);

/* request is copied but for its body. Where no signing key is there yet it waits for one until
 * deadline_ms, but no longer than AWS_TROUBLE_WAIT_MS where the keyring has said why there is none:
 * then that is the reply's message (AWS_NO_KEY). The id (never 0) is good for aws_cancel until the
 * callback has run. */
#define AWS_TROUBLE_WAIT_MS 2000
uint64_t aws_call(struct aws_client *client, const struct aws_endpoint *endpoint,
                  const struct aws_request *request, aws_reply_cb *done, aws_release_cb *release,
                  void *arg);
void aws_cancel(struct aws_client *client, uint64_t id);
/* Hangs up (http_client_hang_up), so that the embedded store forgets a long poll, but not what it
 * has answered already. True: the callback runs within a second, without another attempt. False:
 * nothing was under way, and the call is cancelled. */
bool aws_hang_up(struct aws_client *client, uint64_t id);

#endif
