#include "common/aws/bucket_open.h"

#include <stdlib.h>

#include "common/aws/endpoint.h"
#include "common/aws/opening.h"
#include "common/aws/s3.h"
#include "common/base/xalloc.h"

struct bucket_open {
    struct aws_client *client;           /* borrowed: the worker's, outlives us */
    const struct aws_endpoint *endpoint; /* borrowed: the worker's, outlives us */
    char *name;                          /* own */
    struct opening *opening;             /* own */
    uint64_t call_id;                    /* 0: none is under way */
    bucket_open_cb *done;
    void *arg;
};

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
    opening_done(open->opening);
    open->done(open->arg); /* may free open */
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
                                      const struct aws_endpoint *endpoint, const char *role,
                                      const char *name, bucket_open_cb *done, void *arg)
{
    struct bucket_open *open = xcalloc(1, sizeof(*open));
    char *what = xasprintf("bucket \"%s\"", name);
    const struct opening_object object = {what, "dead_letters", role, endpoint->region};
    open->client = client;
    open->endpoint = endpoint;
    open->name = xstrdup(name);
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
    opening_free(open->opening);
    free(open->name);
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
