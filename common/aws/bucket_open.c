#include "common/aws/bucket_open.h"

#include <stdlib.h>

#include "common/aws/conditions.h"
#include "common/aws/endpoint.h"
#include "common/aws/opening.h"
#include "common/aws/s3.h"
#include "common/base/xalloc.h"

struct bucket_open {
    struct aws_client *client;           /* borrowed: the worker's, outlives us */
    const struct aws_endpoint *endpoint; /* borrowed: the worker's, outlives us */
    char *name, *prefix;                 /* own */
    struct opening *opening;             /* own */
    uint64_t call_id;                    /* 0: none is under way */
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
    open->call_id = 0;
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

static void ask(void *arg)
{
    static const struct s3_options options = {
        .timeout_ms = 5000, .deadline_ms = 5000, .max_attempts = 1};
    struct bucket_open *open = arg;
    open->call_id =
        endpoint_is_embedded(open->endpoint)
            ? s3_create_bucket(open->client, open->endpoint, open->name, &options, on_there, open)
            : s3_head_bucket(open->client, open->endpoint, open->name, &options, on_there, open);
}

struct bucket_open *bucket_open_start(struct event_base *base, struct aws_client *client,
                                      const struct aws_endpoint *endpoint,
                                      const struct bucket_open_options *options,
                                      bucket_open_cb *done, void *arg)
{
    struct bucket_open *open = xcalloc(1, sizeof(*open));
    char *what = xasprintf("bucket \"%s\"", options->name);
    const struct opening_object object = {what, "dead_letters", options->role, endpoint->region};
    open->client = client;
    open->endpoint = endpoint;
    open->name = xstrdup(options->name);
    open->prefix = xstrdup(options->prefix);
    open->opening = opening_new(base, &object, ask, open);
    open->done = done;
    open->arg = arg;
    free(what);
    ask(open);
    return open;
}

void bucket_open_free(struct bucket_open *open)
{
    if (!open)
        return;
    if (open->call_id)
        aws_cancel(open->client, open->call_id);
    conditions_free(open->conditions);
    opening_free(open->opening);
    free(open->name);
    free(open->prefix);
    free(open);
}

const char *bucket_open_waiting(const struct bucket_open *open)
{
    return opening_waiting(open->opening);
}

const char *bucket_open_error(const struct bucket_open *open)
{
    return opening_error(open->opening);
}
