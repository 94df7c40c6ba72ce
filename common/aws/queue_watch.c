#include "common/aws/queue_watch.h"

#include <assert.h>
#include <event2/event.h>
#include <stdlib.h>

#include "common/aws/sqs.h"
#include "common/base/log.h"
#include "common/base/noise.h"
#include "common/base/xalloc.h"

struct queue_watch {
    struct aws_client *client;           /* borrowed */
    const struct aws_endpoint *endpoint; /* borrowed */
    struct queue_watch_options options;
    struct queue_attributes known;
    struct event *timer; /* own */
    uint64_t call;       /* under way, or 0 */
    queue_watch_cb *changed;
    void *arg;
};

/* Between a half and one and a half of the interval: workers that start together do not ask
 * together. */
static void wait(struct queue_watch *w)
{
    int64_t ms = w->options.every_ms / 2 + noise_bits() % (w->options.every_ms + 1);
    const struct timeval tv = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};
    evtimer_add(w->timer, &tv);
}

static void on_attributes(void *arg, const struct aws_reply *reply)
{
    struct queue_watch *w = arg;
    struct queue_attributes now;
    w->call = 0;
    wait(w);
    const json_t *attributes = json_object_get(reply->json, "Attributes");
    if (reply->class != AWS_OK || !attributes)
        return;
    queue_attributes_read(w->options.url, attributes, &now);
    char *changes = queue_attributes_changes(&w->known, &now);
    if (!changes)
        return;
    log_info("queue \"%s\": its attributes were changed: %s", w->options.name, changes);
    free(changes);
    w->known = now;
    w->changed(w->arg, &now); /* may free w */
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    static const struct sqs_options patience = {
        .timeout_ms = 5000, .deadline_ms = 5000, .max_attempts = 1};
    (void)fd;
    (void)what;
    struct queue_watch *w = arg;
    w->call = sqs_get_queue_attributes(w->client, w->endpoint, w->options.url, &patience,
                                       on_attributes, w);
}

struct queue_watch *queue_watch_new(struct event_base *base, struct aws_client *client,
                                    const struct aws_endpoint *endpoint,
                                    const struct queue_watch_options *options,
                                    const struct queue_attributes *attributes,
                                    queue_watch_cb *changed, void *arg)
{
    struct queue_watch *w = xcalloc(1, sizeof(*w));
    w->client = client;
    w->endpoint = endpoint;
    w->options = *options;
    if (w->options.every_ms == 0)
        w->options.every_ms = QUEUE_WATCH_MS;
    w->known = *attributes;
    w->changed = changed;
    w->arg = arg;
    w->timer = evtimer_new(base, on_timer, w);
    assert(w->timer);
    wait(w);
    return w;
}

void queue_watch_free(struct queue_watch *w)
{
    if (!w)
        return;
    if (w->call)
        aws_cancel(w->client, w->call);
    event_free(w->timer);
    free(w);
}
