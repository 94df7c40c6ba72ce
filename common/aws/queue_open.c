#include "common/aws/queue_open.h"

#include <assert.h>
#include <event2/event.h>
#include <event2/util.h>
#include <stdlib.h>
#include <string.h>

#include "common/aws/sqs.h"
#include "common/base/log.h"
#include "common/base/xalloc.h"

#define FIRST_DELAY_MS 100
#define LAST_DELAY_MS 5000

struct queue_open {
    struct aws_client *client;           /* borrowed: the worker's, outlives us */
    const struct aws_endpoint *endpoint; /* borrowed: the worker's, outlives us */
    char *name;                          /* own */
    char *waiting;                       /* own; NULL once open */
    struct event *timer;                 /* own */
    uint64_t call_id;                    /* 0: none is under way */
    int delay_ms;                        /* before the next attempt, at most */
    queue_open_cb *done;
    void *arg;
};

static void on_url(void *arg, const struct aws_reply *reply, const char *queue_url);

static void ask(struct queue_open *open)
{
    static const struct sqs_options OPTIONS = {
        .timeout_ms = 5000, .deadline_ms = 5000, .max_attempts = 1};
    open->call_id =
        sqs_create_queue(open->client, open->endpoint, open->name, &OPTIONS, on_url, open);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    ask(arg);
}

/* Half of the delay is certain, half is drawn: workers that start together do not ask together. */
static void ask_later(struct queue_open *open)
{
    uint16_t bits;
    evutil_secure_rng_get_bytes(&bits, sizeof(bits));
    int delay_ms = open->delay_ms / 2 + bits % (open->delay_ms / 2 + 1);
    open->delay_ms = open->delay_ms * 2 > LAST_DELAY_MS ? LAST_DELAY_MS : open->delay_ms * 2;
    struct timeval tv = {.tv_sec = delay_ms / 1000, .tv_usec = delay_ms % 1000 * 1000};
    evtimer_add(open->timer, &tv);
}

static void set_waiting(struct queue_open *open, char *text)
{
    free(open->waiting);
    open->waiting = text;
}

static void on_url(void *arg, const struct aws_reply *reply, const char *queue_url)
{
    struct queue_open *open = arg;
    open->call_id = 0;
    if (queue_url) {
        set_waiting(open, NULL);
        open->done(open->arg, queue_url); /* may free open */
        return;
    }
    char *text = xasprintf("queue \"%s\": %s: %s", open->name, reply->code, reply->message);
    /* Each new obstacle is logged once; the ordinary ones of a start are not worth a line. */
    if (strcmp(text, open->waiting) && reply->class != AWS_NO_KEY && reply->class != AWS_TRANSIENT)
        log_warn("cannot open %s (%s); trying again", text, aws_class_word(reply->class));
    set_waiting(open, text);
    ask_later(open);
}

struct queue_open *queue_open_start(struct event_base *base, struct aws_client *client,
                                    const struct aws_endpoint *endpoint, const char *name,
                                    queue_open_cb *done, void *arg)
{
    struct queue_open *open = xcalloc(1, sizeof(*open));
    open->client = client;
    open->endpoint = endpoint;
    open->name = xstrdup(name);
    open->waiting = xasprintf("queue \"%s\": opening it (key or store not there yet)", name);
    open->timer = evtimer_new(base, on_timer, open);
    assert(open->timer);
    open->delay_ms = FIRST_DELAY_MS;
    open->done = done;
    open->arg = arg;
    ask(open);
    return open;
}

void queue_open_free(struct queue_open *open)
{
    if (!open)
        return;
    if (open->call_id)
        aws_cancel(open->client, open->call_id);
    event_free(open->timer);
    free(open->name);
    free(open->waiting);
    free(open);
}

const char *queue_open_waiting(const struct queue_open *open)
{
    return open->waiting;
}
