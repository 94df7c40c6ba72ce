#include "common/aws/conditions.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "common/aws/s3.h"
#include "common/base/xalloc.h"

#define KEY ".sluice-probe"
#define TEXT                                                                                       \
    "Sluice tries here whether this bucket refuses to overwrite what it must not. Not a dead "     \
    "letter. It may be deleted, and is made again at the next start.\n"

struct conditions {
    struct aws_client *client;           /* borrowed: the worker's, outlives us */
    const struct aws_endpoint *endpoint; /* borrowed: the worker's, outlives us */
    char *bucket, *key;                  /* own */
    size_t at;                           /* of attempts */
    uint64_t call_id;                    /* 0: none is under way */
    conditions_cb *done;
    void *arg;
};

static const struct attempt {
    const char *header;   /* in words */
    const char *if_match; /* NULL: If-None-Match */
    bool may_work;
} attempts[] = {
    {"If-None-Match: *", NULL, true},
    {"If-None-Match: *", NULL, false},
    {"If-Match and the ETag of no object", "\"00000000000000000000000000000000\"", false},
};
#define ATTEMPTS (sizeof(attempts) / sizeof(*attempts))

static bool is_refusal(const struct attempt *attempt, const struct aws_reply *reply)
{
    bool is_gone = reply->class == AWS_MISSING && strcmp(reply->code, "NoSuchBucket") != 0;
    return reply->class == AWS_CONFLICT || (attempt->if_match && is_gone);
}

static enum conditions_verdict judge(const struct attempt *attempt, const struct aws_reply *reply)
{
    if (is_refusal(attempt, reply) || (reply->class == AWS_OK && attempt->may_work))
        return CONDITIONS_KEPT;
    if (reply->class == AWS_OK || reply->status == 501)
        return CONDITIONS_IGNORED;
    return CONDITIONS_UNKNOWN;
}

static void ask(struct conditions *c);

static void on_put(void *arg, const struct aws_reply *reply, const char *etag)
{
    struct conditions *c = arg;
    const struct attempt *attempt = &attempts[c->at];
    enum conditions_verdict verdict = judge(attempt, reply);
    char *text = NULL;
    (void)etag;
    c->call_id = 0;
    if (verdict == CONDITIONS_KEPT && ++c->at < ATTEMPTS) {
        ask(c);
        return;
    }
    if (verdict == CONDITIONS_IGNORED)
        text = xasprintf("PutObject of \"%s\" with %s was answered with HTTP %d where 412 was due",
                         c->key, attempt->header, reply->status);
    c->done(c->arg, verdict, text, reply); /* may free c */
    free(text);
}

static void ask(struct conditions *c)
{
    static const struct s3_options patience = {
        .timeout_ms = 5000, .deadline_ms = 10000, .max_attempts = 3};
    const struct s3_put put = {.key = c->key,
                               .body = TEXT,
                               .body_len = sizeof(TEXT) - 1,
                               .content_type = "text/plain",
                               .create_once = !attempts[c->at].if_match,
                               .if_match = attempts[c->at].if_match};
    c->call_id = s3_put_object(c->client, c->endpoint, c->bucket, &put, &patience, on_put, c);
}

struct conditions *conditions_try(struct aws_client *client, const struct aws_endpoint *endpoint,
                                  const char *bucket, const char *prefix, conditions_cb *done,
                                  void *arg)
{
    struct conditions *c = xcalloc(1, sizeof(*c));
    c->client = client;
    c->endpoint = endpoint;
    c->bucket = xstrdup(bucket);
    c->key = xasprintf("%s" KEY, prefix);
    c->done = done;
    c->arg = arg;
    ask(c);
    return c;
}

void conditions_free(struct conditions *c)
{
    if (!c)
        return;
    if (c->call_id)
        aws_cancel(c->client, c->call_id);
    free(c->bucket);
    free(c->key);
    free(c);
}
