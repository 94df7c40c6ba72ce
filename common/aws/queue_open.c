/* (no URL given: create ->) attributes -> done */
#include "common/aws/queue_open.h"

#include <stdlib.h>

#include "common/aws/opening.h"
#include "common/aws/sqs.h"
#include "common/base/xalloc.h"

struct queue_open {
    struct aws_client *client;           /* borrowed: the worker's, outlives us */
    const struct aws_endpoint *endpoint; /* borrowed: the worker's, outlives us */
    char *name;                          /* own */
    char *key;                           /* own */
    char *url;                           /* own; NULL until it is known */
    struct opening *opening;             /* own */
    uint64_t call_id;                    /* 0: none is under way */
    queue_open_cb *done;
    void *arg;
};

static const struct sqs_options patience = {
    .timeout_ms = 5000, .deadline_ms = 5000, .max_attempts = 1};

static void on_attributes(void *arg, const struct aws_reply *reply)
{
    struct queue_open *open = arg;
    struct queue_attributes attributes;
    open->call_id = 0;
    if (reply->class != AWS_OK) {
        opening_later(open->opening, "sqs:GetQueueAttributes", reply);
        return;
    }
    queue_attributes_read(json_object_get(reply->json, "Attributes"), &attributes);
    opening_done(open->opening);
    open->done(open->arg, open->url, &attributes); /* may free open */
}

static void ask_attributes(struct queue_open *open)
{
    open->call_id = sqs_get_queue_attributes(open->client, open->endpoint, open->url, &patience,
                                             on_attributes, open);
}

static void on_url(void *arg, const struct aws_reply *reply, const char *queue_url)
{
    struct queue_open *open = arg;
    open->call_id = 0;
    if (!queue_url) {
        opening_later(open->opening, "sqs:CreateQueue", reply);
        return;
    }
    open->url = xstrdup(queue_url);
    ask_attributes(open);
}

static void ask(void *arg)
{
    struct queue_open *open = arg;
    if (open->url)
        ask_attributes(open);
    else
        open->call_id =
            sqs_create_queue(open->client, open->endpoint, open->name, &patience, on_url, open);
}

struct queue_open *queue_open_start(struct event_base *base, struct aws_client *client,
                                    const struct aws_endpoint *endpoint,
                                    const struct queue_open_options *o, queue_open_cb *done,
                                    void *arg)
{
    struct queue_open *open = xcalloc(1, sizeof(*open));
    bool has_url = o->url && *o->url;
    char *what = has_url ? xasprintf("queue \"%s\" (%s)", o->key, o->url)
                         : xasprintf("queue \"%s\"", o->key);
    open->client = client;
    open->endpoint = endpoint;
    open->name = xstrdup(o->name);
    open->key = xasprintf("queues.%s", o->key);
    open->url = has_url ? xstrdup(o->url) : NULL;
    const struct opening_object object = {what, open->key, o->role, endpoint->region};
    open->opening = opening_new(base, &object, ask, open);
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
    free(open->key);
    free(open->url);
    free(open);
}

const char *queue_open_waiting(const struct queue_open *open)
{
    return opening_waiting(open->opening);
}

const char *queue_open_error(const struct queue_open *open)
{
    return opening_error(open->opening);
}
