#include "common/aws/bucket_open.h"

#include <stdlib.h>

#include "common/aws/conditions.h"
#include "common/aws/endpoint.h"
#include "common/aws/s3.h"
#include "common/base/xalloc.h"

struct bucket_open {
    struct aws_client *client;           /* borrowed: the worker's, outlives us */
    const struct aws_endpoint *endpoint; /* borrowed: the worker's, outlives us */
    char *name, *prefix;                 /* own */
    struct opening *opening;             /* borrowed: owns us */
    struct conditions *conditions;       /* own; NULL: they are not being tried */
    bucket_open_cb *done;
    void *arg;
};

static void finish(struct bucket_open *open)
{
    opening_done(open->opening);
    open->done(open->arg); /* may free open */
}

static void refuse(struct bucket_open *open, const char *tried)
{
    char *text = xasprintf("its server does not keep conditions: %s, so that dead letters would "
                           "overwrite each other; keep them on another service, or set "
                           "dead_letters.conditional_writes to false and accept that",
                           tried);
    opening_unfit(open->opening, text);
    free(text);
}

static void on_conditions(void *arg, enum conditions_verdict verdict, const char *text,
                          const struct aws_reply *reply)
{
    struct bucket_open *open = arg;
    if (verdict == CONDITIONS_IGNORED)
        refuse(open, text);
    else if (verdict == CONDITIONS_UNKNOWN)
        opening_later(open->opening, "s3:PutObject", reply);
    conditions_free(open->conditions);
    open->conditions = NULL;
    if (verdict == CONDITIONS_KEPT)
        finish(open);
}

static void on_there(void *arg, const struct aws_reply *reply)
{
    struct bucket_open *open = arg;
    if (reply->class != AWS_OK) {
        opening_later(open->opening,
                      endpoint_is_embedded(open->endpoint) ? "s3:CreateBucket" : "s3:ListBucket",
                      reply);
        return;
    }
    if (endpoint_is_embedded(open->endpoint) || open->endpoint->unconditional)
        finish(open);
    else
        open->conditions = conditions_try(open->client, open->endpoint, open->name, open->prefix,
                                          on_conditions, open);
}

static uint64_t ask(void *arg)
{
    static const struct s3_options options = {
        .timeout_ms = 5000, .deadline_ms = 5000, .max_attempts = 1};
    struct bucket_open *open = arg;
    return endpoint_is_embedded(open->endpoint)
               ? s3_create_bucket(open->client, open->endpoint, open->name, &options, on_there,
                                  open)
               : s3_head_bucket(open->client, open->endpoint, open->name, &options, on_there, open);
}

static void drop(void *arg)
{
    struct bucket_open *open = arg;
    conditions_free(open->conditions);
    free(open->name);
    free(open->prefix);
    free(open);
}

struct opening *bucket_open_start(struct event_base *base, struct aws_client *client,
                                  const struct aws_endpoint *endpoint,
                                  const struct bucket_open_options *options, bucket_open_cb *done,
                                  void *arg)
{
    static const struct opening_kind kind = {ask, drop};
    struct bucket_open *open = xcalloc(1, sizeof(*open));
    char *what = xasprintf("bucket \"%s\"", options->name);
    const struct obstacle_object object = {what, "dead_letters", options->role, endpoint->region};
    open->client = client;
    open->endpoint = endpoint;
    open->name = xstrdup(options->name);
    open->prefix = xstrdup(options->prefix);
    open->done = done;
    open->arg = arg;
    open->opening = opening_new(base, client, &object, &kind, open);
    free(what);
    return open->opening;
}
