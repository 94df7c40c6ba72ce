/* (no URL given: create ->) attributes -> done */
#include "common/aws/queue_open.h"

#include <stdlib.h>

#include "common/aws/sqs.h"
#include "common/base/xalloc.h"

struct queue_open {
    struct aws_client *client;           /* borrowed: the worker's, outlives us */
    const struct aws_endpoint *endpoint; /* borrowed: the worker's, outlives us */
    char *name;                          /* own */
    char *url;                           /* own; NULL until it is known */
    struct opening *opening;             /* borrowed: owns us */
    queue_open_cb *done;
    void *arg;
};

static const struct sqs_options patience = {
    .timeout_ms = 5000, .deadline_ms = 5000, .max_attempts = 1};

static void on_attributes(void *arg, const struct aws_reply *reply)
{
    struct queue_open *open = arg;
    struct queue_attributes attributes;
    if (reply->class != AWS_OK) {
        opening_later(open->opening, "sqs:GetQueueAttributes", reply);
        return;
    }
    queue_attributes_read(open->url, json_object_get(reply->json, "Attributes"), &attributes);
    opening_done(open->opening);
    open->done(open->arg, open->url, &attributes); /* may free open */
}

static uint64_t ask_attributes(struct queue_open *open)
{
    return sqs_get_queue_attributes(open->client, open->endpoint, open->url, &patience,
                                    on_attributes, open);
}

static void on_url(void *arg, const struct aws_reply *reply, const char *queue_url)
{
    struct queue_open *open = arg;
    if (!queue_url) {
        opening_later(open->opening, "sqs:CreateQueue", reply);
        return;
    }
    open->url = xstrdup(queue_url);
    opening_goes_on(open->opening, ask_attributes(open));
}

static uint64_t ask(void *arg)
{
    struct queue_open *open = arg;
    return open->url ? ask_attributes(open)
                     : sqs_create_queue(open->client, open->endpoint, open->name, &patience, on_url,
                                        open);
}

static void drop(void *arg)
{
    struct queue_open *open = arg;
    free(open->name);
    free(open->url);
    free(open);
}

struct opening *queue_open_start(struct event_base *base, struct aws_client *client,
                                 const struct aws_endpoint *endpoint,
                                 const struct queue_open_options *o, queue_open_cb *done, void *arg)
{
    static const struct opening_kind kind = {ask, drop};
    struct queue_open *open = xcalloc(1, sizeof(*open));
    bool has_url = o->url && *o->url;
    char *key = xasprintf("queues.%s", o->key);
    char *what = has_url ? xasprintf("queue \"%s\" (%s)", o->key, o->url)
                         : xasprintf("queue \"%s\"", o->key);
    const struct obstacle_object object = {what, key, o->role, endpoint->region};
    open->client = client;
    open->endpoint = endpoint;
    open->name = xstrdup(o->name);
    open->url = has_url ? xstrdup(o->url) : NULL;
    open->done = done;
    open->arg = arg;
    open->opening = opening_new(base, client, &object, &kind, open);
    free(key);
    free(what);
    return open->opening;
}
