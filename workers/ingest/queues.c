#include "workers/ingest/queues.h"

#include <event2/event.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <errno.h>
#include <sys/queue.h>
#include <unistd.h>

#include "common/base/log.h"
#include "common/base/unix_socket.h"
#include "common/base/xalloc.h"
#include "common/conf/conf.h"

#define FIRST_PAUSE_MS 50
#define LONGEST_PAUSE_MS 5000
#define CREATE_TIMEOUT_MS 5000
#define CREATE_DEADLINE_MS 10000

struct queue {
    LIST_ENTRY(queue) link;
    struct queues *all;      /* borrow: owns us */
    const char *key;         /* borrow: the configuration */
    const char *name;        /* borrow: the configuration */
    struct enqueue *enqueue; /* own */
    struct event *again;     /* own */
    uint64_t call;           /* the creation under way, or 0 */
    int pause_ms;
    bool known;
    char why[256]; /* it waits */
};
LIST_HEAD(queue_list, queue);

struct queues {
    struct event_base *base;   /* borrow */
    struct aws_client *client; /* borrow */
    const json_t *conf;        /* borrow */
    struct aws_endpoint embedded;
    char *socket_path; /* own */
    int socket_dir_fd; /* keeps a short path good; -1 where none is needed */
    struct queue_list list;
    void (*known)(void *arg);
    void *arg;
};

static void create(struct queue *queue);

static void pause_creation(struct queue *queue)
{
    queue->pause_ms = queue->pause_ms ? queue->pause_ms * 2 : FIRST_PAUSE_MS;
    if (queue->pause_ms > LONGEST_PAUSE_MS)
        queue->pause_ms = LONGEST_PAUSE_MS;
    struct timeval tv = {.tv_sec = queue->pause_ms / 1000,
                         .tv_usec = queue->pause_ms % 1000 * 1000};
    evtimer_add(queue->again, &tv);
}

static void on_created(void *arg, const struct aws_reply *reply, const char *queue_url)
{
    struct queue *queue = arg;
    queue->call = 0;
    if (reply->class == AWS_OK && queue_url) {
        log_info("queue \"%s\": ready url=%s", queue->name, queue_url);
        queue->known = true;
        queue->pause_ms = 0;
        enqueue_set_url(queue->enqueue, queue_url);
        if (queues_waiting(queue->all, NULL) == 0)
            queue->all->known(queue->all->arg);
        return;
    }
    char why[sizeof(queue->why)];
    snprintf(why, sizeof(why), "%s: %s", reply->code, reply->message);
    if (strcmp(why, queue->why) != 0)
        log_warn("queue \"%s\": cannot be created yet, trying on: %s", queue->name, why);
    memcpy(queue->why, why, sizeof(why));
    pause_creation(queue);
}

static void on_again(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what;
    create(arg);
}

static void create(struct queue *queue)
{
    const struct sqs_options o = {
        .timeout_ms = CREATE_TIMEOUT_MS, .deadline_ms = CREATE_DEADLINE_MS, .max_attempts = 1};
    queue->call = sqs_create_queue(queue->all->client, &queue->all->embedded, queue->name, &o,
                                   on_created, queue);
}

static void on_missing(void *arg)
{
    struct queue *queue = arg;
    queue->known = false;
    snprintf(queue->why, sizeof(queue->why), "it is gone and is created again");
    log_warn("queue \"%s\": %s", queue->name, queue->why);
    if (!queue->call && !evtimer_pending(queue->again, NULL))
        pause_creation(queue);
}

static struct queue *queue_new(struct queues *qs, const char *key)
{
    struct queue *queue = xcalloc(1, sizeof(*queue));
    queue->all = qs;
    queue->key = key;
    queue->name = conf_str(json_object_get(conf_value(qs->conf, "queues"), key), "name");
    queue->again = evtimer_new(qs->base, on_again, queue);
    snprintf(queue->why, sizeof(queue->why), "it is being created");
    struct enqueue_options o = {.name = key,
                                .client = qs->client,
                                .endpoint = &qs->embedded,
                                .calls = &enqueue_sqs,
                                .missing = on_missing,
                                .missing_arg = queue};
    queue->enqueue = enqueue_new(qs->base, &o);
    LIST_INSERT_HEAD(&qs->list, queue, link);
    create(queue);
    return queue;
}

struct queues *queues_new(struct event_base *base, struct aws_client *client, const json_t *conf,
                          void (*known)(void *arg), void *arg)
{
    char *path = xasprintf("%s/store.sock", conf_str(conf, "run_dir"));
    int dir_fd = -1;
    char *short_path = unix_socket_short_path(path, &dir_fd);
    if (!short_path) {
        log_error("the embedded store's socket %s cannot be reached: %s", path, strerror(errno));
        free(path);
        return NULL;
    }
    free(path);
    struct queues *qs = xcalloc(1, sizeof(*qs));
    qs->base = base;
    qs->client = client;
    qs->conf = conf;
    qs->known = known;
    qs->arg = arg;
    qs->socket_path = short_path;
    qs->socket_dir_fd = dir_fd;
    qs->embedded = (struct aws_endpoint){.identity = "embedded",
                                         .region = "local",
                                         .service = "sqs",
                                         .url = "http://store.local",
                                         .unix_socket = qs->socket_path};
    LIST_INIT(&qs->list);
    return qs;
}

void queues_free(struct queues *qs)
{
    if (!qs)
        return;
    struct queue *queue;
    while ((queue = LIST_FIRST(&qs->list))) {
        if (queue->call)
            aws_cancel(qs->client, queue->call);
        enqueue_free(queue->enqueue);
        event_free(queue->again);
        LIST_REMOVE(queue, link);
        free(queue);
    }
    if (qs->socket_dir_fd >= 0)
        close(qs->socket_dir_fd);
    free(qs->socket_path);
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

size_t queues_waiting(const struct queues *qs, json_t *list)
{
    size_t count = 0;
    const struct queue *queue;
    LIST_FOREACH(queue, &qs->list, link)
    {
        if (queue->known)
            continue;
        count++;
        if (list)
            json_array_append_new(list, json_sprintf("queue \"%s\": %s", queue->key, queue->why));
    }
    return count;
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
