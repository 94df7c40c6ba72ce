#include "workers/retry/counts.h"

#include <assert.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>

#include "common/aws/endpoint.h"
#include "common/aws/obstacle.h"
#include "common/aws/queue_open.h"
#include "common/aws/sqs.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/xalloc.h"
#include "common/conf/conf.h"
#include "workers/permissions.h"

#define ASK_EVERY_MS 5000
#define STALE_MS 30000

struct queue {
    struct counts *counts; /* borrowed: owns us */
    struct counts_entry entry;
    struct endpoint *endpoint; /* own */
    struct opening *open;      /* own; NULL once open */
    char *url;                 /* own; NULL until open */
    uint64_t call;             /* under way, or 0 */
    int64_t read_ms;
    char *trouble; /* own: why its messages cannot be counted, or NULL */
};

struct counts {
    struct event_base *base;   /* borrowed */
    struct aws_client *client; /* borrowed */
    struct queue *queues;      /* own */
    size_t count;
    size_t open_count;
    struct event *timer; /* own */
    void (*opened)(void *arg);
    void *arg;
};

static const struct sqs_options patience = {
    .timeout_ms = 4000, .deadline_ms = 4500, .max_attempts = 1};

static int64_t attribute(const json_t *attributes, const char *name)
{
    const char *text = json_string_value(json_object_get(attributes, name));
    return text ? strtoll(text, NULL, 10) : 0;
}

static void set_trouble(struct queue *q, const struct aws_reply *reply)
{
    char *what = xasprintf("queue \"%s\"", q->entry.queue);
    char *key = xasprintf("queues.%s", q->entry.queue);
    const struct obstacle_object object = {what, key, "retry", endpoint_aws(q->endpoint)->region};
    char *text = obstacle_text(&object, "sqs:GetQueueAttributes", reply);
    if (!q->trouble || strcmp(q->trouble, text) != 0)
        log_warn("its messages cannot be counted: %s", text);
    free(q->trouble);
    q->trouble = text;
    free(key);
    free(what);
}

static void on_attributes(void *arg, const struct aws_reply *reply)
{
    struct queue *q = arg;
    q->call = 0;
    const json_t *attributes = json_object_get(reply->json, "Attributes");
    if (reply->class != AWS_OK && obstacle_is_for_people(reply))
        set_trouble(q, reply);
    if (reply->class != AWS_OK || !attributes)
        return;
    free(q->trouble);
    q->trouble = NULL;
    q->entry.waiting = attribute(attributes, "ApproximateNumberOfMessages") +
                       attribute(attributes, "ApproximateNumberOfMessagesDelayed");
    q->entry.in_work = attribute(attributes, "ApproximateNumberOfMessagesNotVisible");
    q->read_ms = clock_mono_ms();
    q->entry.known = true;
}

static void ask(struct queue *q)
{
    struct counts *c = q->counts;
    if (q->entry.known && clock_mono_ms() - q->read_ms > STALE_MS)
        q->entry.known = false;
    if (q->url && q->call == 0)
        q->call = sqs_get_queue_attributes(c->client, endpoint_aws(q->endpoint), q->url, &patience,
                                           on_attributes, q);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct counts *c = arg;
    for (size_t i = 0; i < c->count; i++)
        ask(&c->queues[i]);
}

static void on_open(void *arg, const char *queue_url, const struct queue_attributes *attributes)
{
    (void)attributes;
    struct queue *q = arg;
    struct counts *c = q->counts;
    q->url = xstrdup(queue_url);
    opening_free(q->open);
    q->open = NULL;
    ask(q);
    if (++c->open_count == c->count)
        c->opened(c->arg);
}

static struct queue *find(const struct counts *c, const char *name)
{
    for (size_t i = 0; i < c->count; i++) {
        if (strcmp(c->queues[i].entry.queue, name) == 0)
            return &c->queues[i];
    }
    return NULL;
}

static void add(struct counts *c, const char *name)
{
    if (*name && !find(c, name))
        c->queues[c->count++] = (struct queue){.counts = c, .entry.queue = name};
}

static void start(struct counts *c, const json_t *conf, struct queue *q)
{
    const json_t *described = json_object_get(conf_value(conf, "queues"), q->entry.queue);
    q->endpoint = endpoint_new(conf, conf_str(described, "service"), "sqs");
    const struct queue_open_options options = {.key = q->entry.queue,
                                               .name = conf_str(described, "name"),
                                               .url = conf_str(described, "url"),
                                               .role = "retry"};
    q->open = queue_open_start(c->base, c->client, endpoint_aws(q->endpoint), &options, on_open, q);
}

struct counts *counts_new(struct event_base *base, struct aws_client *client, const json_t *conf,
                          void (*opened)(void *arg), void *arg)
{
    struct counts *c = xcalloc(1, sizeof(*c));
    c->base = base;
    c->client = client;
    c->opened = opened;
    c->arg = arg;
    json_t *sources = (json_t *)(uintptr_t)conf_value(conf, "sources");
    c->queues = xcalloc(3 * json_object_size(sources) + 1, sizeof(*c->queues));
    const char *name = NULL;
    json_t *source = NULL;
    json_object_foreach(sources, name, source)
    {
        add(c, conf_str(source, "queue"));
        add(c, conf_str(source, "inspection_queue"));
        add(c, conf_str(source, "dead_letter.queue"));
    }
    for (size_t i = 0; i < c->count; i++)
        start(c, conf, &c->queues[i]);
    c->timer = event_new(base, -1, EV_PERSIST, on_timer, c);
    assert(c->timer);
    struct timeval every = {.tv_sec = ASK_EVERY_MS / 1000};
    event_add(c->timer, &every);
    return c;
}

void counts_free(struct counts *c)
{
    if (!c)
        return;
    for (size_t i = 0; i < c->count; i++) {
        struct queue *q = &c->queues[i];
        if (q->call)
            aws_cancel(c->client, q->call);
        opening_free(q->open);
        endpoint_free(q->endpoint);
        free(q->url);
        free(q->trouble);
    }
    event_free(c->timer);
    free(c->queues);
    free(c);
}

const struct counts_entry *counts_of(const struct counts *c, const char *queue)
{
    const struct queue *q = find(c, queue);
    return q ? &q->entry : NULL;
}

const char *counts_error(const struct counts *c, const char *queue, bool *open_out)
{
    const struct queue *q = find(c, queue);
    *open_out = !q || !q->open;
    return *open_out ? NULL : opening_error(q->open);
}

static void check_queue(const struct queue *q, struct checkup *checkup)
{
    char *what = xasprintf("queue \"%s\"", q->entry.queue);
    char *key = xasprintf("queues.%s", q->entry.queue);
    if (q->url)
        checkup_add(checkup, &(struct checkup_step){.what = what,
                                                    .key = key,
                                                    .action = "sqs:GetQueueAttributes",
                                                    .name = q->url,
                                                    .endpoint = endpoint_aws(q->endpoint),
                                                    .start = permissions_queue_attributes});
    else
        checkup_note(checkup, what, false, opening_waiting(q->open));
    free(key);
    free(what);
}

void counts_check(const struct counts *c, struct checkup *checkup)
{
    for (size_t i = 0; i < c->count; i++)
        check_queue(&c->queues[i], checkup);
}

json_t *counts_waiting(const struct counts *c)
{
    json_t *texts = json_array();
    for (size_t i = 0; i < c->count; i++) {
        const struct queue *q = &c->queues[i];
        const char *text = q->open ? opening_waiting(q->open) : q->trouble;
        if (text)
            json_array_append_new(texts, json_string(text));
    }
    return texts;
}
