#include "workers/ingest/queues.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "common/aws/endpoint.h"
#include "common/aws/queue_open.h"
#include "common/aws/queue_watch.h"
#include "common/aws/sqs.h"
#include "common/base/log.h"
#include "common/base/xalloc.h"
#include "common/conf/conf.h"
#include "common/conf/conf_format.h"
#include "workers/permissions.h"

struct queue {
    LIST_ENTRY(queue) link;
    struct queues *all;        /* borrow: owns us */
    const char *key;           /* borrow: the configuration */
    const json_t *conf;        /* borrow: its configuration */
    struct endpoint *endpoint; /* own */
    struct enqueue *enqueue;   /* own */
    struct opening *open;      /* own; NULL once it is open */
    struct queue_watch *watch; /* own; NULL until then */
    char *url;                 /* own; NULL until then */
};
LIST_HEAD(queue_list, queue);

struct queues {
    struct event_base *base;   /* borrow */
    struct aws_client *client; /* borrow */
    const json_t *conf;        /* borrow */
    struct queue_list list;
    void (*known)(void *arg);
    void *arg;
};

static void on_changed(void *arg, const struct queue_attributes *attributes)
{
    const struct queue *queue = arg;
    enqueue_set_limit(queue->enqueue, (size_t)attributes->max_message_bytes);
}

static void on_open(void *arg, const char *queue_url, const struct queue_attributes *attributes)
{
    struct queue *queue = arg;
    log_info("queue \"%s\": open url=%s", queue->key, queue_url);
    enqueue_set_limit(queue->enqueue, (size_t)attributes->max_message_bytes);
    enqueue_set_url(queue->enqueue, queue_url);
    free(queue->url);
    queue->url = xstrdup(queue_url);
    opening_free(queue->open);
    queue->open = NULL;
    const struct queue_watch_options watch = {.name = queue->key, .url = queue->url};
    queue->watch =
        queue_watch_new(queue->all->base, queue->all->client, endpoint_aws(queue->endpoint), &watch,
                        attributes, on_changed, queue);
    if (queues_waiting(queue->all, NULL) == 0)
        queue->all->known(queue->all->arg);
}

static void open_queue(struct queue *queue)
{
    const struct queue_open_options options = {.key = queue->key,
                                               .name = conf_str(queue->conf, "name"),
                                               .url = conf_str(queue->conf, "url"),
                                               .role = "ingest"};
    queue->open = queue_open_start(queue->all->base, queue->all->client,
                                   endpoint_aws(queue->endpoint), &options, on_open, queue);
}

static void on_missing(void *arg)
{
    struct queue *queue = arg;
    log_warn("queue \"%s\": it is gone; opening it again", queue->key);
    if (queue->open)
        return;
    queue_watch_free(queue->watch);
    queue->watch = NULL;
    open_queue(queue);
}

static struct queue *queue_new(struct queues *qs, const char *key)
{
    struct queue *queue = xcalloc(1, sizeof(*queue));
    queue->all = qs;
    queue->key = key;
    queue->conf = json_object_get(conf_value(qs->conf, "queues"), key);
    queue->endpoint = endpoint_new(qs->conf, conf_str(queue->conf, "service"), "sqs");
    struct enqueue_options o = {.name = key,
                                .client = qs->client,
                                .endpoint = endpoint_aws(queue->endpoint),
                                .calls = &enqueue_sqs,
                                .missing = on_missing,
                                .missing_arg = queue};
    queue->enqueue = enqueue_new(qs->base, &o);
    LIST_INSERT_HEAD(&qs->list, queue, link);
    open_queue(queue);
    return queue;
}

struct queues *queues_new(struct event_base *base, struct aws_client *client, const json_t *conf,
                          void (*known)(void *arg), void *arg)
{
    struct queues *qs = xcalloc(1, sizeof(*qs));
    qs->base = base;
    qs->client = client;
    qs->conf = conf;
    qs->known = known;
    qs->arg = arg;
    LIST_INIT(&qs->list);
    return qs;
}

