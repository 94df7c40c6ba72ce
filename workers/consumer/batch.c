#include "workers/consumer/batch.h"

#include <event2/event.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "common/base/clock.h"
#include "common/base/xalloc.h"

#define GATHER_MS 2
#define FIRST_PAUSE_MS 200
#define CALLS_MAX 4

struct batch_entry {
    TAILQ_ENTRY(batch_entry) link;
    uint64_t id;
    char *handle; /* own */
    int visibility_s;
    int tries;
    bool alone; /* failed inside a call that went well: sent by itself */
    int64_t not_before_mono_ms;
};
TAILQ_HEAD(batch_entries, batch_entry);

struct batch_call {
    LIST_ENTRY(batch_call) link;
    struct batch *batch; /* borrow */
    uint64_t id;
    int64_t sent_mono_ms;
    struct batch_entry *entries[SQS_BATCH_MAX]; /* own */
    size_t count;
};

struct batch {
    struct event_base *base; /* borrow */
    struct queue *queue;     /* borrow */
    enum batch_kind kind;
    int tries;
    batch_cb *done;
    void *arg;
    struct event *timer; /* own */
    struct batch_entries waiting;
    LIST_HEAD(, batch_call) calls;
    size_t call_count;
};

static void plan(struct batch *b);

static void entry_free(struct batch_entry *e)
{
    free(e->handle);
    free(e);
}

static bool may_help(enum aws_class class)
{
    switch (class) {
    case AWS_THROTTLED:
    case AWS_TRANSIENT:
    case AWS_EXPIRED:
    case AWS_SKEW:
    case AWS_NO_KEY:
        return true;
    default:
        return false;
    }
}

/* Reports the entry or puts it back. whole: the call failed as such. */
static void settle_entry(struct batch *b, struct batch_entry *e, const struct batch_result *result,
                         bool whole)
{
    if (!result->ok && e->tries < b->tries && may_help(result->class)) {
        e->alone = !whole;
        e->not_before_mono_ms = clock_mono_ms() + ((int64_t)FIRST_PAUSE_MS << (e->tries - 1));
        TAILQ_INSERT_TAIL(&b->waiting, e, link);
        return;
    }
    uint64_t id = e->id;
    entry_free(e);
    b->done(b->arg, id, result);
}

static void on_answer(void *arg, const struct aws_reply *reply,
                      const struct sqs_entry_result *results, size_t count)
{
    struct batch_call *call = arg;
    struct batch *b = call->batch;
    LIST_REMOVE(call, link);
    b->call_count--;
    if (reply->class == AWS_MISSING && !results)
        queues_lost(b->queue);
    for (size_t i = 0; i < call->count; i++) {
        struct batch_result result = {.sent_mono_ms = call->sent_mono_ms};
        if (results && i < count) {
            result.ok = results[i].ok;
            result.class = results[i].class;
            result.code = results[i].ok ? "" : results[i].code;
            result.message = results[i].ok ? "" : results[i].message;
        } else {
            result.class = reply->class == AWS_OK ? AWS_TRANSIENT : reply->class;
            result.code = reply->code;
            result.message = reply->message;
        }
        settle_entry(b, call->entries[i], &result, results == NULL);
    }
    free(call);
    plan(b);
}

static void send_call(struct batch *b, struct batch_call *call)
{
    static const struct sqs_options options = {
        .timeout_ms = 4000, .deadline_ms = 8000, .max_attempts = 2};
    const char *handles[SQS_BATCH_MAX];
    int visibility_s[SQS_BATCH_MAX];
    struct queue *q = b->queue;
    for (size_t i = 0; i < call->count; i++) {
        handles[i] = call->entries[i]->handle;
        visibility_s[i] = call->entries[i]->visibility_s;
        call->entries[i]->tries++;
    }
    call->sent_mono_ms = clock_mono_ms();
    if (b->kind == BATCH_DELETE)
        call->id = sqs_delete_batch(q->client, q->endpoint, q->url, handles, call->count, &options,
                                    on_answer, call);
    else
        call->id =
            sqs_change_visibility_batch(q->client, q->endpoint, q->url, handles, visibility_s,
                                        call->count, &options, on_answer, call);
}

/* Takes what is due into a call; NULL where nothing is. */
static struct batch_call *gather(struct batch *b, int64_t now)
{
    struct batch_call *call = NULL;
    struct batch_entry *e, *next;
    for (e = TAILQ_FIRST(&b->waiting); e; e = next) {
        next = TAILQ_NEXT(e, link);
        if (e->not_before_mono_ms > now || (e->alone && call))
            continue;
        if (!call) {
            call = xcalloc(1, sizeof(*call));
            call->batch = b;
        }
        TAILQ_REMOVE(&b->waiting, e, link);
        call->entries[call->count++] = e;
        if (e->alone || call->count == SQS_BATCH_MAX)
            break;
    }
    return call;
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct batch *b = arg;
    int64_t now = clock_mono_ms();
    struct batch_call *call;
    while (b->queue->url && b->call_count < CALLS_MAX && (call = gather(b, now))) {
        LIST_INSERT_HEAD(&b->calls, call, link);
        b->call_count++;
        send_call(b, call);
    }
    plan(b);
}

/* Arms the timer for the entry that is due first. */
static void plan(struct batch *b)
{
    const struct batch_entry *e;
    int64_t first = INT64_MAX;
    TAILQ_FOREACH(e, &b->waiting, link)
    first = e->not_before_mono_ms < first ? e->not_before_mono_ms : first;
    if (first == INT64_MAX || b->call_count == CALLS_MAX)
        return;
    int64_t wait = first - clock_mono_ms();
    if (wait < GATHER_MS)
        wait = b->queue->url ? GATHER_MS : FIRST_PAUSE_MS;
    const struct timeval tv = {.tv_sec = wait / 1000, .tv_usec = wait % 1000 * 1000};
    evtimer_add(b->timer, &tv);
}

struct batch *batch_new(struct event_base *base, struct queue *queue, enum batch_kind kind,
                        int tries, batch_cb *done, void *arg)
{
    struct batch *b = xcalloc(1, sizeof(*b));
    b->base = base;
    b->queue = queue;
    b->kind = kind;
    b->tries = tries;
    b->done = done;
    b->arg = arg;
    b->timer = evtimer_new(base, on_timer, b);
    TAILQ_INIT(&b->waiting);
    LIST_INIT(&b->calls);
    return b;
}

void batch_free(struct batch *b)
{
    if (!b)
        return;
    struct batch_call *call;
    while ((call = LIST_FIRST(&b->calls))) {
        LIST_REMOVE(call, link);
        aws_cancel(b->queue->client, call->id);
        for (size_t i = 0; i < call->count; i++)
            entry_free(call->entries[i]);
        free(call);
    }
    struct batch_entry *e;
    while ((e = TAILQ_FIRST(&b->waiting))) {
        TAILQ_REMOVE(&b->waiting, e, link);
        entry_free(e);
    }
    event_free(b->timer);
    free(b);
}

void batch_add(struct batch *b, uint64_t id, const char *handle, int visibility_s)
{
    struct batch_entry *e = xcalloc(1, sizeof(*e));
    e->id = id;
    e->handle = xstrdup(handle);
    e->visibility_s = visibility_s;
    TAILQ_INSERT_TAIL(&b->waiting, e, link);
    plan(b);
}
