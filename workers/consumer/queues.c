#include "workers/consumer/queues.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/aws/endpoint.h"
#include "common/aws/obstacle.h"
#include "common/aws/queue_open.h"
#include "common/aws/queue_watch.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/xalloc.h"
#include "common/conf/conf.h"

/* A queue and how we find its URL. */
struct entry {
    struct queue queue;        /* first: queues_lost goes back from it */
    const json_t *conf;        /* borrow: the slice's */
    struct endpoint *endpoint; /* own */
    struct opening *open;      /* own, while it is being opened */
    struct queue_watch *watch; /* own, while it is open */
};

struct queues {
    struct event_base *base;   /* borrow */
    struct aws_client *client; /* borrow */
    const json_t *conf;        /* borrow */
    const struct queues_callbacks *callbacks;
    void *arg;
    struct entry **list; /* own, and each of them */
    size_t count;
    bool started;
};

struct queues *queues_new(struct event_base *base, struct aws_client *client, const json_t *conf,
                          const struct queues_callbacks *callbacks, void *arg)
{
    struct queues *all = xcalloc(1, sizeof(*all));
    all->base = base;
    all->client = client;
    all->conf = conf;
    all->callbacks = callbacks;
    all->arg = arg;
    return all;
}

void queues_free(struct queues *all)
{
    if (!all)
        return;
    for (size_t i = 0; i < all->count; i++) {
        struct entry *e = all->list[i];
        opening_free(e->open);
        queue_watch_free(e->watch);
        endpoint_free(e->endpoint);
        free(e->queue.url);
        free(e);
    }
    free(all->list);
    free(all);
}

static void on_changed(void *arg, const struct queue_attributes *attributes)
{
    struct entry *e = arg;
    struct queues *all = e->queue.all;
    e->queue.attributes = *attributes;
    all->callbacks->ready(all->arg, &e->queue);
}

static void on_url(void *arg, const char *url, const struct queue_attributes *attributes)
{
    struct entry *e = arg;
    struct queues *all = e->queue.all;
    e->queue.url = xstrdup(url);
    e->queue.attributes = *attributes;
    opening_free(e->open);
    e->open = NULL;
    const struct queue_watch_options watch = {.name = e->queue.name, .url = e->queue.url};
    e->watch = queue_watch_new(all->base, all->client, e->queue.endpoint, &watch, attributes,
                               on_changed, e);
    log_debug("queue \"%s\": %s", e->queue.name, e->queue.url);
    all->callbacks->ready(all->arg, &e->queue);
}

static void open_queue(struct entry *e)
{
    struct queues *all = e->queue.all;
    const struct queue_open_options options = {.key = e->queue.name,
                                               .name = conf_str(e->conf, "name"),
                                               .url = conf_str(e->conf, "url"),
                                               .role = "consumer"};
    e->open = queue_open_start(all->base, all->client, e->queue.endpoint, &options, on_url, e);
}

struct queue *queues_add(struct queues *all, const char *name, bool read)
{
    for (size_t i = 0; i < all->count; i++) {
        struct queue *q = &all->list[i]->queue;
        if (strcmp(q->name, name) == 0) {
            q->read = q->read || read;
            return q;
        }
    }
    struct entry *e = xcalloc(1, sizeof(*e));
    e->conf = json_object_get(conf_value(all->conf, "queues"), name);
    e->endpoint = endpoint_new(all->conf, conf_str(e->conf, "service"), "sqs");
    e->queue = (struct queue){.index = all->count,
                              .name = name,
                              .read = read,
                              .client = all->client,
                              .endpoint = endpoint_aws(e->endpoint),
                              .all = all};
    all->list = xrealloc(all->list, (all->count + 1) * sizeof(struct entry *));
    all->list[all->count++] = e;
    return &e->queue;
}

void queues_start(struct queues *all)
{
    all->started = true;
    for (size_t i = 0; i < all->count; i++)
        open_queue(all->list[i]);
}

void queues_lost(struct queue *q)
{
    struct entry *e = (struct entry *)q;
    if (e->open)
        return;
    queue_watch_free(e->watch);
    e->watch = NULL;
    free(q->url);
    q->url = NULL;
    open_queue(e);
}

size_t queues_count(const struct queues *all)
{
    return all->count;
}

struct queue *queues_at(const struct queues *all, size_t i)
{
    return &all->list[i]->queue;
}

bool queues_all_known(const struct queues *all)
{
    for (size_t i = 0; i < all->count; i++)
        if (!all->list[i]->queue.url)
            return false;
    return all->started;
}

const char *queues_error(const struct queues *all, const char *name, bool *open_out)
{
    *open_out = true;
    for (size_t i = 0; i < all->count; i++) {
        const struct entry *e = all->list[i];
        if (strcmp(e->queue.name, name) != 0 || !e->open)
            continue;
        *open_out = false;
        return opening_error(e->open);
    }
    return NULL;
}

static const char *const actions[QUEUE_ACTIONS] = {
    [QUEUE_RECEIVE] = "sqs:ReceiveMessage",
    [QUEUE_SEND] = "sqs:SendMessage",
    [QUEUE_DELETE] = "sqs:DeleteMessage",
    [QUEUE_VISIBILITY] = "sqs:ChangeMessageVisibility",
};

static char *failure_text(const struct queue *q, enum queue_action action, const char *failure,
                          const struct aws_reply *reply)
{
    char *what = xasprintf("queue \"%s\"", q->name);
    char *key = xasprintf("queues.%s", q->name);
    const struct obstacle_object object = {what, key, "consumer", q->endpoint->region};
    char *text = obstacle_failure(&object, actions[action], failure, reply);
    free(key);
    free(what);
    return text;
}

void queues_failed(struct queue *q, enum queue_action action, const char *failure,
                   const struct aws_reply *reply)
{
    struct trouble *trouble = &q->troubles[action];
    char *text = failure_text(q, action, failure, reply);
    if (trouble_note(trouble, text, clock_mono_ms()))
        log_warn("%s", text);
    q->all->callbacks->trouble(q->all->arg, trouble->text);
    free(text);
}

void queues_message_failed(struct queue *q, const char *message_id, enum queue_action action,
                           const char *failure, const struct aws_reply *reply, const char *then)
{
    if (obstacle_is_for_people(reply)) {
        queues_failed(q, action, failure, reply);
        return;
    }
    char *text = failure_text(q, action, failure, reply);
    log_warn("message %s of %s; %s", message_id, text, then);
    free(text);
}

void queues_worked(struct queue *q, enum queue_action action)
{
    if (trouble_end(&q->troubles[action]))
        log_info("queue \"%s\": %s works again", q->name, actions[action]);
}

const char *queues_opening(const struct queue *q)
{
    const struct entry *e = (const struct entry *)q;
    const char *why = opening_waiting(e->open);
    return why ? why : "a queue is not opened yet";
}

void queues_waiting(const struct queues *all, json_t *list)
{
    for (size_t i = 0; i < all->count; i++) {
        const struct entry *e = all->list[i];
        const char *opening = opening_waiting(e->open);
        if (opening)
            json_array_append_new(list, json_string(opening));
        for (int action = 0; !opening && action < QUEUE_ACTIONS; action++) {
            const char *trouble = trouble_shown(&e->queue.troubles[action], clock_mono_ms());
            if (trouble)
                json_array_append_new(list, json_string(trouble));
        }
    }
}