void queues_free(struct queues *qs)
{
    if (!qs)
        return;
    struct queue *queue;
    while ((queue = LIST_FIRST(&qs->list))) {
        opening_free(queue->open);
        queue_watch_free(queue->watch);
        enqueue_free(queue->enqueue);
        endpoint_free(queue->endpoint);
        free(queue->url);
        LIST_REMOVE(queue, link);
        free(queue);
    }
    free(qs);
}

struct enqueue *queues_get(struct queues *qs, const char *key)
{
    struct queue *queue;
    LIST_FOREACH(queue, &qs->list, link)
    if (strcmp(queue->key, key) == 0)
        return queue->enqueue;
    return queue_new(qs, key)->enqueue;
}

bool queues_is_fifo(const struct queues *qs, const char *key)
{
    const json_t *queue = json_object_get(conf_value(qs->conf, "queues"), key);
    return conf_format_is_fifo(conf_str(queue, "url"));
}

size_t queues_waiting(const struct queues *qs, json_t *list)
{
    size_t count = 0;
    const struct queue *queue;
    LIST_FOREACH(queue, &qs->list, link)
    {
        const char *why = opening_waiting(queue->open);
        if (!why)
            continue;
        count++;
        if (list)
            json_array_append_new(list, json_string(why));
    }
    return count;
}

const char *queues_error(const struct queues *qs, const char *key, bool *open_out)
{
    const struct queue *queue;
    *open_out = true;
    LIST_FOREACH(queue, &qs->list, link)
    {
        if (strcmp(queue->key, key) != 0 || !queue->open)
            continue;
        *open_out = false;
        return opening_error(queue->open);
    }
    return NULL;
}

bool queues_failing(const struct queues *qs, char *reason, size_t reason_size)
{
    const struct queue *queue;
    LIST_FOREACH(queue, &qs->list, link)
    {
        const char *error;
        int64_t ms = enqueue_failing_ms(queue->enqueue, &error);
        if (ms == 0)
            continue;
        snprintf(reason, reason_size, "queue \"%s\" has confirmed no event for %lld s: %s",
                 queue->key, (long long)(ms / 1000), error);
        return true;
    }
    return false;
}

static void check_queue(const struct queue *queue, struct checkup *c)
{
    char *what = xasprintf("queue \"%s\"", queue->key);
    char *key = xasprintf("queues.%s", queue->key);
    struct checkup_step step = {
        .what = what, .key = key, .name = queue->url, .endpoint = endpoint_aws(queue->endpoint)};
    if (queue->open) {
        checkup_note(c, what, false, opening_waiting(queue->open));
    } else {
        step.action = "sqs:GetQueueAttributes";
        step.start = permissions_queue_attributes;
        checkup_add(c, &step);
        step.action = "sqs:SendMessage";
        step.start = permissions_send;
        step.good = CHECKUP_GOOD(AWS_INVALID);
        checkup_add(c, &step);
    }
    free(key);
    free(what);
}

void queues_check(const struct queues *qs, struct checkup *c)
{
    const struct queue *queue;
    LIST_FOREACH(queue, &qs->list, link)
    check_queue(queue, c);
}

struct enqueue_stats queues_stats(const struct queues *qs)
{
    struct enqueue_stats sum = {0};
    const struct queue *queue;
    LIST_FOREACH(queue, &qs->list, link)
    {
        const struct enqueue_stats *one = enqueue_stats(queue->enqueue);
        sum.sends += one->sends;
        sum.entries_failed += one->entries_failed;
        sum.throttled += one->throttled;
        sum.late += one->late;
    }
    return sum;
}

size_t queues_pending(const struct queues *qs)
{
    size_t sum = 0;
    const struct queue *queue;
    LIST_FOREACH(queue, &qs->list, link)
    sum += enqueue_pending(queue->enqueue);
    return sum;
}
