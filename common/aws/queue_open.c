#include "common/aws/queue_open.h"

#include <stdlib.h>

#include "common/aws/opening.h"
#include "common/aws/sqs.h"
#include "common/base/xalloc.h"

struct queue_open {
    struct aws_client *client;           /* borrowed: the worker's, outlives us */
    const struct aws_endpoint *endpoint; /* borrowed: the worker's, outlives us */
    char *name;                          /* own */
    char *url;                           /* own; "": it is opened by name */
    struct opening *opening;             /* own */
    uint64_t call_id;                    /* 0: none is under way */
    queue_open_cb *done;
    void *arg;
};

static void on_url(void *arg, const struct aws_reply *reply, const char *queue_url)
{
    struct queue_open *open = arg;
    open->call_id = 0;
    if (!queue_url) {
        opening_later(open->opening, reply);
        return;
    }
    opening_done(open->opening);
    open->done(open->arg, queue_url); /* may free open */
}

static void on_attributes(void *arg, const struct aws_reply *reply)
{
    struct queue_open *open = arg;
    on_url(open, reply, reply->class == AWS_OK ? open->url : NULL);
}

static void ask(void *arg)
{
    static const struct sqs_options OPTIONS = {
        .timeout_ms = 5000, .deadline_ms = 5000, .max_attempts = 1};
    struct queue_open *open = arg;
    if (*open->url)
        open->call_id = sqs_get_queue_attributes(open->client, open->endpoint, open->url, &OPTIONS,
                                                 on_attributes, open);
    else
        open->call_id =
            sqs_create_queue(open->client, open->endpoint, open->name, &OPTIONS, on_url, open);
}

struct queue_open *queue_open_start(struct event_base *base, struct aws_client *client,
                                    const struct aws_endpoint *endpoint, const char *name,
                                    const char *url, queue_open_cb *done, void *arg)
{
    struct queue_open *open = xcalloc(1, sizeof(*open));
    char *what = xasprintf("queue \"%s\"", name);
    open->client = client;
    open->endpoint = endpoint;
    open->name = xstrdup(name);
    open->url = xstrdup(url);
    open->opening = opening_new(base, what, ask, open);
    open->done = done;
    open->arg = arg;
    free(what);
    ask(open);
    return open;
}

void queue_open_free(struct queue_open *open)
{
    if (!open)
        return;
    if (open->call_id)
        aws_cancel(open->client, open->call_id);
    opening_free(open->opening);
    free(open->name);
    free(open->url);
    free(open);
}

const char *queue_open_waiting(const struct queue_open *open)
{
    return opening_waiting(open->opening);
}
